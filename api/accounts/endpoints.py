"""Secret keys of a tenant, and the operator's approvals."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.accounts.auth import Principal, requires
from api.accounts.models import ApiKey, Tenant
from api.accounts.schemas import KeyCreate, KeyCreated, KeyRead, TenantRead, TenantUpdate
from api.accounts.scopes import Scope
from api.accounts.service import AccountsDesk, AccountService
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import CursorParams, Page, page_of
from api.ports import PortsDep

router = APIRouter(prefix="/v1", tags=["accounts"])
KeyWriter = Annotated[Principal, Depends(requires(Scope.keys_write))]
Moderator = Annotated[Principal, Depends(requires(Scope.moderate))]


def _key(key: ApiKey) -> KeyRead:
    return KeyRead.model_validate(key, from_attributes=True)


def _tenant(tenant: Tenant) -> TenantRead:
    return TenantRead.model_validate(tenant, from_attributes=True)


@router.post("/keys", status_code=201)
def create_key(body: KeyCreate, caller: KeyWriter, session: WriteSession, ports: PortsDep) -> KeyCreated:
    """Make a secret key; its secret is shown this once."""
    service = AccountService(session, caller.tenant_id, caller.actor, ports.clock.now())
    key, secret = service.create_key(body.name, body.scopes, held=caller.scopes)
    return KeyCreated(**_key(key).model_dump(), secret=secret)


@router.get("/keys")
def list_keys(caller: KeyWriter, session: ReadSession, ports: PortsDep, cursor: CursorParams) -> Page[KeyRead]:
    """The keys in use."""
    service = AccountService(session, caller.tenant_id, caller.actor, ports.clock.now())
    return page_of([_key(key) for key in service.keys(cursor)], cursor.limit, lambda key: key.id)


@router.delete("/keys/{key_id}", status_code=204)
def revoke_key(key_id: str, caller: KeyWriter, session: WriteSession, ports: PortsDep) -> None:
    """End a key; it stops working everywhere within 5 s."""
    AccountService(session, caller.tenant_id, caller.actor, ports.clock.now()).revoke_key(key_id)
    session.commit()
    ports.gatekeeper.forget()


@router.get("/tenants")
def list_tenants(_: Moderator, session: ReadSession, ports: PortsDep, cursor: CursorParams) -> Page[TenantRead]:
    """All tenants, for the operator."""
    rows = AccountsDesk(session, ports.clock.now()).tenants(cursor)
    return page_of([_tenant(row) for row in rows], cursor.limit, lambda row: row.id)


@router.patch("/tenants/{tenant_id}")
def update_tenant(
    tenant_id: str, body: TenantUpdate, caller: Moderator, session: WriteSession, ports: PortsDep
) -> TenantRead:
    """Approve a brand's listing, or withdraw it."""
    desk = AccountsDesk(session, ports.clock.now())
    return _tenant(desk.approve_listing(tenant_id, body.listing_approved, caller.actor))
