"""Video jobs: a tenant's own videos, from a URL or an upload, and their timed tags."""

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlmodel import Session

from api.accounts.service import AccountService
from api.errors import Conflict, NotFound, TooManyRequests
from api.kit.blobs import BlobNotFound
from api.kit.ids import new_id
from api.media.analysis import Facts
from api.media.matching import shown_label
from api.media.models import Media, MediaKind, MediaState, Tag, TagState, VideoCheckpoint
from api.media.repository import MediaRepository
from api.media.schemas import (
    JOB_STATE_OF,
    BoxRead,
    JobState,
    Span,
    TagProduct,
    TimedObject,
    TimedTag,
    TimedTags,
    VideoCounts,
    VideoExport,
    VideoRead,
)
from api.media.service import charge_minutes, products_of
from api.media.views import box_of

if TYPE_CHECKING:
    from api.ports import Ports


class VideoService:
    """What one tenant does with its videos."""

    def __init__(self, session: Session, tenant_id: str, ports: "Ports") -> None:
        self._rows = MediaRepository(session, tenant_id)
        self._tenant_id = tenant_id
        self._ports = ports
        self._base_url = ports.settings.base_url

    def take_turns(self) -> None:
        """Before the budget is checked for a job that is then stored: the tenant's others wait."""
        AccountService(self._rows.session, self._tenant_id, "", self._ports.clock.now()).take_turns()

    def check_budget(self) -> None:
        """Raises TooManyRequests once today's videos are used up."""
        most = self._ports.settings.limits.videos_per_tenant_per_day
        now = self._ports.clock.now()
        today = datetime.combine(now.date(), time(), UTC)
        if self._rows.created_since(None, today) >= most:
            wait_s = int((today + timedelta(days=1) - now).total_seconds()) + 1
            raise TooManyRequests(
                f"{most} videos a day are looked at; send this one tomorrow (UTC).",
                code="video_budget", headers={"Retry-After": str(wait_s)},
            )  # fmt: skip

    def create(self, *, url: str | None = None, upload_key: str | None = None) -> VideoRead:
        """A new job. Ask the queue for it once the row is stored."""
        now = self._ports.clock.now()
        video = Media(
            id=new_id("vid"), tenant_id=self._tenant_id, kind=MediaKind.video, url=url, upload_key=upload_key,
            due_at=now, created_at=now,
        )  # fmt: skip
        self._rows.add(video)
        return _read(video, [], self._base_url)

    def get(self, video_id: str) -> VideoRead:
        """How far it is."""
        video = self._video(video_id)
        return _read(video, self._rows.tags_of([video.id])[video.id], self._base_url)

    def tags(self, video_id: str, from_ms: int | None, to_ms: int | None) -> TimedTags:
        """The tags whose span meets [from_ms, to_ms), in order of their start."""
        video = self._video(video_id)
        shelf = self._ports.shelf
        catalogs = shelf.listed() if video.site_id else shelf.searchable(self._tenant_id)
        found = [
            _timed(tag, products_of(tag, shelf, catalogs), self._base_url)
            for tag in self._rows.tags_of([video.id])[video.id]
            if tag.state is not TagState.hidden and _meets(tag, from_ms, to_ms)
        ]
        shown = sorted((tag for tag in found if tag.products), key=lambda tag: (tag.from_ms, tag.id))
        return TimedTags(state=_state(video), duration_ms=video.duration_ms, tags=shown)

    def export(self, video_id: str) -> VideoExport:
        """The same by thing: one that appears in several shots stands there once, with its spans."""
        things: dict[str, TimedObject] = {}
        for tag in self.tags(video_id, None, None).tags:
            thing = things.setdefault(
                tag.object_id, TimedObject(id=tag.object_id, label=tag.label, spans=[], products=tag.products)
            )
            thing.spans.append(Span(tag_id=tag.id, **tag.model_dump(include=set(Span.model_fields))))
        return VideoExport(video=self.get(video_id), objects=list(things.values()))

    def poster(self, video_id: str, tag_id: str | None = None) -> bytes:
        """The video's best frame, or a tag's best sight, as JPEG."""
        video = self._video(video_id)
        key = video.poster_key
        if tag_id is not None:
            tag = next((tag for tag in self._rows.tags_of([video.id])[video.id] if tag.id == tag_id), None)
            key = tag.poster_key if tag else None
        try:
            return self._ports.blobs.get(key or "none")
        except BlobNotFound as error:
            raise NotFound("There is no such picture.") from error

    def stop(self, video_id: str) -> VideoRead:
        """Follow it no longer; what was seen stays."""
        video = self._rows.get(video_id, lock=True)
        if video is None or video.kind is not MediaKind.video:
            raise NotFound("No such video.")
        if video.state not in {MediaState.pending, MediaState.running}:
            raise Conflict("It is not being looked at.", code="not_running")
        video.stopping = True
        if video.state is MediaState.pending:
            video.due_at = self._ports.clock.now()
        return self.get(video_id)

    def delete(self, video_id: str) -> list[str]:
        """Forget it with its tags. Answers the keys of its blobs, to be deleted once that is stored."""
        video = self._rows.get(video_id, lock=True)
        if video is None or video.kind is not MediaKind.video or video.site_id is not None:
            raise NotFound("No such video.")
        if seen := self._rows.session.get(VideoCheckpoint, video_id):  # what was looked at is paid for, finished or not
            charge_minutes(self._ports, video, Facts(duration_ms=seen.at_ms))
        self._rows.delete(video_id)
        posters = list(self._ports.blobs.keys(f"posters/{video_id}/"))
        return [*posters, video.upload_key] if video.upload_key else posters

    def _video(self, video_id: str) -> Media:
        video = self._rows.get(video_id)
        if video is None or video.kind is not MediaKind.video:
            raise NotFound("No such video.")
        return video


def _state(video: Media) -> JobState:
    """A live stream waits between its windows; it is running all the same."""
    waits = video.live and video.state is MediaState.pending
    return JobState.running if waits else JOB_STATE_OF[video.state]


def _read(video: Media, tags: list[Tag], base_url: str) -> VideoRead:
    shown = sum(bool(tag.matches or tag.pinned_product_id) for tag in tags)
    fields = video.model_dump(include=set(VideoRead.model_fields) - {"state"})
    poster = f"{base_url}/v1/videos/{video.id}/poster.jpg" if video.poster_key else None
    counts = VideoCounts(frames=video.frames, tags=shown)
    return VideoRead(**fields, state=_state(video), poster_url=poster, counts=counts)


def _timed(tag: Tag, products: list[TagProduct], base_url: str) -> TimedTag:
    box = box_of(tag)
    start, end = tag.from_ms or 0, tag.to_ms or 0
    track = tag.track if tag.track and tag.edited_box is None else [[start, box["x"], box["y"], box["w"], box["h"]]]
    return TimedTag(
        id=tag.id,
        object_id=tag.object_id or tag.id,
        poster_url=f"{base_url}/v1/videos/{tag.media_id}/tags/{tag.id}/poster.jpg" if tag.poster_key else None,
        label=tag.edited_label or shown_label(tag.label, products[0].category if products else None),
        score=tag.score,
        box=BoxRead(**box),
        from_ms=start,
        to_ms=end,
        track=track,
        products=products,
    )


def _meets(tag: Tag, from_ms: int | None, to_ms: int | None) -> bool:
    starts_in_time = to_ms is None or (tag.from_ms or 0) < to_ms
    return starts_in_time and (from_ms is None or (tag.to_ms or 0) > from_ms)
