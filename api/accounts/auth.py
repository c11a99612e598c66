"""Who is calling: a secret key (Bearer) or a signed-in person, with the scopes they hold. No SQL when warm."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.accounts.repository import AccountsAcrossTenants
from api.accounts.scopes import SCOPES_OF, Scope, TenantKind
from api.accounts.service import secret_hash
from api.accounts.sessions import COOKIE, SessionClaims, SessionSigner
from api.accounts.throttle import SignInThrottle
from api.errors import Forbidden, Unauthorized
from api.kit.cache import FreshCache
from api.kit.db import Database

# a revoked key must stop within 5 s on every process
REFRESH_S, EXPIRE_S = 1.5, 4.0
MAX_SECRET = 200
K = TypeVar("K", str, SessionClaims)


@dataclass(frozen=True)
class Principal:
    """Somebody allowed in. `actor` is what the audit log names: the key's or the person's id."""

    tenant_id: str
    kind: TenantKind
    scopes: frozenset[str]
    key_id: str | None = None
    user_id: str | None = None
    unlimited: bool = False

    @property
    def actor(self) -> str:
        """The key's or the person's id."""
        return self.key_id or self.user_id or ""


class Gatekeeper:
    """Looks up keys and sessions, from memory when warm."""

    def __init__(self, database: Database, signer: SessionSigner) -> None:
        self.signer = signer
        self.throttle = SignInThrottle(database)
        self._database = database
        self._keys: FreshCache[str, Principal | None] = FreshCache(
            self._load_key, refresh_after_s=REFRESH_S, expire_after_s=EXPIRE_S
        )
        self._people: FreshCache[SessionClaims, Principal | None] = FreshCache(
            self._load_person, refresh_after_s=REFRESH_S, expire_after_s=EXPIRE_S
        )

    async def by_key(self, secret: str) -> Principal | None:
        """The holder of a secret key in use."""
        if not secret.startswith("sk_") or len(secret) > MAX_SECRET:
            return None
        return await self._looked_up(self._keys, secret_hash(secret))

    async def by_cookie(self, cookie: str) -> Principal | None:
        """The person of a session cookie."""
        claims = self.signer.read(cookie)
        return await self._looked_up(self._people, claims) if claims else None

    def forget(self) -> None:
        """Drop all that is remembered: after a revocation or a sign-out in this process."""
        self._keys.clear()
        self._people.clear()

    async def _looked_up(self, cache: FreshCache[K, Principal | None], key: K) -> Principal | None:
        found, principal = cache.peek(key)
        return principal if found else await run_in_threadpool(cache.get, key)

    def _load_key(self, hashed: str) -> Principal | None:
        with self._database.read() as session:
            found = AccountsAcrossTenants(session).key_with_tenant(hashed)
        if found is None:
            return None
        key, tenant = found
        return Principal(tenant.id, tenant.kind, frozenset(key.scopes), key_id=key.id, unlimited=tenant.unlimited)

    def _load_person(self, claims: SessionClaims) -> Principal | None:
        with self._database.read() as session:
            rows = AccountsAcrossTenants(session)
            user = rows.user(claims.user_id)
            tenant = rows.tenant(user.tenant_id) if user else None
        if user is None or tenant is None or user.session_epoch != claims.epoch:
            return None
        scopes = frozenset(str(scope) for scope in SCOPES_OF[tenant.kind])
        return Principal(tenant.id, tenant.kind, scopes, user_id=user.id, unlimited=tenant.unlimited)


async def _bearer(request: Request) -> Principal:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    gatekeeper: Gatekeeper = request.app.state.ports.gatekeeper
    principal = await gatekeeper.by_key(secret.strip()) if scheme.lower() == "bearer" else None
    if principal is None:
        raise Unauthorized
    return principal


BearerPrincipal = Annotated[Principal, Depends(_bearer)]


def requires(scope: Scope) -> Callable[[Principal], Principal]:
    """A dependency: the caller, who must hold `scope`. 401 without a usable key, 403 without the scope."""

    def check(principal: BearerPrincipal) -> Principal:
        if scope not in principal.scopes:
            raise Forbidden(f"This key lacks the scope {scope.value!r}.", code="missing_scope")
        return principal

    return check


async def signed_in(request: Request) -> Principal | None:
    """The person whose session cookie came along, for pages; None when nobody is signed in."""
    gatekeeper: Gatekeeper = request.app.state.ports.gatekeeper
    cookie = request.cookies.get(COOKIE, "")
    return await gatekeeper.by_cookie(cookie) if cookie else None
