"""`POST /v1/search` and the neighbours of a product. Metered; pictures are not kept; no SQL when warm."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from api.accounts.auth import Principal
from api.accounts.scopes import Scope
from api.billing.limits import limited
from api.billing.models import EntryKind
from api.events.records import UsageKind
from api.kit.ids import new_id
from api.ports import Ports, PortsDep
from api.search.match import Match
from api.search.picture_search import catalogs_asked_for, search_picture
from api.search.schemas import FilterQuery, MatchesAnswer, MatchRead, SearchAnswer, SearchQuery
from api.vision.errors import PictureError
from api.vision.intake import BODY_DESCRIPTION, picture_bytes, refusal

router = APIRouter(prefix="/v1", tags=["search"])
Caller = Annotated[Principal, Depends(limited(Scope.search, EntryKind.search))]
AsksSimilar = Annotated[Principal, Depends(limited(Scope.search, EntryKind.similar))]
AsksComplements = Annotated[Principal, Depends(limited(Scope.search, EntryKind.complements))]
ProductId = Annotated[str, Path(max_length=100)]


@router.post("/search", openapi_extra=BODY_DESCRIPTION)
async def search(
    request: Request, options: Annotated[SearchQuery, Query()], caller: Caller, ports: PortsDep
) -> SearchAnswer:
    """Products of your own and of listed catalogs that look like what is on the picture."""
    data, pointer = await picture_bytes(request, ports.fetcher, ports.eyes, ports.settings.fetch.max_picture_bytes)

    try:
        answer = await ports.eyes.work.run(lambda: search_picture(ports, caller.tenant_id, data, options))
    except PictureError as error:
        raise refusal(error, pointer) from error
    ports.meter.record(caller.tenant_id, "search", query_id=answer.query_id)
    return answer


@router.get("/products/{product_id}/similar")
async def similar(
    product_id: ProductId, options: Annotated[FilterQuery, Query()], caller: AsksSimilar, ports: PortsDep
) -> MatchesAnswer:
    """Products that look like this one."""
    return await _neighbours("similar", ports.finder.similar, product_id, options, caller, ports)


@router.get("/products/{product_id}/complements")
async def complements(
    product_id: ProductId, options: Annotated[FilterQuery, Query()], caller: AsksComplements, ports: PortsDep
) -> MatchesAnswer:
    """Products that go with this one: other parts of an outfit, or of a home. Chosen by category, ranked by looks."""
    return await _neighbours("complements", ports.finder.complements, product_id, options, caller, ports)


async def _neighbours(
    kind: UsageKind,
    find: Callable[..., list[Match]],
    product_id: str,
    options: FilterQuery,
    caller: Principal,
    ports: Ports,
) -> MatchesAnswer:
    def look() -> MatchesAnswer:
        visible = ports.catalogs.searchable_catalog_ids(caller.tenant_id)
        scope = catalogs_asked_for(visible, options)
        found = find(product_id, visible=visible, catalog_ids=scope, k=options.limit, **options.filters())
        return MatchesAnswer(matches=[MatchRead.of(match) for match in found])

    answer = await ports.eyes.work.run(look)
    ports.meter.record(caller.tenant_id, kind, query_id=new_id("qry"))
    return answer
