"""What the tag server remembers of a picture or video: small, immutable, without SQL behind it."""

from dataclasses import dataclass

from api.media.models import Media, MediaKind, MediaState, Tag, TagState


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that may stand on a tag."""

    product_id: str
    score: float
    match_type: str


@dataclass(frozen=True, slots=True)
class TagView:
    """A tag as it is shown: the publisher's decisions are applied."""

    id: str
    label: str
    renamed: bool
    box: dict[str, float]
    approved: bool
    candidates: tuple[Candidate, ...]
    from_ms: int | None
    to_ms: int | None
    track: list[list[float]] | None


@dataclass(frozen=True, slots=True)
class MediaView:
    """A picture or video; `tags` are the showable ones, the surest first."""

    id: str
    kind: MediaKind
    state: MediaState
    blocked: bool
    tags: tuple[TagView, ...]


def box_of(tag: Tag) -> dict[str, float]:
    """Where the tag stands: where the publisher put it, else where it was found."""
    x, y, w, h = tag.edited_box or (tag.x, tag.y, tag.w, tag.h)
    return {"x": x, "y": y, "w": w, "h": h}


def candidates_of(tag: Tag) -> tuple[Candidate, ...]:
    """The pinned product alone, else the matches that shoppers have not voted off (a tag that its publisher has
    approved keeps them all), best first."""
    matches = tuple(Candidate(row["product_id"], row["score"], row["match_type"]) for row in tag.matches)
    if tag.pinned_product_id is None:
        off = () if tag.state is TagState.approved else tag.voted_off
        return tuple(match for match in matches if match.product_id not in off)
    known = [row for row in matches if row.product_id == tag.pinned_product_id]
    return tuple(known) or (Candidate(tag.pinned_product_id, 1.0, "exact"),)


def view_of(media: Media, tags: list[Tag]) -> MediaView:
    """What is remembered."""
    shown = [_tag_view(tag) for tag in tags if tag.state is not TagState.hidden]
    return MediaView(media.id, media.kind, media.state, media.blocked, tuple(tag for tag in shown if tag.candidates))


def _tag_view(tag: Tag) -> TagView:
    # a box that the publisher has moved does not follow the detector's track
    track = tag.track if tag.edited_box is None else None
    return TagView(
        tag.id,
        tag.edited_label or tag.label,
        tag.edited_label is not None,
        box_of(tag),
        tag.state is TagState.approved,
        candidates_of(tag),
        tag.from_ms,
        tag.to_ms,
        track,
    )
