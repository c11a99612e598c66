"""The rules of accounts: sign-up, sign-in, secret keys, the operator's approvals, and the audit log."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from api.accounts import passwords
from api.accounts.models import ApiKey, AuditEntry, Tenant, User
from api.accounts.repository import AccountRepository, AccountsAcrossTenants, audit_entry
from api.accounts.scopes import SCOPES_OF, Scope, TenantKind
from api.errors import Conflict, NotFound, Unprocessable
from api.kit.ids import new_id
from api.kit.names import one_line
from api.kit.paging import Cursor

MAX_KEYS = 20
EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s.\x00-\x1f\x7f]+(\.[^@\s.\x00-\x1f\x7f]+)+")


def secret_hash(secret: str) -> str:
    """What is stored of a secret key."""
    return hashlib.sha256(secret.encode()).hexdigest()


class AccountService:
    """What one tenant does with its account. `actor` is a user's or key's id, for the audit log."""

    def __init__(self, session: Session, tenant_id: str, actor: str, now: datetime) -> None:
        self._rows = AccountRepository(session, tenant_id)
        self._session = session
        self._tenant_id = tenant_id
        self._actor = actor
        self._now = now

    def tenant(self) -> Tenant:
        """The tenant itself."""
        tenant = self._rows.tenant()
        if tenant is None:
            raise NotFound("This account is gone.")
        return tenant

    def record(self, action: str, subject: str) -> None:
        """Add to the audit log, in the transaction of the deed."""
        self._session.add(audit_entry(self._tenant_id, new_id("aud"), self._actor, action, subject, self._now))

    def take_turns(self) -> None:
        """Before something is counted that this transaction adds to: the tenant's other such transactions wait."""
        self._rows.take_turns()

    def audit(self, limit: int = 100) -> Sequence[AuditEntry]:
        """The newest audit entries."""
        return self._rows.audit(limit)

    def keys(self, cursor: Cursor) -> Sequence[ApiKey]:
        """Keys in use, one more than the page holds."""
        return self._rows.keys(cursor.after, cursor.limit)

    def create_key(self, name: str, scopes: list[Scope] | None, *, held: frozenset[str]) -> tuple[ApiKey, str]:
        """A new key and its secret, shown this once. Nobody hands on more than they hold themselves."""
        allowed = SCOPES_OF[self.tenant().kind] & {Scope(scope) for scope in held}
        wanted = set(scopes) if scopes is not None else set(allowed)
        if too_much := wanted - allowed:
            raise Unprocessable(f"Not yours to give: {', '.join(sorted(too_much))}.", pointer="#/scopes")
        self.take_turns()
        if len(self._rows.keys(None, MAX_KEYS)) >= MAX_KEYS:
            raise Conflict(f"There are {MAX_KEYS} keys already; revoke one first.", code="too_many_keys")
        secret = f"sk_{secrets.token_urlsafe(32)}"
        key = ApiKey(
            id=new_id("key"),
            tenant_id=self._tenant_id,
            name=name,
            hint=secret[-4:],
            secret_hash=secret_hash(secret),
            scopes=sorted(wanted),
            created_at=self._now,
        )
        self._session.add(key)
        self.record("key.created", key.id)
        return key, secret

    def revoke_key(self, key_id: str) -> ApiKey:
        """End a key; it stops working within 5 s everywhere."""
        key = self._rows.key(key_id)
        if key is None:
            raise NotFound("No such key.")
        if key.revoked_at is None:
            key.revoked_at = self._now
            self.record("key.revoked", key.id)
        return key

    def revoke_named(self, name: str) -> None:
        """End every key of that name."""
        for key in self._rows.keys(None, MAX_KEYS):
            if key.name == name:
                self.revoke_key(key.id)


class AccountsDesk:
    """What happens before a tenant is known, and what the operator does to tenants."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._rows = AccountsAcrossTenants(session)
        self._session = session
        self._now = now

    def sign_up(self, kind: TenantKind, name: str, email: str, password: str) -> tuple[Tenant, User]:
        """A new tenant with its first person."""
        address = email.strip().lower()
        if not EMAIL.fullmatch(address) or len(address) > 254:
            raise Unprocessable("This is not an e-mail address.", pointer="#/email")
        if not passwords.MIN_LENGTH <= len(password) <= passwords.MAX_LENGTH:
            raise Unprocessable(f"Use {passwords.MIN_LENGTH} characters or more.", pointer="#/password")
        taken = Conflict("This address has an account; sign in instead.", pointer="#/email")
        if self._rows.user_by_email(address):
            raise taken
        try:
            called = one_line(name)
        except ValueError as error:
            raise Unprocessable(f"The name: {error}.", pointer="#/name") from error
        tenant = Tenant(id=new_id("tnt"), kind=kind, name=called, created_at=self._now)
        user = User(
            id=new_id("usr"),
            tenant_id=tenant.id,
            email=address,
            password_hash=passwords.hash_password(password),
            created_at=self._now,
        )
        self._session.add(tenant)
        self._session.flush()
        self._session.add(user)
        try:
            self._session.flush()
        except IntegrityError as error:  # somebody signed up with it since we looked
            raise taken from error
        self._session.add(audit_entry(tenant.id, new_id("aud"), user.id, "tenant.created", tenant.id, self._now))
        return tenant, user

    def authenticate(self, email: str, password: str) -> User | None:
        """The person whose address and password these are."""
        user = self._rows.user_by_email(email.strip().lower())
        fits = passwords.verify_password(user.password_hash if user else None, password)
        return user if fits else None

    def person(self, user_id: str) -> tuple[User, Tenant] | None:
        """A person and their tenant."""
        user = self._rows.user(user_id)
        tenant = self._rows.tenant(user.tenant_id) if user else None
        return (user, tenant) if user and tenant else None

    def end_sessions(self, user_id: str) -> None:
        """Sign a person out everywhere."""
        if user := self._rows.user(user_id, lock=True):
            user.session_epoch += 1

    def tenants(self, cursor: Cursor) -> Sequence[Tenant]:
        """All tenants, one more than the page holds."""
        return self._rows.tenants(cursor.after, cursor.limit)

    def approve_listing(self, tenant_id: str, approved: bool, actor: str) -> Tenant:
        """The operator lets a brand's catalogs be listed, or no longer."""
        tenant = self._rows.tenant(tenant_id)
        if tenant is None:
            raise NotFound("No such tenant.")
        tenant.listing_approved = approved
        action = "listing.approved" if approved else "listing.withdrawn"
        self._session.add(audit_entry(tenant.id, new_id("aud"), actor, action, tenant.id, self._now))
        return tenant

    def by_email(self, email: str) -> tuple[User, Tenant] | None:
        """A person and their tenant by address."""
        user = self._rows.user_by_email(email.strip().lower())
        return self.person(user.id) if user else None

    def set_password(self, user_id: str, password: str) -> None:
        """A new password; every session ends."""
        if user := self._rows.user(user_id, lock=True):
            user.password_hash = passwords.hash_password(password)
            user.session_epoch += 1
