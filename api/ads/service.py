"""The rules of advertising for one brand: campaigns, creatives, experiments. The auction is in `auction.py`."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from api.accounts.service import AccountService
from api.ads.models import Campaign, Creative, Experiment
from api.ads.repository import AdsRepository, Row
from api.ads.schemas import (
    CampaignCreate,
    CampaignUpdate,
    CreativeCreate,
    CreativeUpdate,
    ExperimentCreate,
    ExperimentUpdate,
)
from api.errors import Conflict, NotFound, Unprocessable
from api.kit.ids import new_id
from api.kit.paging import Cursor

NULLABLE = {"total_budget_micros", "starts_at", "ends_at"}


class AdsService:
    """What one brand does with its advertising. `actor` is for the audit log."""

    def __init__(self, session: Session, tenant_id: str, actor: str, now: datetime) -> None:
        self._rows = AdsRepository(session, tenant_id)
        self._account = AccountService(session, tenant_id, actor, now)
        self._tenant_id = tenant_id
        self._now = now

    def page(self, table: type[Row], cursor: Cursor) -> Sequence[Row]:
        """Rows of one kind, one more than the page holds."""
        return self._rows.page(table, cursor.after, cursor.limit)

    def get(self, table: type[Row], row_id: str, *, lock: bool = False) -> Row:
        """One row, with `lock` to change; NotFound also for another tenant's."""
        row = self._rows.get(table, row_id, lock=lock)
        if row is None:
            raise NotFound(f"No such {table.__name__.lower()}.")
        return row

    def create_campaign(self, data: CampaignCreate) -> Campaign:
        """A new campaign."""
        campaign = Campaign(
            **data.model_dump(), id=new_id("cmp"), tenant_id=self._tenant_id, created_at=self._now, updated_at=self._now
        )
        _check_campaign(campaign)
        return self._added(campaign, "campaign.created")

    def update_campaign(self, campaign_id: str, data: CampaignUpdate) -> Campaign:
        """Change what is given."""
        campaign = self.get(Campaign, campaign_id, lock=True)  # its fields must fit each other, whoever changes which
        for name, value in data.model_dump(exclude_unset=True).items():
            if value is None and name not in NULLABLE:
                raise Unprocessable("null is no value for this field; leave it out to keep it.", pointer=f"#/{name}")
            setattr(campaign, name, value)
        _check_campaign(campaign)
        campaign.updated_at = self._now
        self._account.record("campaign.updated", campaign.id)
        return campaign

    def create_creative(self, data: CreativeCreate) -> Creative:
        """A new creative of an own campaign."""
        self._own_campaign(data.campaign_id)
        creative = Creative(**data.model_dump(), id=new_id("crv"), tenant_id=self._tenant_id, created_at=self._now)
        return self._added(creative, "creative.created")

    def update_creative(self, creative_id: str, data: CreativeUpdate) -> Creative:
        """Retire it or bring it back."""
        creative = self.get(Creative, creative_id)
        creative.active = data.active
        self._account.record("creative.updated", creative.id)
        return creative

    def create_experiment(self, data: ExperimentCreate) -> Experiment:
        """A new experiment; a campaign runs one at a time, else their arms would mix."""
        self._own_campaign(data.campaign_id, lock=True)
        for index, arm in enumerate(data.arms):
            creative = self._rows.get(Creative, arm.creative_id) if arm.creative_id else None
            if arm.creative_id and (creative is None or creative.campaign_id != data.campaign_id):
                raise Unprocessable("No such creative in this campaign.", pointer=f"#/arms/{index}/creative_id")
        self._only_one(data.campaign_id)
        row = Experiment(**data.model_dump(), id=new_id("exp"), tenant_id=self._tenant_id, created_at=self._now)
        return self._added(row, "experiment.created")

    def update_experiment(self, experiment_id: str, data: ExperimentUpdate) -> Experiment:
        """Stop it or let it run again."""
        campaign_id = self.get(Experiment, experiment_id).campaign_id
        self._own_campaign(campaign_id, lock=True)
        row = self.get(Experiment, experiment_id, lock=True)
        if data.running and not row.running:
            self._only_one(campaign_id)
        row.running = data.running
        self._account.record("experiment.updated", row.id)
        return row

    def _only_one(self, campaign_id: str) -> None:
        if running := self._rows.running_experiments(campaign_id):
            raise Conflict(f"{running[0].id} runs in this campaign; stop it first.", code="experiment_running")

    def _own_campaign(self, campaign_id: str, *, lock: bool = False) -> None:
        if self._rows.get(Campaign, campaign_id, lock=lock) is None:
            raise Unprocessable("No such campaign.", pointer="#/campaign_id")

    def _added(self, row: Row, action: str) -> Row:
        self._rows.add(row)
        self._account.record(action, row.id)
        return row


def _check_campaign(campaign: Campaign) -> None:
    """What no single field can tell."""
    if campaign.starts_at and campaign.ends_at and campaign.ends_at <= campaign.starts_at:
        raise Unprocessable("The end lies before the start.", pointer="#/ends_at")
    if campaign.total_budget_micros is not None and campaign.total_budget_micros < campaign.daily_budget_micros:
        raise Unprocessable("The total budget is smaller than one day's.", pointer="#/total_budget_micros")
    if campaign.bid_micros > campaign.daily_budget_micros:
        raise Unprocessable("One bid is more than the daily budget.", pointer="#/bid_micros")
