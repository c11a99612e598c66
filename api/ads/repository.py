"""The rows of advertising."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session, SQLModel, col, or_, select

from api.ads.models import Campaign, CampaignState, Creative, Experiment
from api.kit.db import TenantRepository

Row = TypeVar("Row", Campaign, Creative, Experiment)


class AdsRepository(TenantRepository):
    """One brand's campaigns, creatives and experiments."""

    def add(self, row: SQLModel) -> None:
        """Store a new row."""
        self.session.add(row)

    def get(self, table: type[Row], row_id: str, *, lock: bool = False) -> Row | None:
        """One row of this tenant's; with `lock` other changes of it wait, and so do those of its experiments."""
        query = select(table).where(table.id == row_id, table.tenant_id == self.tenant_id)
        if lock:
            query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
        return self.session.exec(query).one_or_none()

    def page(self, table: type[Row], after: str | None, limit: int) -> Sequence[Row]:
        """Rows in order of making, one more than the page holds."""
        query = select(table).where(table.tenant_id == self.tenant_id)
        if after:
            query = query.where(table.id > after)
        return self.session.exec(query.order_by(table.id).limit(limit + 1)).all()

    def running_experiments(self, campaign_id: str) -> Sequence[Experiment]:
        """Those of a campaign that run."""
        query = select(Experiment).where(
            Experiment.tenant_id == self.tenant_id, Experiment.campaign_id == campaign_id, col(Experiment.running)
        )
        return self.session.exec(query).all()


class AdsAcrossTenants:
    """All that bids now, for the auction's snapshot."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def bidding(self, now: datetime) -> Sequence[Campaign]:
        """Active campaigns within their dates."""
        query = select(Campaign).where(
            Campaign.state == CampaignState.active,
            or_(col(Campaign.starts_at).is_(None), col(Campaign.starts_at) <= now),
            or_(col(Campaign.ends_at).is_(None), col(Campaign.ends_at) > now),
        )
        return self.session.exec(query).all()

    def creatives(self) -> Sequence[Creative]:
        """Creatives in use, the newest first."""
        return self.session.exec(select(Creative).where(col(Creative.active)).order_by(col(Creative.id).desc())).all()

    def experiments(self) -> Sequence[Experiment]:
        """Those that run, the newest first."""
        query = select(Experiment).where(col(Experiment.running)).order_by(col(Experiment.id).desc())
        return self.session.exec(query).all()
