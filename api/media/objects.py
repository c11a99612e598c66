"""What was seen on a picture or in a video, and how it becomes tags that keep their ids over analyses."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from api.kit.ids import new_id
from api.media.boxes import Xywh, iou
from api.media.models import Media, Tag
from api.media.views import Candidate

SAME_OBJECT = 0.5  # overlap from which two analyses mean the same object
DUPLICATE = 0.75  # overlap from which two labels compete for one object


@dataclass(frozen=True, eq=False)
class SeenObject:
    """One object: `vectors` (n, dim) are unit vectors. A video's object has a span and the way of its box; where it
    appears in several shots, each is an entry with the same `object_number`, the same vectors and the same weights of
    them."""

    label: str
    score: float
    box: Xywh
    vectors: NDArray[np.float32]
    from_ms: int | None = None
    to_ms: int | None = None
    track: list[list[float]] | None = None
    object_number: int | None = None
    weights: tuple[float, ...] = ()
    poster_key: str = ""


def without_duplicates(boxes: Sequence[Xywh]) -> list[int]:
    """Which of these boxes, best first, to keep: none that lies almost wholly on a better one."""
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if all(iou(box, boxes[other]) < DUPLICATE for other in kept):
            kept.append(index)
    return kept


def vectors_of(tag: Tag) -> NDArray[np.float32]:
    """The stored vectors, (n, dim)."""
    return np.frombuffer(tag.vectors, np.float32).reshape(tag.vector_count, -1)


def stored(matches: Sequence[Candidate]) -> list[dict[str, str | float]]:
    """Matches as the table keeps them."""
    return [asdict(match) for match in matches]


def reconcile(
    media: Media,
    tags: Sequence[Tag],
    seen: Sequence[SeenObject],
    matches: Sequence[Sequence[Candidate]],
    embedder_version: str,
    now: datetime,
    *,
    broke_at_ms: int | None = None,
) -> tuple[list[Tag], list[str]]:
    """Brings the tags up to what is seen now: those of the same object are changed in place. Answers the new ones and
    the ids of those whose object is gone; one that somebody has edited stays: its object may only be hard to see. Of
    what lies behind `broke_at_ms` nothing new is known."""
    free = list(tags)
    new = []
    first_of: dict[int, str] = {}  # the tag of an object's first span names the object
    for item, found in zip(seen, matches, strict=True):
        tag = _same_object(free, item)
        if tag is None:
            tag = Tag(
                id=new_id("tag"), tenant_id=media.tenant_id, media_id=media.id, label=item.label, score=0.0,
                x=0.0, y=0.0, w=0.0, h=0.0, vectors=b"", embedder_version="", created_at=now, updated_at=now,
            )  # fmt: skip
            new.append(tag)
        else:
            free.remove(tag)
        _fill(tag, item, found, embedder_version, now)
        if item.object_number is not None:
            tag.object_id = first_of.setdefault(item.object_number, tag.id)
    if broke_at_ms is not None:
        free = [t for t in free if (t.from_ms or 0) < broke_at_ms or t.embedder_version != embedder_version]
    return new, [tag.id for tag in free if not tag.edited]


def _fill(tag: Tag, item: SeenObject, found: Sequence[Candidate], version: str, now: datetime) -> None:
    tag.label, tag.score = item.label, round(item.score, 4)
    tag.x, tag.y, tag.w, tag.h = item.box
    tag.from_ms, tag.to_ms, tag.track = item.from_ms, item.to_ms, item.track
    tag.vectors = np.ascontiguousarray(item.vectors, np.float32).tobytes()
    tag.vector_count, tag.embedder_version = len(item.vectors), version
    tag.weights, tag.poster_key = list(item.weights) or None, item.poster_key or None
    tag.matches = stored(found)
    tag.updated_at = now


def _same_object(tags: Sequence[Tag], item: SeenObject) -> Tag | None:
    overlaps = [
        (max(iou((tag.x, tag.y, tag.w, tag.h), item.box), _start_alike(tag, item)), tag)
        for tag in tags
        if tag.label == item.label and _overlap_in_time(tag, item)
    ]
    overlap, best = max(overlaps, key=lambda pair: pair[0], default=(0.0, None))
    return best if overlap >= SAME_OBJECT else None


def _start_alike(tag: Tag, item: SeenObject) -> float:
    """Overlap at the moment where both begin: what goes on in a live stream was seen best elsewhere a window ago."""
    if tag.from_ms is None or tag.from_ms != item.from_ms or not tag.track or not item.track:
        return 0.0
    return iou(tag.track[0][1:], item.track[0][1:])


def _overlap_in_time(tag: Tag, item: SeenObject) -> bool:
    if tag.from_ms is None or tag.to_ms is None or item.from_ms is None or item.to_ms is None:
        return tag.from_ms == item.from_ms
    return tag.from_ms < item.to_ms and item.from_ms < tag.to_ms
