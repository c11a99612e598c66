"""What a detector says of itself: how it is fed, how its lines are read, which labels they have."""

import msgspec

from api.vision.feeding import Feeding
from api.vision.runtime import Card

BOX_COLUMNS = 4


class DetectorInput(Feeding, frozen=True, kw_only=True):
    """`fixed`: rows and columns of a model that takes no others; else sides are multiples of `stride`."""

    longest_side: int
    stride: int = 32
    fixed: tuple[int, int] | None = None


class DetectorOutput(msgspec.Struct, frozen=True):
    iou_threshold: float


class DetectorCard(Card, frozen=True, kw_only=True):
    """What detector.json must say; further fields are for people."""

    input: DetectorInput
    output: DetectorOutput
    labels: list[str]
