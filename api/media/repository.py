"""The rows of media and tags."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, func, or_
from sqlmodel import Session, col, delete, select, update

from api.kit.db import TenantRepository
from api.media.models import Media, MediaState, Tag, TagVote, VideoCheckpoint
from api.media.schemas import MediaStatus
from api.sites.models import Site


class MediaRepository(TenantRepository):
    """One tenant's pictures, videos and tags."""

    def add(self, row: Media) -> None:
        """Store a new row."""
        self.session.add(row)

    def get(self, media_id: str, *, lock: bool = False) -> Media | None:
        """One of this tenant's; with `lock`, to change it or its tags: workers that finish it wait."""
        query = select(Media).where(Media.id == media_id, Media.tenant_id == self.tenant_id)
        if lock:
            query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
        return self.session.exec(query).one_or_none()

    def take_turns(self, site_id: str) -> None:
        """Whoever asks for a turn of the same site waits until this transaction ends."""
        query = select(Site.id).where(Site.id == site_id, Site.tenant_id == self.tenant_id)
        self.session.exec(query.with_for_update(key_share=True)).all()

    def page(
        self, site_id: str | None, status: MediaStatus | None, after: str | None, limit: int, *, objected: bool = False
    ) -> Sequence[Media]:
        """Media of sites, newest first, one more than the page holds; `objected`: with a tag said to be wrong."""
        query = select(Media).where(Media.tenant_id == self.tenant_id, col(Media.site_id).is_not(None))
        if site_id:
            query = query.where(Media.site_id == site_id)
        if status is MediaStatus.blocked:
            query = query.where(col(Media.blocked))
        elif status:
            query = query.where(~col(Media.blocked), Media.state == MediaState(status))
        if objected:
            said = select(Tag.media_id).where(Tag.tenant_id == self.tenant_id, col(Tag.objected))
            query = query.where(col(Media.id).in_(said))
        if after:
            query = query.where(Media.id < after)
        return self.session.exec(query.order_by(col(Media.id).desc()).limit(limit + 1)).all()

    def tags_of(self, media_ids: Sequence[str]) -> dict[str, list[Tag]]:
        """The tags of these media, the surest objects first."""
        query = select(Tag).where(col(Tag.media_id).in_(media_ids), Tag.tenant_id == self.tenant_id)
        found: dict[str, list[Tag]] = {media_id: [] for media_id in media_ids}
        for tag in self.session.exec(query.order_by(col(Tag.score).desc())):
            found[tag.media_id].append(tag)
        return found

    def tag(self, tag_id: str) -> Tag | None:
        """One of this tenant's, to change. Its media row is held first, as workers do who make and drop tags."""
        mine = select(Tag.media_id).where(Tag.id == tag_id, Tag.tenant_id == self.tenant_id)
        self.get(self.session.exec(mine).one_or_none() or "", lock=True)
        return self.session.exec(select(Tag).where(Tag.id == tag_id, Tag.tenant_id == self.tenant_id)).one_or_none()

    def delete(self, media_id: str) -> None:
        """Remove one of this tenant's with all that was seen on it; a worker that watches it finds its row gone."""
        for table, column in ((Tag, Tag.media_id), (VideoCheckpoint, VideoCheckpoint.media_id), (Media, Media.id)):
            self.session.exec(delete(table).where(col(column) == media_id, col(table.tenant_id) == self.tenant_id))

    def created_since(self, site_id: str | None, since: datetime) -> int:
        """How many of a site (None: of the tenant's video jobs) were created since then."""
        query = (
            select(func.count())
            .select_from(Media)
            .where(Media.tenant_id == self.tenant_id, Media.site_id == site_id, col(Media.created_at) >= since)
        )
        return self.session.exec(query).one()

    def hashes_among(self, site_id: str, hashes: Sequence[str]) -> set[str]:
        """Which of these URLs the site has already."""
        query = select(Media.url_hash).where(
            Media.tenant_id == self.tenant_id, Media.site_id == site_id, col(Media.url_hash).in_(hashes)
        )
        return {found for found in self.session.exec(query) if found}


class MediaAcrossTenants:
    """What the workers and the tag server do for everybody."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, media_id: str, *, lock: bool = False) -> Media | None:
        """Any media row; with `lock` nobody else changes it or its tags until the transaction ends."""
        return self.session.get(Media, media_id, with_for_update={"key_share": True} if lock else None)

    def by_url(self, site_id: str, url_hash: str) -> tuple[Media, list[Tag]] | None:
        """A site's picture or video with its tags, the surest objects first."""
        query = select(Media).where(Media.site_id == site_id, Media.url_hash == url_hash)
        media = self.session.exec(query).one_or_none()
        return (media, self.tags(media.id)) if media else None

    def tags(self, media_id: str) -> list[Tag]:
        """The tags of one picture or video, the surest objects first."""
        query = select(Tag).where(Tag.media_id == media_id).order_by(col(Tag.score).desc(), col(Tag.id))
        return list(self.session.exec(query))

    def poster_keys(self, media_id: str) -> set[str]:
        """Of the row itself and of its tags."""
        of_tags = select(Tag.poster_key).where(Tag.media_id == media_id)
        of_media = select(Media.poster_key).where(Media.id == media_id)
        return {key for query in (of_tags, of_media) for key in self.session.exec(query) if key}

    def states(self, media_ids: Collection[str]) -> dict[str, MediaState]:
        """Of those that there are."""
        query = select(Media.id, Media.state).where(col(Media.id).in_(media_ids))
        return {media_id: MediaState(state) for media_id, state in self.session.exec(query)}

    def claim(self, media_id: str, lease_id: str, now: datetime, until: datetime) -> Media | None:
        """Take a due row for this worker, exactly one of those who try; None when there is nothing to do."""
        statement = (
            update(Media)
            .where(col(Media.id) == media_id, _unfinished(), col(Media.due_at) <= now)
            .values(state=MediaState.running, lease_id=lease_id, due_at=until, attempts=Media.attempts + 1)
        )
        return self.get(media_id) if self._rows(statement) else None

    def update_held(self, media_id: str, lease_id: str, values: Mapping[str, Any]) -> bool:
        """Change a row that this worker still holds; False when another has taken it over."""
        statement = update(Media).where(col(Media.id) == media_id, col(Media.lease_id) == lease_id).values(**values)
        return self._rows(statement) == 1

    def checkpoint(self, media_id: str) -> VideoCheckpoint | None:
        """How far a video has been watched."""
        return self.session.get(VideoCheckpoint, media_id)

    def set_checkpoint(self, media: Media, at_ms: int, state: bytes, now: datetime) -> None:
        """Keep how far it has been watched, in a transaction that holds the row."""
        self.session.merge(
            VideoCheckpoint(media_id=media.id, tenant_id=media.tenant_id, at_ms=at_ms, state=state, updated_at=now)
        )

    def drop_checkpoint(self, media_id: str) -> None:
        """It has been watched to its end, or is to be watched anew."""
        self.session.exec(delete(VideoCheckpoint).where(col(VideoCheckpoint.media_id) == media_id))

    def set_state(self, media_id: str, state: MediaState) -> None:
        """Set the state of a row that this transaction has already secured."""
        self._rows(update(Media).where(col(Media.id) == media_id).values(state=state))

    def set_matched(self, media_id: str, state: MediaState, at: datetime, against: str) -> None:
        """After matching again; a row that is being looked at meanwhile is left alone."""
        done = col(Media.state).in_([MediaState.ready, MediaState.none])
        statement = update(Media).where(col(Media.id) == media_id, done)
        self._rows(statement.values(state=state, matched_at=at, matched_against=against))

    def reopen(self, media_id: str, now: datetime) -> None:
        """Have a finished row looked at again."""
        done = col(Media.state).in_([MediaState.ready, MediaState.none, MediaState.failed])
        statement = update(Media).where(col(Media.id) == media_id, done)
        self._rows(statement.values(state=MediaState.pending, due_at=now, attempts=0, progress=0.0, stopping=False))

    def delete_tags(self, tag_ids: Sequence[str]) -> None:
        """Remove tags of objects that are no longer seen, and what was said of them."""
        self.session.exec(delete(TagVote).where(col(TagVote.tag_id).in_(tag_ids)))
        self.session.exec(delete(Tag).where(col(Tag.id).in_(tag_ids)))

    def due(self, now: datetime, limit: int) -> Sequence[Media]:
        """Unfinished rows that nobody works on, the oldest first."""
        query = select(Media).where(_unfinished(), col(Media.due_at) <= now)
        return self.session.exec(query.order_by(col(Media.due_at)).limit(limit)).all()

    def stale(self, index_state: str, before: datetime, limit: int) -> Sequence[str]:
        """Analysed media matched against another content of the index, or before that time; the oldest first."""
        query = select(Media.id).where(
            col(Media.state).in_([MediaState.ready, MediaState.none]),
            or_(col(Media.matched_against) != index_state, col(Media.matched_at) < before),
        )
        return self.session.exec(query.order_by(col(Media.matched_at)).limit(limit)).all()

    def _rows(self, statement: Any) -> int:
        result = self.session.exec(statement)
        assert isinstance(result, CursorResult)  # noqa: S101 - an UPDATE gives one
        return int(result.rowcount)


def _unfinished() -> ColumnElement[bool]:
    return or_(col(Media.state) == MediaState.pending, col(Media.state) == MediaState.running)
