"""A publisher's sites."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import CursorParams, Page, page_of
from api.ports import PortsDep
from api.sites.schemas import SiteCreate, SiteRead, SiteUpdate
from api.sites.service import SiteService

router = APIRouter(prefix="/v1/sites", tags=["sites"])
Reader = Annotated[Principal, Depends(requires(Scope.sites_read))]
Writer = Annotated[Principal, Depends(requires(Scope.sites_write))]


@router.post("", status_code=201)
def create_site(body: SiteCreate, caller: Writer, session: WriteSession, ports: PortsDep) -> SiteRead:
    """Add a site; its publishable key goes into the pages."""
    return SiteService(session, caller.tenant_id, caller.actor, ports.clock.now()).create(body)


@router.get("")
def list_sites(caller: Reader, session: ReadSession, ports: PortsDep, cursor: CursorParams) -> Page[SiteRead]:
    """The sites, oldest first."""
    rows = SiteService(session, caller.tenant_id, caller.actor, ports.clock.now()).page(cursor)
    return page_of(rows, cursor.limit, lambda site: site.id)


@router.get("/{site_id}")
def read_site(site_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> SiteRead:
    """One site."""
    return SiteService(session, caller.tenant_id, caller.actor, ports.clock.now()).get(site_id)


@router.patch("/{site_id}")
def update_site(site_id: str, body: SiteUpdate, caller: Writer, session: WriteSession, ports: PortsDep) -> SiteRead:
    """Change a site's name, origins, media hosts or controls; pages see it within 5 s."""
    site = SiteService(session, caller.tenant_id, caller.actor, ports.clock.now()).update(site_id, body)
    session.commit()
    ports.sites.forget()
    return site


@router.delete("/{site_id}", status_code=204)
def delete_site(site_id: str, caller: Writer, session: WriteSession, ports: PortsDep) -> None:
    """End a site: its key stops within 5 s."""
    SiteService(session, caller.tenant_id, caller.actor, ports.clock.now()).delete(site_id)
    session.commit()
    ports.sites.forget()
