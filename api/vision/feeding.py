"""How pixels become the tensor that a model's description asks for; what is in the tensor belongs to the models."""

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

UNIT = np.float32(1 / 255)


class Feeding(msgspec.Struct, frozen=True, kw_only=True):
    """RGB; floats are 0..1 and `padding_value` always is. `uint8` takes pixels as they are: the graph scales them."""

    padding_value: float
    name: str = "images"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    layout: Literal["NCHW", "NHWC"] = "NCHW"

    @property
    def padding(self) -> int:
        """As a value of a pixel."""
        return round(self.padding_value * 255)

    def batch(self, count: int, rows: int, columns: int) -> NDArray[Any]:
        """Padding alone."""
        shape = (count, 3, rows, columns) if self.layout == "NCHW" else (count, rows, columns, 3)
        return np.full(shape, self.padding if self.dtype == "uint8" else self.padding_value, self.dtype)

    def put(self, line: NDArray[Any], pixels: NDArray[np.uint8]) -> None:
        """Pixels (rows x columns x 3) into the top left of one line of a batch."""
        rows, columns = pixels.shape[:2]
        if self.layout == "NCHW":
            place, given = line[:, :rows, :columns], pixels.transpose(2, 0, 1)
        else:
            place, given = line[:rows, :columns], pixels
        if self.dtype == "uint8":
            place[...] = given
        else:
            np.multiply(given, UNIT, out=place, casting="same_kind")
