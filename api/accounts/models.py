"""Tables of accounts: tenants, their people, their keys, and what was done by whom."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from api.accounts.scopes import TenantKind
from api.kit.db import UtcDateTime


class Tenant(SQLModel, table=True):
    """A publisher, brand, developer or operator."""

    __tablename__ = "tenants"

    id: str = Field(primary_key=True)
    kind: TenantKind
    name: str = Field(max_length=200)
    listing_approved: bool = False
    unlimited: bool = False
    created_at: datetime = Field(sa_type=UtcDateTime)


class User(SQLModel, table=True):
    """A person who signs in. One tenant each; addresses are stored in lower case."""

    __tablename__ = "users"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id", index=True)
    email: str = Field(max_length=254, unique=True)
    password_hash: str
    # sessions carry this number; raising it ends all of them
    session_epoch: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)


class ApiKey(SQLModel, table=True):
    """A secret key. Only its SHA-256 is kept: 256 random bits need no slow hash."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id", index=True)
    name: str = Field(max_length=100)
    hint: str = Field(max_length=12)
    secret_hash: str = Field(max_length=64, unique=True)
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AuditEntry(SQLModel, table=True):
    """Who did what to what. Written in the transaction of the deed."""

    __tablename__ = "audit_log"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id", index=True)
    actor: str = Field(max_length=40)
    action: str = Field(max_length=60)
    subject: str = Field(max_length=80)
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    at: datetime = Field(sa_type=UtcDateTime)


class IdempotencyRecord(SQLModel, table=True):
    """The first answer to a POST that carried an Idempotency-Key, to be told again on a retry."""

    __tablename__ = "idempotency_records"
    __table_args__ = (UniqueConstraint("caller", "key"),)

    id: str = Field(primary_key=True)
    caller: str = Field(max_length=64)
    key: str = Field(max_length=255)
    fingerprint: str = Field(max_length=64)
    status: int | None = None
    body: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)


class SignInTries(SQLModel, table=True):
    """Tries to sign in by one address or from one caller, within a window. `name` is a hash of either."""

    __tablename__ = "sign_in_tries"

    name: str = Field(primary_key=True, max_length=64)
    since: datetime = Field(sa_type=UtcDateTime, index=True)
    tries: int
