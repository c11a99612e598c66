"""The rows of what shoppers say of products on tags."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select

from api.kit.db import TenantRepository
from api.media.models import TagVote, Verdict

Count = tuple[str, Verdict, int]  # product, verdict, views that said it


class VotesRepository(TenantRepository):
    """One publisher's tags alone."""

    def put(self, vote: TagVote) -> None:
        """Store the word of a view on a tag, in place of what it said before. Hold the tag's media row: two words of
        one view must not both be new."""
        self.session.merge(vote)
        self.session.flush()

    def counts(self, tag_ids: Sequence[str]) -> dict[str, list[Count]]:
        """By tag, how many views said what of which product."""
        query = (
            select(TagVote.tag_id, TagVote.product_id, TagVote.verdict, func.count())
            .where(col(TagVote.tag_id).in_(tag_ids), TagVote.tenant_id == self.tenant_id)
            .group_by(col(TagVote.tag_id), col(TagVote.product_id), col(TagVote.verdict))
        )
        found: dict[str, list[Count]] = {tag_id: [] for tag_id in tag_ids}
        for tag_id, product_id, verdict, count in self.session.exec(query):
            found[tag_id].append((product_id, Verdict(verdict), count))
        return found

    def since(self, site_id: str, at: datetime) -> int:
        """How many of a site's words came from then on."""
        query = select(func.count()).select_from(TagVote)
        mine = query.where(TagVote.tenant_id == self.tenant_id, TagVote.site_id == site_id, col(TagVote.at) >= at)
        return self.session.exec(mine).one()
