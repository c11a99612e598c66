"""What a publisher's control and the video jobs take and answer."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.catalog.schemas import ProductRead
from api.kit.clock import UtcTime
from api.kit.names import one_line
from api.media.models import MediaKind, MediaState, TagState
from api.media.urls import BadUrl, normalise

EDGE = 1e-6
MIN_SIDE = 0.005


class MediaStatus(StrEnum):
    """Where a picture or video stands, the publisher's block included."""

    pending = "pending"
    running = "running"
    ready = "ready"
    none = "none"
    failed = "failed"
    blocked = "blocked"


class BoxRead(BaseModel):
    """0..1 of the upright picture, origin top left."""

    x: float
    y: float
    w: float
    h: float


class BoxWrite(BaseModel):
    """A box inside the picture."""

    model_config = ConfigDict(extra="forbid")

    x: float = Field(ge=0, le=1, allow_inf_nan=False)
    y: float = Field(ge=0, le=1, allow_inf_nan=False)
    w: float = Field(ge=MIN_SIDE, le=1, allow_inf_nan=False)
    h: float = Field(ge=MIN_SIDE, le=1, allow_inf_nan=False)

    def fits(self) -> bool:
        """Whether it ends inside the picture."""
        return self.x + self.w <= 1 + EDGE and self.y + self.h <= 1 + EDGE


class TagProduct(ProductRead):
    """A product on a tag."""

    score: float
    match_type: str


class VotesRead(BaseModel):
    """What shoppers have said of a product on a tag, by voters: the page views of one network on one day are one.
    `off`: it is taken off the tag, unless pinned; never off an approved one."""

    product_id: str
    not_this: int
    right: int
    off: bool


class TagRead(BaseModel):
    """A tag as its publisher sees it. `label` and `box` are what pages show, `detected` is what was found."""

    id: str
    media_id: str
    state: TagState
    label: str
    box: BoxRead
    detected: dict[str, Any]
    score: float
    from_ms: int | None
    to_ms: int | None
    track: list[list[float]] | None
    product_id: str | None = Field(description="The product that the publisher has pinned to this tag.")
    products: list[TagProduct]
    votes: list[VotesRead]
    updated_at: UtcTime


class TagUpdate(BaseModel):
    """What may change; absent fields stay, null takes a decision back."""

    model_config = ConfigDict(extra="forbid")

    state: TagState | None = None
    label: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(one_line)] | None = None
    product_id: Annotated[str, Field(min_length=1, max_length=40), AfterValidator(one_line)] | None = None
    box: BoxWrite | None = None


class MediaRead(BaseModel):
    """A picture or video of a site. `error` says why it could not be looked at, or why the last try failed."""

    id: str
    site_id: str | None
    kind: MediaKind
    url: str | None
    status: MediaStatus
    blocked: bool
    error: str | None
    attempts: int
    width: int | None
    height: int | None
    duration_ms: int | None
    created_at: UtcTime
    analysed_at: UtcTime | None
    tags: list[TagRead]


class MediaUpdate(BaseModel):
    """Take a picture or video out of tagging, or back in."""

    model_config = ConfigDict(extra="forbid")

    blocked: bool


def _http_url(text: str) -> str:
    try:
        return normalise(text).text
    except BadUrl as error:
        raise ValueError(str(error)) from error


class VideoCreate(BaseModel):
    """A video to be fetched."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_http_url)]


class VideoCounts(BaseModel):
    """How much has been looked at and found."""

    frames: int
    tags: int


class JobState(StrEnum):
    """Where a video job stands, in the words of imports; `done` may have found nothing."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"


JOB_STATE_OF = {
    MediaState.pending: JobState.queued,
    MediaState.running: JobState.running,
    MediaState.ready: JobState.done,
    MediaState.none: JobState.done,
    MediaState.failed: JobState.failed,
}


class VideoRead(BaseModel):
    """A video job. `truncated`: only a part was looked at: up to our limit, to where it was stopped, or to where it
    broke, of which `error` tells beside what was seen before. `live`: a stream that is still followed; its tags appear
    window by window while it is running."""

    id: str
    state: JobState
    progress: float
    url: str | None
    error: str | None
    duration_ms: int | None
    truncated: bool
    live: bool
    poster_url: str | None = Field(description="The frame that shows most, as JPEG; wants the same key.")
    counts: VideoCounts
    created_at: UtcTime
    analysed_at: UtcTime | None


class TimedTag(BaseModel):
    """A product's span in a video; `track` rows are [ms, x, y, w, h], with straight ways between them. Spans of the
    same thing in several shots have the same `object_id`."""

    id: str
    object_id: str
    poster_url: str | None
    label: str
    score: float
    box: BoxRead
    from_ms: int
    to_ms: int
    track: list[list[float]]
    products: list[TagProduct]


class TimedTags(BaseModel):
    """The tags of a video, in order of their start."""

    state: JobState
    duration_ms: int | None
    tags: list[TimedTag]


class Span(BaseModel):
    """One appearance of a thing; `tag_id` is the tag that stands there."""

    tag_id: str
    from_ms: int
    to_ms: int
    score: float
    box: BoxRead
    track: list[list[float]]
    poster_url: str | None


class TimedObject(BaseModel):
    """One thing in a video, with all its appearances and its products, which are listed once."""

    id: str
    label: str
    spans: list[Span]
    products: list[TagProduct]


class VideoExport(BaseModel):
    """Everything that is known of a video, for players and editors that know nothing of us."""

    video: VideoRead
    objects: list[TimedObject]
