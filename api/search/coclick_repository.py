"""The rows of what is clicked together."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import insert
from sqlmodel import Session, col, delete, select

from api.search.models import CoClick

AT_ONCE = 5000


class CoClicksAcrossTenants:
    """Products of all brands: who may see which of them is asked where matches are made."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def replace(self, pairs: Iterable[tuple[str, str, int]], now: datetime) -> None:
        """What was counted last takes the place of what was counted before."""
        self.session.exec(delete(CoClick))
        rows = (
            {"product_id": one, "other_id": other, "views": views, "counted_at": now} for one, other, views in pairs
        )
        while some := list(islice(rows, AT_ONCE)):
            # no objects of the session: each would cost more than its row, and be held until all are written
            self.session.connection().execute(insert(CoClick), some)

    def of(self, product_id: str) -> Sequence[tuple[str, int]]:
        """(other product, views), the most clicked first."""
        query = select(CoClick.other_id, CoClick.views).where(CoClick.product_id == product_id)
        return self.session.exec(query.order_by(col(CoClick.views).desc(), col(CoClick.other_id))).all()
