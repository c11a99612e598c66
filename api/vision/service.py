"""Eyes: the one service through which the house sees. Thread-safe; endpoints use its bounded executors."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.settings import VisionSettings
from api.vision.attributes import Attributes, attributes_in, attributes_of
from api.vision.calibration import ExactCard
from api.vision.crew import Crew
from api.vision.crops import crops
from api.vision.decoding import Decoders
from api.vision.detector import Detector
from api.vision.embedder import Embedder
from api.vision.executor import BoundedExecutor
from api.vision.picture import Box, Detection, Picture

INFERENCE_THREADS = 2
LOAD_SIDE = 64
SIMILAR_SHARE = 0.6


class Eyes:
    """Reads what the models say of themselves at once, the models at first use or by `load`. Raises ModelUnusable."""

    def __init__(self, settings: VisionSettings, max_picture_bytes: int, cache: Path | None = None) -> None:
        """`cache`: the folder for models that are made from others."""
        self._decoders = Decoders(settings, max_picture_bytes)
        self._detector = Detector(settings.detector, settings.threads, settings.precision, cache)
        # a crop each for every core goes faster than every crop on all of them
        self._embedder = Embedder(settings.embedder, 1, settings.precision)
        self._crew = Crew("eyes-helper", settings.threads)
        self.work = BoundedExecutor("eyes", INFERENCE_THREADS, settings.waiting)
        self.fetches = BoundedExecutor("picture-fetch", settings.fetching, settings.waiting)

    def load(self) -> None:
        """Have everything ready before the first caller needs it (0.3 s)."""
        self._detector.load()
        self._embedder.load()
        blank = Picture(LOAD_SIDE, LOAD_SIDE, np.zeros((LOAD_SIDE, LOAD_SIDE, 3), np.uint8))
        self.detect(blank, 1.0, 1)
        self.embed(blank)

    @property
    def labels(self) -> list[str]:
        return self._detector.labels

    @property
    def embedder_version(self) -> str:
        """Vectors compare only with vectors of the same version."""
        return self._embedder.version

    @property
    def dim(self) -> int:
        return self._embedder.card.output.dimensions

    @property
    def exact_threshold(self) -> float:
        """The cosine from which two pictures are taken to show the same product."""
        return self._embedder.card.exact_threshold

    @property
    def exact_card(self) -> ExactCard | None:
        """What decides instead of the threshold, where the embedder was calibrated."""
        return self._embedder.card.exact

    @property
    def similar_floor(self) -> float:
        """The cosine under which two pictures do not look alike; a share of the exact threshold where none is known."""
        return self._embedder.card.similar_floor or SIMILAR_SHARE * self.exact_threshold

    def decode(self, data: bytes) -> Picture:
        """EXIF-upright, first frame, transparency on white; raises PictureError."""
        return self._decoders.decode(data)

    def detect(self, picture: Picture, min_score: float, limit: int) -> list[Detection]:
        """Best first."""
        return self._detector.detect(picture, min_score, limit)

    def attributes(
        self, picture: Picture, boxes: Sequence[Box] | None = None, labels: Sequence[str | None] = (None,)
    ) -> list[Attributes]:
        """What the objects in the boxes look like, one label a box; None stands for the whole picture."""
        return attributes_in(picture, boxes, labels)

    def embed(self, picture: Picture, boxes: Sequence[Box] | None = None) -> NDArray[np.float32]:
        """Unit vectors, float32 (n, dim); None stands for the whole picture."""
        looks = self._embedder.looks(picture, boxes)
        return self._embedder.joined(looks, self._crew.all([partial(self._embedder.seen, look) for look in looks]))

    def look(
        self, picture: Picture, boxes: Sequence[Box], labels: Sequence[str | None]
    ) -> tuple[NDArray[np.float32], list[Attributes]]:
        """Vectors and attributes together: sooner than one after the other."""
        looks = self._embedder.looks(picture, boxes)
        vectors, attributes = self._crew.both(
            [partial(self._embedder.seen, look) for look in looks],
            [partial(attributes_of, *crop) for crop in crops(picture, boxes, labels)],
        )
        return self._embedder.joined(looks, vectors), attributes

    def close(self) -> None:
        self.work.close()
        self.fetches.close()
        self._crew.close()
        self._decoders.close()
