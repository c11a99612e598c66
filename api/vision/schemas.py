"""What the vision calls take and answer."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.catalog.audience import audience_seen
from api.catalog.schemas import Audience
from api.vision.attributes import Attributes
from api.vision.colours import NAMES
from api.vision.pattern import Pattern
from api.vision.picture import Box, Detection, Picture
from api.vision.shot import Shot, shot_of

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


class ImageRead(BaseModel):
    """Pixels of the EXIF-upright original, and how much of a person it shows."""

    width: int
    height: int
    shot: Shot = Field(
        description="full: dressed from shoulders to feet; half: upper or lower half; detail: accessories alone."
    )

    @classmethod
    def of(cls, picture: Picture, found: Sequence[Detection]) -> "ImageRead":
        return cls(width=picture.width, height=picture.height, shot=shot_of(found))


class ColourRead(BaseModel):
    """A colour by its name, and the part (0..1) of the object that has it."""

    name: str = Field(description=f"One of {', '.join(NAMES)}.")
    share: float


class AttributesRead(BaseModel):
    """What an object looks like, measured on its pixels without its ground and without skin."""

    colours: list[ColourRead] = Field(description="Largest share first; shares below 0.05 are left out.")
    pattern: Pattern
    audience: Audience = Field(description="Told by its kind, else by the products that look like it, else unknown.")
    sharpness: float = Field(description="0 (blurred) to 1.")
    size: float = Field(description="The part (0..1) of the picture that the object takes.")

    @classmethod
    def of(cls, seen: Attributes, audience: Audience) -> "AttributesRead":
        colours = [ColourRead(name=colour.name, share=colour.share) for colour in seen.colours]
        return cls(colours=colours, pattern=seen.pattern, audience=audience, sharpness=seen.sharpness, size=seen.size)


class DetectionRead(BaseModel):
    """`attributes` are null unless they were asked for."""

    label: str
    score: float
    box: BoxRead
    attributes: AttributesRead | None = None

    @classmethod
    def of(cls, found: Detection, seen: Attributes | None = None) -> "DetectionRead":
        looks = AttributesRead.of(seen, audience_seen(found.label, ())) if seen else None
        return cls(label=found.label, score=found.score, box=BoxRead.of(found.box), attributes=looks)


class DetectAnswer(BaseModel):
    image: ImageRead
    detections: list[DetectionRead]


class DetectQuery(BaseModel):
    """Options of a detection; an unknown one is refused, since a misspelt option would be ignored in silence."""

    model_config = ConfigDict(extra="forbid")

    min_score: MinScore = 0.25
    limit: int = Field(default=20, ge=1, le=300, description="Most detections to answer.")
    attributes: bool = Field(default=False, description="Tell colours, pattern, sharpness and size of the first 20.")
