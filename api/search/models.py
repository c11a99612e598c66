"""The table of what is clicked together: derived from events, and counted anew by workers/search.py."""

from datetime import datetime

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
