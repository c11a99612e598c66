"""`POST /v1/operations/…`: what `shoplight reindex`, `rollup` and `reconcile` call while a server runs."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.operations.schemas import Reconciled, Reindexed, RolledUp
from api.operations.service import Operations
from api.ports import PortsDep

router = APIRouter(prefix="/v1/operations", tags=["operations"])
Moderator = Annotated[Principal, Depends(requires(Scope.moderate))]


@router.post("/reindex")
def reindex(_: Moderator, ports: PortsDep) -> Reindexed:
    """Rebuild the product index from the stored vectors. 409 while another operation runs."""
    return Operations(ports).reindex()


@router.post("/rollup")
def rollup(_: Moderator, ports: PortsDep) -> RolledUp:
    """Rebuild every roll-up from the de-duplicated events. 409 while another operation runs."""
    return Operations(ports).rollup()


@router.post("/reconcile")
def reconcile(_: Moderator, ports: PortsDep) -> Reconciled:
    """Do the counts agree all the way? While events arrive, a batch may be seen half-way."""
    return Operations(ports).reconcile()
