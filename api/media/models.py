"""Tables of media: every picture and video to look at, and what was found on it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel

from api.kit.db import UtcDateTime


class MediaKind(StrEnum):
    """What it is."""

    image = "image"
    video = "video"


class MediaState(StrEnum):
    """Where its analysis stands. `none`: looked at, nothing to tag. `failed`: cannot be looked at; `error` says why."""

    pending = "pending"
    running = "running"
    ready = "ready"
    none = "none"
    failed = "failed"


class TagState(StrEnum):
    """The publisher's decision on a tag. With review on, only approved tags are shown."""

    active = "active"
    hidden = "hidden"
    approved = "approved"


class Media(SQLModel, table=True):
    """One picture or video: of a site (`med_`, found by a page), or a video job of a tenant (`vid_`, no site).

    It comes from `url`, or from the blob `upload_key`. A running row belongs to whoever holds `lease_id` until
    `lease_until`; after that the sweep hands it on.
    """

    __tablename__ = "media"
    __table_args__ = (
        UniqueConstraint("site_id", "url_hash"),
        Index("ix_media_tenant_site", "tenant_id", "site_id", "id"),
        Index("ix_media_due", "state", "due_at"),
        # the daily budget counts one site's new rows
        Index("ix_media_site_created", "site_id", "created_at"),
        Index("ix_media_matched", "state", "matched_at"),
    )

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id")
    site_id: str | None = Field(default=None, foreign_key="sites.id")
    kind: MediaKind
    url: str | None = Field(default=None, max_length=4096)
    url_hash: str | None = Field(default=None, max_length=64)
    upload_key: str | None = Field(default=None, max_length=200)
    state: MediaState = MediaState.pending
    blocked: bool = False
    error: str | None = Field(default=None, max_length=500)
    attempts: int = 0
    due_at: datetime = Field(sa_type=UtcDateTime)
    lease_id: str | None = Field(default=None, max_length=40)
    progress: float = 0.0
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    truncated: bool = False
    frames: int = 0
    # a stream that is still going on: followed window by window until it ends, or somebody stops it
    live: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    stopping: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    poster_key: str | None = Field(default=None, max_length=200)
    analysed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    matched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # what the index held when it was matched: another content, and it is matched again
    matched_against: str | None = Field(default=None, max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Verdict(StrEnum):
    """What a shopper says of a product on a tag."""

    not_this = "not_this"
    right = "right"


class TagVote(SQLModel, table=True):
    """What one view of a page has said of one tag; a later word replaces it. Nothing tells who it was: the nonce is one
    answer of ours to one page. It goes with its tag."""

    __tablename__ = "tag_votes"
    __table_args__ = (
        Index("ix_tag_votes_site", "site_id", "at"),
        Index("ix_tag_votes_tenant", "tenant_id"),
        Index("ix_tag_votes_at", "at"),
    )

    tag_id: str = Field(primary_key=True, max_length=40)
    nonce: str = Field(primary_key=True, max_length=64)
    tenant_id: str = Field(foreign_key="tenants.id")
    site_id: str = Field(foreign_key="sites.id")
    product_id: str = Field(max_length=40)
    verdict: Verdict
    # words with the same are one's (voters.py)
    voter: str = Field(max_length=64, sa_column_kwargs={"server_default": text("''")})
    at: datetime = Field(sa_type=UtcDateTime)


class Tag(SQLModel, table=True):
    """One object found in a picture or video, with its vectors, and the products that match it.

    `label` and the box are the detector's; `edited_*` and `pinned_product_id` are the publisher's and win over them.
    Without a match and a pin it is not shown, but kept: the next catalog may have the product.
    """

    __tablename__ = "tags"
    __table_args__ = (
        Index(
            "ix_tags_objected",
            "tenant_id",
            "media_id",
            sqlite_where=text("objected = 1"),
            postgresql_where=text("objected"),
        ),
    )

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id")
    media_id: str = Field(foreign_key="media.id", index=True)
    label: str = Field(max_length=100)
    score: float
    x: float
    y: float
    w: float
    h: float
    from_ms: int | None = None
    to_ms: int | None = None
    track: list[Any] | None = Field(default=None, sa_column=Column(JSON))
    # float32, n x dim, row after row: re-matching needs neither the picture nor the models
    vectors: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    vector_count: int = 1
    embedder_version: str = Field(max_length=100)
    # how much each vector counts in a vote; null: all alike
    weights: list[float] | None = Field(default=None, sa_column=Column(JSON))
    # in a video: tags of the same thing in several shots have the same; it is the id of the first
    object_id: str | None = Field(default=None, max_length=40)
    poster_key: str | None = Field(default=None, max_length=200)
    # [{product_id, score, match_type}], best first
    matches: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    state: TagState = TagState.active
    edited_label: str | None = Field(default=None, max_length=100)
    edited_box: list[float] | None = Field(default=None, sa_column=Column(JSON))
    pinned_product_id: str | None = Field(default=None, max_length=40)
    # products that shoppers have voted off it (feedback.py): derived from the votes, so that showing it needs no join
    voted_off: list[str] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False, server_default=text("'[]'"))
    )
    # how many voters that takes: more where many see the tag
    votes_needed: int = Field(default=3, sa_column_kwargs={"server_default": text("3")})
    # whether a word that still counts says "not this": derived, so that its publisher finds it without counting
    objected: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)

    @property
    def matched_ids(self) -> frozenset[str]:
        """The products that match it."""
        return frozenset(row["product_id"] for row in self.matches)

    @property
    def edited(self) -> bool:
        """Whether somebody has decided anything about it."""
        return bool(self.state is not TagState.active or self.edited_label or self.edited_box or self.pinned_product_id)


class VideoCheckpoint(SQLModel, table=True):
    """How far a video has been watched and what was seen until then: a worker that takes it over goes on from there."""

    __tablename__ = "video_checkpoints"

    media_id: str = Field(primary_key=True, foreign_key="media.id")
    tenant_id: str = Field(foreign_key="tenants.id")
    at_ms: int
    state: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    updated_at: datetime = Field(sa_type=UtcDateTime)
