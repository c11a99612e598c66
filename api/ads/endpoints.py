"""A brand's campaigns, creatives and experiments."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.ads.models import Campaign, Creative, Experiment
from api.ads.schemas import (
    CampaignCreate,
    CampaignRead,
    CampaignUpdate,
    CreativeCreate,
    CreativeRead,
    CreativeUpdate,
    ExperimentCreate,
    ExperimentRead,
    ExperimentUpdate,
)
from api.ads.service import AdsService
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import CursorParams, Page, page_of
from api.ports import PortsDep

router = APIRouter(prefix="/v1", tags=["ads"])
Reader = Annotated[Principal, Depends(requires(Scope.campaigns_read))]
Writer = Annotated[Principal, Depends(requires(Scope.campaigns_write))]


def _reading(caller: Reader, session: ReadSession, ports: PortsDep) -> AdsService:
    return AdsService(session, caller.tenant_id, caller.actor, ports.clock.now())


def _writing(caller: Writer, session: WriteSession, ports: PortsDep) -> AdsService:
    return AdsService(session, caller.tenant_id, caller.actor, ports.clock.now())


Reading = Annotated[AdsService, Depends(_reading)]
Writing = Annotated[AdsService, Depends(_writing)]


def _campaign(row: Campaign) -> CampaignRead:
    return CampaignRead.model_validate(row, from_attributes=True)


def _creative(row: Creative) -> CreativeRead:
    return CreativeRead.model_validate(row, from_attributes=True)


def _experiment(row: Experiment) -> ExperimentRead:
    return ExperimentRead.model_validate(row, from_attributes=True)


@router.post("/campaigns", status_code=201)
def create_campaign(body: CampaignCreate, service: Writing) -> CampaignRead:
    """Bid for tags of the brand's products; auctions know of it within 4 s."""
    return _campaign(service.create_campaign(body))


@router.get("/campaigns")
def list_campaigns(service: Reading, cursor: CursorParams) -> Page[CampaignRead]:
    """The campaigns, oldest first."""
    return page_of([_campaign(row) for row in service.page(Campaign, cursor)], cursor.limit, lambda row: row.id)


@router.get("/campaigns/{campaign_id}")
def read_campaign(campaign_id: str, service: Reading) -> CampaignRead:
    """One campaign."""
    return _campaign(service.get(Campaign, campaign_id))


@router.patch("/campaigns/{campaign_id}")
def update_campaign(campaign_id: str, body: CampaignUpdate, service: Writing) -> CampaignRead:
    """Change a campaign, pause it or let it run; auctions follow within 4 s."""
    return _campaign(service.update_campaign(campaign_id, body))


@router.post("/creatives", status_code=201)
def create_creative(body: CreativeCreate, service: Writing) -> CreativeRead:
    """A call to action, badge and style for a campaign's tags."""
    return _creative(service.create_creative(body))


@router.get("/creatives")
def list_creatives(service: Reading, cursor: CursorParams) -> Page[CreativeRead]:
    """The creatives, oldest first."""
    return page_of([_creative(row) for row in service.page(Creative, cursor)], cursor.limit, lambda row: row.id)


@router.patch("/creatives/{creative_id}")
def update_creative(creative_id: str, body: CreativeUpdate, service: Writing) -> CreativeRead:
    """Retire a creative, or bring it back."""
    return _creative(service.update_creative(creative_id, body))


@router.post("/experiments", status_code=201)
def create_experiment(body: ExperimentCreate, service: Writing) -> ExperimentRead:
    """Split a campaign's views among arms by weight."""
    return _experiment(service.create_experiment(body))


@router.get("/experiments")
def list_experiments(service: Reading, cursor: CursorParams) -> Page[ExperimentRead]:
    """The experiments, oldest first."""
    return page_of([_experiment(row) for row in service.page(Experiment, cursor)], cursor.limit, lambda row: row.id)


@router.patch("/experiments/{experiment_id}")
def update_experiment(experiment_id: str, body: ExperimentUpdate, service: Writing) -> ExperimentRead:
    """Stop an experiment, or let it run again."""
    return _experiment(service.update_experiment(experiment_id, body))
