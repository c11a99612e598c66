"""Tables beside the index: what is clicked together (derived from events, counted anew by workers/search.py), and what
tenants say of their searches."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from api.kit.db import UtcDateTime


class CoClick(SQLModel, table=True):
    """`views` page views, of any publisher, in which both products were clicked. No reference to products: the next
    count forgets those that are gone."""

    __tablename__ = "co_clicks"

    product_id: str = Field(primary_key=True, max_length=40)
    other_id: str = Field(primary_key=True, max_length=40)
    views: int
    counted_at: datetime = Field(sa_type=UtcDateTime)


class SearchVerdict(SQLModel, table=True):
    """What a tenant has said of one product for one object of a search. `vector` is the object's, as signed bytes on a
    scale of their own: no picture, but what it looked like to one embedder."""

    __tablename__ = "search_verdicts"
    __table_args__ = (UniqueConstraint("tenant_id", "query_id", "object_index", "product_id"),)

    id: str = Field(primary_key=True, max_length=40)
    tenant_id: str = Field(foreign_key="tenants.id")
    query_id: str = Field(max_length=40)
    object_index: int
    product_id: str = Field(max_length=40)
    # whether it is what the object shows
    is_right: bool
    vector: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    embedder_version: str = Field(max_length=100)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
