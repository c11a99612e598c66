"""`/v1/search/feedback`: a developer says that a product is not what an object of a search shows, or that it is; reads
what was said; takes it back. Not metered."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.errors import Unprocessable
from api.kit.clock import UtcTime
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import CursorParams, Page, page_of
from api.ports import Ports, PortsDep
from api.search.models import SearchVerdict
from api.search.query_tokens import MAX_TOKEN_CHARS
from api.search.verdicts import VerdictService

router = APIRouter(prefix="/v1/search/feedback", tags=["search"])
Caller = Annotated[Principal, Depends(requires(Scope.search))]
VerdictId = Annotated[str, Path(max_length=100)]


class Verdict(StrEnum):
    """The words of `POST /v1/feedback`."""

    not_this = "not_this"
    right = "right"


class SearchFeedbackCreate(BaseModel):
    """`token` is the object's in the search's answer, for a week."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=MAX_TOKEN_CHARS)
    product_id: str = Field(min_length=1, max_length=40)
    verdict: Verdict


class SearchFeedbackRead(BaseModel):
    """One verdict. `object` counts the objects of the answer from 0."""

    id: str
    query_id: str
    object: int
    product_id: str
    verdict: Verdict
    created_at: UtcTime
    updated_at: UtcTime

    @classmethod
    def of(cls, row: SearchVerdict) -> "SearchFeedbackRead":
        return cls(
            id=row.id, query_id=row.query_id, object=row.object_index, product_id=row.product_id,
            verdict=Verdict.right if row.is_right else Verdict.not_this, created_at=row.created_at,
            updated_at=row.updated_at,
        )  # fmt: skip


@router.post("")
def say(body: SearchFeedbackCreate, caller: Caller, ports: PortsDep) -> SearchFeedbackRead:
    """A product that is `not_this` comes last in your later searches for objects that look alike; `right` takes that
    back, and the word on the nearest object counts. The last word on an object and product stands; a repetition changes
    nothing. Kept are your newest 500 with the objects' vectors, no pictures. Nobody else's answers change."""
    now = ports.clock.now()
    claims = ports.verdicts.opened(body.token, caller.tenant_id, now)
    _seen(ports, caller.tenant_id, body.product_id)
    with ports.database.write() as session:
        said = VerdictService(session, caller.tenant_id, now).say(
            claims, body.product_id, right=body.verdict is Verdict.right
        )
        answer = SearchFeedbackRead.of(said)
    ports.verdicts.forget(caller.tenant_id)
    return answer


@router.get("")
def list_said(caller: Caller, session: ReadSession, ports: PortsDep, cursor: CursorParams) -> Page[SearchFeedbackRead]:
    """What you have said, newest first."""
    rows = VerdictService(session, caller.tenant_id, ports.clock.now()).page(cursor)
    return page_of([SearchFeedbackRead.of(row) for row in rows], cursor.limit, lambda said: said.id)


@router.delete("/{verdict_id}", status_code=204)
def take_back(verdict_id: VerdictId, caller: Caller, session: WriteSession, ports: PortsDep) -> None:
    """As if it had not been said: your next search knows of it."""
    VerdictService(session, caller.tenant_id, ports.clock.now()).take_back(verdict_id)
    session.commit()
    ports.verdicts.forget(caller.tenant_id)


def _seen(ports: Ports, tenant_id: str, product_id: str) -> None:
    product = ports.catalogs.products_by_ids([product_id]).get(product_id)
    if product is None or product.catalog_id not in ports.catalogs.searchable_catalog_ids(tenant_id):
        raise Unprocessable("There is no such product.", pointer="#/product_id", code="product_not_found")
