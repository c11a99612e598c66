"""The rows of what a tenant says of its searches."""

from collections.abc import Sequence

from sqlmodel import col, delete, select

from api.kit.db import TenantRepository
from api.kit.insert_repository import add_once
from api.kit.paging import Cursor
from api.search.models import SearchVerdict


class VerdictRepository(TenantRepository):
    """One tenant's."""

    def put(self, row: SearchVerdict) -> SearchVerdict:
        """Store it, or what it changes of the one that stands for the same object and product."""
        query = select(SearchVerdict).where(
            SearchVerdict.tenant_id == self.tenant_id,
            SearchVerdict.query_id == row.query_id,
            SearchVerdict.object_index == row.object_index,
            SearchVerdict.product_id == row.product_id,
        )
        while not add_once(self.session, row):
            held = self.session.exec(query.with_for_update()).one_or_none()
            if held is not None:  # else it was taken back a moment ago
                if held.is_right is not row.is_right:
                    held.is_right, held.updated_at = row.is_right, row.updated_at
                return held
        return row

    def keep_newest(self, most: int) -> None:
        """Let go of those beyond `most`."""
        mine = select(SearchVerdict.id).where(SearchVerdict.tenant_id == self.tenant_id)
        first_too_old = self.session.exec(mine.order_by(col(SearchVerdict.id).desc()).offset(most).limit(1)).first()
        if first_too_old is not None:
            old = delete(SearchVerdict).where(col(SearchVerdict.id) <= first_too_old)
            self.session.exec(old.where(col(SearchVerdict.tenant_id) == self.tenant_id))

    def page(self, cursor: Cursor) -> Sequence[SearchVerdict]:
        """Newest first, one more than the page holds."""
        query = select(SearchVerdict).where(SearchVerdict.tenant_id == self.tenant_id)
        if cursor.after:
            query = query.where(SearchVerdict.id < cursor.after)
        return self.session.exec(query.order_by(col(SearchVerdict.id).desc()).limit(cursor.limit + 1)).all()

    def newest(self, embedder_version: str, most: int) -> Sequence[tuple[str, bool, bytes]]:
        """(product, right, codes) of this embedder's, newest first."""
        query = (
            select(SearchVerdict.product_id, SearchVerdict.is_right, SearchVerdict.vector)
            .where(SearchVerdict.tenant_id == self.tenant_id, SearchVerdict.embedder_version == embedder_version)
            .order_by(col(SearchVerdict.id).desc())
            .limit(most)
        )
        return self.session.exec(query).all()

    def remove(self, verdict_id: str) -> bool:
        """Whether there was one."""
        one = delete(SearchVerdict).where(col(SearchVerdict.id) == verdict_id)
        return self.session.exec(one.where(col(SearchVerdict.tenant_id) == self.tenant_id)).rowcount > 0
