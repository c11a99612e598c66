"""The rows of what shoppers say of products on tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import load_only
from sqlmodel import Session, col, delete, select

from api.kit.db import TenantRepository
from api.media.models import Tag, TagVote, Verdict

Count = tuple[str, Verdict, int]  # product, verdict, voters that said it
_SQL_IDS = 1000


class VotesRepository(TenantRepository):
    """One publisher's tags alone."""

    def put(self, vote: TagVote) -> None:
        """Store the word of a view on a tag, in place of what it said before. Hold the tag's media row: two words of
        one view must not both be new."""
        self.session.merge(vote)
        self.session.flush()

    def keep_newest(self, tag_id: str, voter: str, most: int) -> None:
        """Let go of a voter's words on a tag beyond `most`."""
        mine = [col(TagVote.tag_id) == tag_id, col(TagVote.voter) == voter, col(TagVote.tenant_id) == self.tenant_id]
        older = select(TagVote.nonce).where(*mine).order_by(col(TagVote.at).desc(), col(TagVote.nonce)).offset(most)
        if nonces := self.session.exec(older).all():
            self.session.exec(delete(TagVote).where(*mine, col(TagVote.nonce).in_(nonces)))

    def counts(self, tag_ids: Sequence[str], since: datetime | None = None) -> dict[str, list[Count]]:
        """By tag, how many voters said what of which product (since then)."""
        query = (
            select(TagVote.tag_id, TagVote.product_id, TagVote.verdict, func.count(func.distinct(TagVote.voter)))
            .where(TagVote.tenant_id == self.tenant_id)
            .group_by(col(TagVote.tag_id), col(TagVote.product_id), col(TagVote.verdict))
        )
        if since is not None:
            query = query.where(col(TagVote.at) >= since)
        found: dict[str, list[Count]] = {tag_id: [] for tag_id in tag_ids}
        # a page of videos has more tags than a statement takes values
        for start in range(0, len(tag_ids), _SQL_IDS):
            some = query.where(col(TagVote.tag_id).in_(tag_ids[start : start + _SQL_IDS]))
            for tag_id, product_id, verdict, count in self.session.exec(some):
                found[tag_id].append((product_id, Verdict(verdict), count))
        return found

    def since(self, site_id: str, at: datetime) -> int:
        """How many of a site's words came from then on."""
        query = select(func.count()).select_from(TagVote)
        mine = query.where(TagVote.tenant_id == self.tenant_id, TagVote.site_id == site_id, col(TagVote.at) >= at)
        return self.session.exec(mine).one()


@dataclass(frozen=True, slots=True)
class Judged:
    """A tag on which something was said, and what has come of it."""

    tag_id: str
    tenant_id: str
    voted_off: list[str]
    votes_needed: int
    objected: bool
    matched: frozenset[str]


_JUDGED: tuple[Any, ...] = (Tag.id, Tag.tenant_id, Tag.voted_off, Tag.votes_needed, Tag.objected, Tag.matches)


class VotesAcrossTenants:
    """What the sweep does for everybody."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def judged(self, after: str, limit: int) -> list[Judged]:
        """Tags with words, old ones too, in the order of their ids."""
        query = (
            select(Tag)
            .options(load_only(*_JUDGED))
            .where(Tag.id > after, col(Tag.id).in_(select(TagVote.tag_id)))
            .order_by(col(Tag.id))
            .limit(limit)
        )
        return [
            Judged(tag.id, tag.tenant_id, tag.voted_off, tag.votes_needed, tag.objected, tag.matched_ids)
            for tag in self.session.exec(query)
        ]

    def crowded(self, tag_ids: Sequence[str], most: int) -> Sequence[str]:
        """Which of these tags have more words."""
        query = select(TagVote.tag_id).where(col(TagVote.tag_id).in_(tag_ids)).group_by(col(TagVote.tag_id))
        return self.session.exec(query.having(func.count() > most)).all()

    def thin_out(self, tag_id: str, most: int) -> None:
        """Let go of a tag's words but the newest `most`."""
        of_tag = col(TagVote.tag_id) == tag_id
        newest_first = select(TagVote.at).where(of_tag).order_by(col(TagVote.at).desc())
        too_old = self.session.exec(newest_first.offset(most).limit(1)).first()
        if too_old is not None:
            self.session.exec(delete(TagVote).where(of_tag, col(TagVote.at) <= too_old))

    def forget_before(self, at: datetime) -> None:
        """What was said before then."""
        self.session.exec(delete(TagVote).where(col(TagVote.at) < at))
