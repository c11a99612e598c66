"""Rows of the relational store are the same in another one, to the last bit."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import text

from api.accounts.models import AuditEntry, Tenant
from api.accounts.scopes import TenantKind
from api.catalog.models import Catalog, Import, ImportFault, Product, ProductVector
from api.kit.db import Database
from api.kit.migrations import upgrade
from api.media.models import Media, MediaKind, Tag
from tests.postgresql import TestDatabases
from workers.moving.tables_repository import TablesAcrossTenants, tables

AT = datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC)
NASTY = "größer – 靴 🥿 \\ \" ' %s {x} \u0001 \u2028 \t\n"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    upgrade(database)
    try:
        yield database
    finally:
        database.close()


def fill(database: Database) -> None:
    """Values at the edges of each type."""
    with database.write() as session:
        session.add(Tenant(id="tnt_1", kind=TenantKind.brand, name=NASTY, listing_approved=True, created_at=AT))
        session.flush()
        detail = {"é": [1, 1.5, None, True, 1e-300, 2**53 + 1], "": {"nested": NASTY}}
        session.add(AuditEntry(id="aud_1", tenant_id="tnt_1", actor="a", action="b", subject="c", detail=detail, at=AT))
        session.add(Catalog(id="ctg_1", tenant_id="tnt_1", name="x", listed=False, created_at=AT))
        session.flush()
        filled = {"title": NASTY, "url": "https://x.example/", "image_link": "", "availability": "in_stock"}
        product = Product(
            id="prd_1", tenant_id="tnt_1", catalog_id="ctg_1", external_id="", description="", brand="", category="",
            price_micros=2**63 - 1, sale_price_micros=-(2**63), currency="EUR", audience="", mpn="", row_hash="",
            index_state="indexed", attributes={}, created_at=AT, updated_at=datetime(1, 1, 1, tzinfo=UTC), **filled,
        )  # fmt: skip
        media = Media(id="med_1", tenant_id="tnt_1", kind=MediaKind.video, due_at=AT, created_at=AT, progress=0.1 + 0.2)
        job = Import(id="imp_1", tenant_id="tnt_1", catalog_id="ctg_1", mode="full", state="queued", created_at=AT)
        session.add_all([product, media, job])
        session.flush()
        everything = bytes(range(256)) * 4
        session.add(
            ProductVector(
                product_id="prd_1", tenant_id="tnt_1", catalog_id="ctg_1", embedder_version="v", vector=everything
            )
        )
        for number in range(3):
            session.add(ImportFault(tenant_id="tnt_1", import_id="imp_1", line=number, reason="wrong"))
        box = {"label": "x", "score": 5e-324, "x": 1 / 3, "y": 1e300, "w": -0.0, "h": 1.0}
        session.add(
            Tag(
                id="tag_1", tenant_id="tnt_1", media_id="med_1", vectors=b"", embedder_version="v", matches=[],
                track=None, edited_box=[0.1, 1 / 3], created_at=AT, updated_at=AT, **box,
            )
        )  # fmt: skip
        # SQL's own null beside the JSON one above
        session.flush()
        session.connection().execute(text("UPDATE tags SET track = NULL"))


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.read() as session:
        parts = TablesAcrossTenants(session.connection()).parts()
        return {
            part.name: sorted(pa.Table.from_batches(part.batches, part.schema).to_pylist(), key=str) for part in parts
        }


def carry(source: Database, target: Database) -> None:
    with source.read() as reading, target.write() as writing:
        into = TablesAcrossTenants(writing.connection())
        for part in TablesAcrossTenants(reading.connection()).parts():
            for batch in part.batches:
                into.add(part.table, batch)
            into.count_on(part.table, part.schema)


@pytest.fixture(scope="module")
def databases() -> Iterator[TestDatabases]:
    made = TestDatabases()
    yield made
    made.close()


def test_there_and_back_every_value_is_the_same(tmp_path: Path, databases: TestDatabases) -> None:
    with (
        opened(f"sqlite:///{tmp_path / 'old.db'}") as old,
        databases.empty() as url,
        opened(url) as new,
        opened(f"sqlite:///{tmp_path / 'back.db'}") as back,
    ):
        fill(old)
        carry(old, new)
        carry(new, back)
        first = everything(old)
        assert everything(new) == first
        assert everything(back) == first
        row = first["rows/products"][0]
        assert (row["price_micros"], row["sale_price_micros"], row["created_at"]) == (2**63 - 1, -(2**63), AT)
        tag = first["rows/tags"][0]
        assert (tag["track"], tag["edited_box"], tag["x"]) == (None, json.dumps([0.1, 1 / 3]), 1 / 3)
        with new.read() as session:  # as the models read it
            assert session.get_one(AuditEntry, "aud_1").detail["é"][-1] == 2**53 + 1
            assert session.get_one(Tenant, "tnt_1").kind is TenantKind.brand
        with new.write() as session:  # numbers of its own go on after those that came
            session.add(ImportFault(tenant_id="tnt_1", import_id="imp_1", reason="later"))
        assert [row["id"] for row in everything(new)["rows/import_errors"]] == [1, 2, 3, 4]


def test_every_table_of_the_house_has_a_way(tmp_path: Path) -> None:
    """Against the database itself: a table that no model names would stay behind."""
    with opened(f"sqlite:///{tmp_path / 'a.db'}") as database, database.read() as session:
        rows = session.connection().execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        there = {name for (name,) in rows if not name.startswith("sqlite_")}
        assert {table.name for table in tables()} == there - {"alembic_version"}
