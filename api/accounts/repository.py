"""The rows of accounts. Sign-in and key checks come before any tenant is known, so they work across tenants."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from api.accounts.models import ApiKey, AuditEntry, Tenant, User
from api.kit.db import TenantRepository


class AccountRepository(TenantRepository):
    """One tenant's own rows."""

    def tenant(self) -> Tenant | None:
        """The tenant itself."""
        return self.session.get(Tenant, self.tenant_id)

    def take_turns(self) -> None:
        """Whoever asks for a turn of the same tenant waits until this transaction ends, so that what was counted still
        holds when something is added. Rows that only refer to the tenant do not wait."""
        self.session.exec(select(Tenant.id).where(Tenant.id == self.tenant_id).with_for_update(key_share=True)).all()

    def keys(self, after: str | None, limit: int) -> Sequence[ApiKey]:
        """Secret keys, oldest first."""
        query = select(ApiKey).where(ApiKey.tenant_id == self.tenant_id, col(ApiKey.revoked_at).is_(None))
        if after:
            query = query.where(ApiKey.id > after)
        return self.session.exec(query.order_by(col(ApiKey.id)).limit(limit + 1)).all()

    def key(self, key_id: str) -> ApiKey | None:
        """One secret key to change, revoked ones included."""
        query = select(ApiKey).where(ApiKey.id == key_id, ApiKey.tenant_id == self.tenant_id)
        return self.session.exec(query.with_for_update().execution_options(populate_existing=True)).one_or_none()

    def audit(self, limit: int) -> Sequence[AuditEntry]:
        """The newest entries of the audit log."""
        query = select(AuditEntry).where(AuditEntry.tenant_id == self.tenant_id)
        return self.session.exec(query.order_by(col(AuditEntry.id).desc()).limit(limit)).all()


class AccountsAcrossTenants:
    """What must look at all tenants: sign-in, key checks, the operator's list."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def user_by_email(self, email: str) -> User | None:
        """The person of that (lower-cased) address."""
        return self.session.exec(select(User).where(User.email == email)).one_or_none()

    def user(self, user_id: str, *, lock: bool = False) -> User | None:
        """A person by id; with `lock`, to change."""
        return self.session.get(User, user_id, with_for_update=lock or None)

    def tenant(self, tenant_id: str) -> Tenant | None:
        """A tenant by id."""
        return self.session.get(Tenant, tenant_id)

    def tenants(self, after: str | None, limit: int) -> Sequence[Tenant]:
        """All tenants, oldest first."""
        query = select(Tenant).order_by(col(Tenant.id)).limit(limit + 1)
        return self.session.exec(query.where(Tenant.id > after) if after else query).all()

    def key_with_tenant(self, secret_hash: str) -> tuple[ApiKey, Tenant] | None:
        """A key in use, by the hash of its secret."""
        query = (
            select(ApiKey, Tenant)
            .where(ApiKey.tenant_id == Tenant.id)
            .where(ApiKey.secret_hash == secret_hash, col(ApiKey.revoked_at).is_(None))
        )
        return self.session.exec(query).one_or_none()

    def add(self, row: Tenant | User | ApiKey | AuditEntry) -> None:
        """Store a new row."""
        self.session.add(row)


def audit_entry(tenant_id: str, entry_id: str, actor: str, action: str, subject: str, at: datetime) -> AuditEntry:
    """A row for the audit log."""
    return AuditEntry(id=entry_id, tenant_id=tenant_id, actor=actor, action=action, subject=subject, at=at)
