"""What the vision calls take and answer."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.vision.picture import Box, Detection

MinScore = Annotated[float, Field(ge=0.001, le=1, allow_inf_nan=False, description="Lowest score of a detection.")]


class BoxRead(BaseModel):
    """Parts (0..1) of the EXIF-upright picture, origin top left."""

    x: float
    y: float
    w: float
    h: float

    @classmethod
    def of(cls, box: Box) -> "BoxRead":
        return cls(x=box.x, y=box.y, w=box.w, h=box.h)


class ImageSize(BaseModel):
    """Pixels of the EXIF-upright original."""

    width: int
    height: int


class DetectionRead(BaseModel):
    label: str
    score: float
    box: BoxRead

    @classmethod
    def of(cls, found: Detection) -> "DetectionRead":
        return cls(label=found.label, score=found.score, box=BoxRead.of(found.box))


class DetectAnswer(BaseModel):
    image: ImageSize
    detections: list[DetectionRead]


class DetectQuery(BaseModel):
    """Options of a detection; an unknown one is refused, since a misspelt option would be ignored in silence."""

    model_config = ConfigDict(extra="forbid")

    min_score: MinScore = 0.25
    limit: int = Field(default=20, ge=1, le=300, description="Most detections to answer.")
