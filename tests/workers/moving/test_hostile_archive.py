"""An archive is somebody else's word: one made to do harm is refused as one that was altered, in bounded memory."""

import hashlib
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from api.events.progress import Progress
from api.kit.db import Database
from api.kit.migrations import upgrade
from workers.moving.archive import WHOLE_BYTES, ArchiveReader
from workers.moving.manifest import FORMAT, MEMBER, SECRETS, Manifest, Sealed
from workers.moving.parts import quiet
from workers.moving.problems import ArchiveUnusable
from workers.moving.tables_repository import TablesAcrossTenants, tables

KEYS = {"session_key": "s" * 32, "token_keys": f"k1:{'ab' * 32}"}


def written(path: Path, secrets: bytes, packing: int = zipfile.ZIP_STORED) -> Path:
    """An archive of secrets alone, its checksums right."""
    part = Sealed(SECRETS, 1, len(secrets), hashlib.sha256(secrets).hexdigest())
    made = Manifest(FORMAT, "2026-11-20T00:00:00+00:00", "0", "x", False, "1", [], Progress(), None, [part])
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
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'shoplight.db'}")
    upgrade(made)
    return made


def tenants(change: Callable[[list["pa.Field"]], None]) -> "pa.RecordBatch":
    """No rows of tenants, with columns as an archive might have them."""
    (name,) = (each.name for each in tables() if each.name == "tenants")
    empty = Database("sqlite://")
    with empty.read() as session:
        fields = list(next(p.schema for p in TablesAcrossTenants(session.connection()).parts() if p.name.endswith(name)))
    change(fields)
    return pa.RecordBatch.from_pylist([], schema=pa.schema(fields))


