"""Both sides of the blob port keep the same promises: a folder, and a bucket of a real S3 endpoint."""

import os
import secrets
import socket
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from api.kit.blobs import BlobNotFound, BlobStore, BlobsUnavailable, FolderBlobs
from api.kit.s3_blobs import PART_BYTES, S3Blobs
from api.settings import BlobSettings
from tests.services import url_of

LARGE = 3 * PART_BYTES + 12_345


@pytest.fixture
def bucket() -> Iterator[BlobSettings]:
    """A bucket of this test's own."""
    settings = BlobSettings(
        s3_bucket=f"storage-{secrets.token_hex(6)}",
        s3_endpoint=url_of("s3"),
        s3_access_key="test",
        s3_secret_key="test",
    )
    raw = boto3.session.Session().resource(
        "s3", endpoint_url=settings.s3_endpoint, region_name=settings.s3_region,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    mine = raw.create_bucket(Bucket=settings.s3_bucket)
    yield settings
    mine.objects.delete()
    mine.delete()
    raw.meta.client.close()


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return FolderBlobs(tmp_path / "blobs")
    return S3Blobs(request.getfixturevalue("bucket"), scratch=tmp_path / "scratch")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(LARGE))
    return path


def test_what_is_put_is_got_and_replaced_and_gone_after_delete(blobs: BlobStore) -> None:
    assert not blobs.exists("pictures/ab/one")
    blobs.put("pictures/ab/one", b"first")
    assert blobs.exists("pictures/ab/one")
    assert blobs.get("pictures/ab/one") == b"first"
    blobs.put("pictures/ab/one", b"")
    assert blobs.get("pictures/ab/one") == b""
    blobs.delete("pictures/ab/one")
    blobs.delete("pictures/ab/one")
    assert not blobs.exists("pictures/ab/one")


def test_what_is_not_there_is_told_by_name(blobs: BlobStore) -> None:
    blobs.put("feeds/one", b"x")
    for missing in ("feeds/two", "feeds"):
        with pytest.raises(BlobNotFound):
            blobs.get(missing)
        with pytest.raises(BlobNotFound):
            blobs.open(missing)
        with pytest.raises(BlobNotFound), blobs.path(missing):
            pass
        assert not blobs.exists(missing)
        blobs.delete(missing)
    assert blobs.get("feeds/one") == b"x"


@pytest.mark.parametrize("size", [0, 1000, LARGE])
def test_a_file_moves_in_and_is_read_as_a_stream_and_as_a_path(blobs: BlobStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    source = tmp_path / "upload"
    source.write_bytes(data)
    blobs.put_file("videos/one", source)
    assert not source.exists()
    with blobs.open("videos/one") as stream:
        assert stream.read(10) == data[:10]
        stream.seek(-5, os.SEEK_END) if size else None
        assert stream.read() == data[-5:]
        stream.seek(0)
        assert stream.read() == data
    with blobs.path("videos/one") as path:
        assert path.read_bytes() == data
    assert blobs.get("videos/one") == data


def test_a_large_blob_is_never_whole_in_memory(blobs: BlobStore, large: Path) -> None:
    blobs.exists("warm")  # libraries load what they need
    tracemalloc.start()
    try:
        blobs.put_file("videos/large", large)
        with blobs.open("videos/large") as stream, blobs.path("videos/large"):
            stream.read(1)
        assert tracemalloc.get_traced_memory()[1] < LARGE / 2
    finally:
        tracemalloc.stop()


class SlowDisk(tempfile.SpooledTemporaryFile[bytes]):
    """Takes a while for every piece."""

    def write(self, data: Any) -> int:
        time.sleep(0.01)
        return super().write(data)


def test_what_waits_for_a_slow_disk_is_bounded(
    bucket: BlobSettings, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = S3Blobs(bucket, scratch=tmp_path / "scratch")
    blobs.put_file("videos/large", large)
    monkeypatch.setattr("tempfile.SpooledTemporaryFile", SlowDisk)
    tracemalloc.start()
    try:
        with blobs.open("videos/large") as stream:
            assert isinstance(stream, SlowDisk)
        assert tracemalloc.get_traced_memory()[1] < LARGE / 2
    finally:
        tracemalloc.stop()


def test_nothing_stays_behind_in_scratch(blobs: BlobStore, large: Path, tmp_path: Path) -> None:
    blobs.put_file("videos/large", large)
    with blobs.path("videos/large") as path, blobs.open("videos/large"):
        inside = path
    assert list((tmp_path / "scratch").glob("*")) == []
    # the folder's own file stays where it is, a copy does not
    assert inside.exists() is isinstance(blobs, FolderBlobs)


@pytest.mark.parametrize(
    "key", ["../out", "a/../../out", "/etc/passwd", "", "a//b", "a/./b", "a\0b", "feed.part", "k" * 1025]
)
def test_a_key_never_leads_out_of_the_store(blobs: BlobStore, tmp_path: Path, key: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    for call in (
        lambda: blobs.put(key, b"x"),
        lambda: blobs.put_file(key, source),
        lambda: blobs.get(key),
        lambda: blobs.open(key),
        lambda: blobs.path(key).__enter__(),
        lambda: blobs.delete(key),
        lambda: blobs.exists(key),
    ):
        with pytest.raises(ValueError, match="leaves the store"):
            call()
    assert source.exists()


def test_keys_lists_whole_blobs_by_prefix(blobs: BlobStore) -> None:
    stored = {"feeds/a", "feeds/b c", "feeds/ünï", "pictures/aa/1", "pictures/ab/2", "top"}
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda key: blobs.put(key, b"x"), stored))
    assert set(blobs.keys()) == stored
    assert set(blobs.keys("feeds/")) == {"feeds/a", "feeds/b c", "feeds/ünï"}
    assert set(blobs.keys("pictures/a")) == {"pictures/aa/1", "pictures/ab/2"}
    assert set(blobs.keys("pictures/ab/2")) == {"pictures/ab/2"}
    assert set(blobs.keys("nothing/")) == set(blobs.keys("../")) == set(blobs.keys("/")) == set()


def test_a_reader_meets_the_old_or_the_new_bytes_never_a_mixture(blobs: BlobStore) -> None:
    versions = {bytes([letter]) * 300_000 for letter in b"abc"}
    blobs.put("pictures/one", min(versions))
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            for version in versions:
                blobs.put("pictures/one", version)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(40):
            assert blobs.get("pictures/one") in versions
    finally:
        over.set()
        thread.join()


def test_a_store_that_serves_passes_its_check(blobs: BlobStore) -> None:
    blobs.check()
    assert list(blobs.keys()) == []


def test_leftovers_of_a_killed_writer_are_no_blobs(tmp_path: Path) -> None:
    folder = FolderBlobs(tmp_path / "blobs")
    folder.put("feeds/one", b"x")
    (tmp_path / "blobs/feeds/two.0a1b2c3d.part").write_bytes(b"half")
    assert list(folder.keys()) == ["feeds/one"]
    assert not folder.exists("feeds/two")


def test_a_folder_without_room_says_so_and_keeps_nothing_half(tmp_path: Path) -> None:
    folder = FolderBlobs(tmp_path / "blobs", least_free_bytes=1 << 60)
    with pytest.raises(BlobsUnavailable, match="MiB left"):
        folder.check()
    (tmp_path / "blobs/feeds").write_bytes(b"a file where a folder must be")
    source = tmp_path / "source"
    source.write_bytes(b"x")
    for call in (lambda: folder.put("feeds/one", b"x"), lambda: folder.put_file("feeds/one", source)):
        with pytest.raises(BlobsUnavailable, match="cannot be written"):
            call()
    assert source.read_bytes() == b"x"
    with pytest.raises(BlobNotFound):
        folder.get("feeds/one")


def test_a_bucket_that_is_not_there_is_no_missing_blob(bucket: BlobSettings, tmp_path: Path) -> None:
    blobs = S3Blobs(bucket.model_copy(update={"s3_bucket": "storage-unheard-of"}), scratch=tmp_path)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    for call in (
        lambda: blobs.put("feeds/one", b"x"),
        lambda: blobs.put_file("feeds/one", source),
        lambda: blobs.get("feeds/one"),
        lambda: blobs.open("feeds/one"),
        lambda: blobs.exists("feeds/one"),
        lambda: blobs.path("feeds/one").__enter__(),
        lambda: blobs.delete("feeds/one"),
        lambda: list(blobs.keys()),
        blobs.check,
    ):
        with pytest.raises(BlobsUnavailable, match="there is no bucket storage-unheard-of"):
            call()
    assert source.exists(), "the only copy stays where it is"


def test_a_server_that_is_away_or_silent_is_told_within_the_bounds(bucket: BlobSettings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = bucket.model_copy(update={"s3_endpoint": address, "s3_timeout_s": 0.3, "s3_attempts": 2})
        blobs = S3Blobs(settings, scratch=tmp_path)
        started = time.monotonic()
        with pytest.raises(BlobsUnavailable, match="does not serve"):
            blobs.get("feeds/one")
        with pytest.raises(BlobsUnavailable):
            blobs.check()
        assert time.monotonic() - started < 5
    with pytest.raises(BlobsUnavailable):
        blobs.put("feeds/one", b"x")
    assert BlobsUnavailable("x").headers["Retry-After"]
    assert address not in BlobsUnavailable(address).detail, "callers are not told of our inside"


def test_copies_of_killed_processes_are_cleared_after_a_day(bucket: BlobSettings, tmp_path: Path) -> None:
    old, young = tmp_path / "blob-old", tmp_path / "blob-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "blob").write_bytes(b"x")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    S3Blobs(bucket, scratch=tmp_path)
    assert not old.exists()
    assert young.exists()
