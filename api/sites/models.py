"""The table of sites: a publisher's origins, media hosts, publishable key and controls."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from api.kit.db import UtcDateTime


class Site(SQLModel, table=True):
    """One site of a publisher. The publishable key stands in its pages, so it is stored readable."""

    __tablename__ = "sites"

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenants.id", index=True)
    name: str = Field(max_length=200)
    key: str = Field(max_length=64, unique=True)
    origins: list[str] = Field(sa_column=Column(JSON, nullable=False))
    media_hosts: list[str] = Field(sa_column=Column(JSON, nullable=False))
    controls: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
