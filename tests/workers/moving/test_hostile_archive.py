"""An archive is somebody else's word: one made to do harm is refused as one that was altered, in bounded memory."""

import hashlib
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from sqlalchemy import text

from api.events.progress import Progress
from api.kit.db import Database
from api.kit.migrations import upgrade
from workers.moving.archive import WHOLE_BYTES, ArchiveReader
from workers.moving.manifest import FORMAT, MEMBER, SECRETS, Manifest, Sealed
from workers.moving.parts import quiet
from workers.moving.problems import ArchiveUnusable
from workers.moving.tables_repository import TablesAcrossTenants

KEYS = {"session_key": "s" * 32, "token_keys": f"k1:{'ab' * 32}"}


def written(path: Path, secrets: bytes, packing: int = zipfile.ZIP_STORED) -> Path:
    """An archive of secrets alone, its checksums right."""
    part = Sealed(SECRETS, 1, len(secrets), hashlib.sha256(secrets).hexdigest())
    made = Manifest(
        FORMAT,
        "2026-11-20T00:00:00+00:00",
        "0",
        "x",
        live=False,
        revision="1",
        event_schema=[],
        progress=Progress(),
        newest_offset=None,
        parts=[part],
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(SECRETS, secrets, packing)
        archive.writestr(MEMBER, msgspec.json.encode(made))
    return path


def taken(path: Path) -> dict[str, str]:
    with ArchiveReader(path) as reader:
        reader.verify(quiet)
        return reader.origin().keepsakes


def test_what_was_written_is_read(tmp_path: Path) -> None:
    secrets = json.dumps({"keys": KEYS, "keepsakes": {"demo.json": "{}"}}).encode()
    assert taken(written(tmp_path / "a.zip", secrets)) == {"demo.json": "{}"}


@pytest.mark.parametrize(
    "secrets",
    [b"[]", b"1", b"null", b'{"keepsakes": [1]}', b'{"keepsakes": null}', b"{", b"\xff\xfe\xfd", b"[" * 100_000],
)  # fmt: skip
def test_secrets_of_another_shape_are_refused(tmp_path: Path, secrets: bytes) -> None:
    with pytest.raises(ArchiveUnusable, match=r"secrets\.json"):
        taken(written(tmp_path / "a.zip", secrets))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = written(tmp_path / "a.zip", b" " * (64 * 1024**2), zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(ArchiveUnusable, match="is compressed"):
        taken(bomb)
    assert tracemalloc.get_traced_memory()[1] < 1024**2
    tracemalloc.stop()


def test_a_member_that_is_read_whole_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnusable, match=r"secrets\.json has more than"):
        taken(written(tmp_path / "a.zip", b" " * (WHOLE_BYTES + 1)))


def patched(path: Path, offset: int, value: int) -> None:
    """Two bytes of the secrets' entry in the directory and, 2 before, of its own header."""
    data = bytearray(path.read_bytes())
    for at in (offset - 2, data.index(b"PK\x01\x02") + offset):
        data[at : at + 2] = value.to_bytes(2, "little")
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(8, 1), (10, 99), (6, 990)],
    ids=["encrypted", "packed in a way that is not known", "of a newer kind of ZIP"],
)
def test_a_zip_of_another_kind_is_refused(tmp_path: Path, offset: int, value: int) -> None:
    path = written(tmp_path / "a.zip", b"{}")
    patched(path, offset, value)
    with pytest.raises(ArchiveUnusable):
        taken(path)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'shoplight.db'}")
    upgrade(made)
    yield made
    made.close()


def schema_of(database: Database, table: str) -> "pa.Schema":
    with database.read() as session:
        parts = TablesAcrossTenants(session.connection()).parts()
        return next(part.schema for part in parts if part.table == table)


def added(database: Database, table: str, fields: list["pa.Field"], rows: list[dict[str, Any]]) -> None:
    batch = pa.RecordBatch.from_pylist(rows, schema=pa.schema(fields))
    with database.write() as session:
        TablesAcrossTenants(session.connection()).add(table, batch)


AT = datetime(2026, 11, 20, tzinfo=UTC)
ROW = {"id": "tnt_1", "kind": "brand", "name": "A", "listing_approved": False, "created_at": AT}


def test_rows_of_tenants_are_taken(database: Database) -> None:
    fields = list(schema_of(database, "tenants"))
    full = {**ROW, "unlimited": False}
    added(database, "tenants", fields, [full])
    with pytest.raises(ArchiveUnusable, match="rows/tenants: a row"):
        added(database, "tenants", fields, [{**full, "name": "B"}])  # a second one of the same id
    with database.read() as session:
        assert session.scalars(text("SELECT name FROM tenants")).all() == ["A"]


@pytest.mark.parametrize("table", ["alembic_version", "sqlite_master", "nothing", 'x" (y) --'])
def test_no_other_table_is_written_to(database: Database, table: str) -> None:
    with pytest.raises(ArchiveUnusable, match="no such table"):
        added(database, table, list(schema_of(database, "tenants")), [])


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.pop(),
        lambda fields: fields.append(fields[0]),
        lambda fields: fields.append(pa.field("more", pa.string(), metadata={b"shoplight.kind": b"text"})),
        lambda fields: fields.append(fields.pop(0).with_name("other")),
        lambda fields: fields.append(fields.pop(0).remove_metadata()),
        lambda fields: fields.append(fields.pop(0).with_metadata({b"shoplight.kind": b"enum:x"})),
        lambda fields: fields.append(fields.pop(0).with_metadata({b"shoplight.kind": bytes([255])})),
        lambda fields: fields.append(fields.pop(0).with_type(pa.list_(pa.string()))),
    ],
    ids=["missing", "twice", "more", "renamed", "of no kind", "of another kind", "of no text", "of another type"],
)
def test_columns_that_are_not_those_of_the_table_are_refused(
    database: Database, change: Callable[[list["pa.Field"]], object]
) -> None:
    fields = list(schema_of(database, "tenants"))
    change(fields)
    with pytest.raises(ArchiveUnusable, match="column"):
        added(database, "tenants", fields, [])
