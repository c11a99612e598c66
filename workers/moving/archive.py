"""A house in one file: a ZIP that holds one Arrow stream a part, and last a manifest with a checksum for each.

Written from front to back in bounded memory, under a partial name until it is whole. Read only after every checksum
has been compared. Nothing in it is ever unpacked to a path of its choosing.
"""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec
import pyarrow as pa

from workers.moving import manifest as manifests
from workers.moving.blob_pieces import finished
from workers.moving.keys import checked_keys
from workers.moving.manifest import FORMAT, MAX_BYTES, MEMBER, SECRETS, Manifest, Sealed
from workers.moving.parts import BLOBS, Origin, Part, Tell, told
from workers.moving.problems import ArchiveUnusable

RELEASE = "0.1.0"
READ_BYTES = 1024**2
SUFFIX = ".arrow"
WHOLE_BYTES = 16 * 1024**2  # of a member that is read at once
# RuntimeError: it is encrypted, nested too deep, or packed in a way that zipfile does not know
UNREADABLE = (zipfile.BadZipFile, pa.ArrowException, EOFError, OSError, zlib.error, ValueError, RuntimeError)


class ArchiveWriter:
    """A `Target`. `seal` makes it whole; leaving the context without it removes what is there."""

    def __init__(self, path: Path, house: str, made_at: datetime, *, live: bool) -> None:
        self.path = path
        self._partial = path.with_name(f"{path.name}.part")
        self._house, self._made_at, self._live = house, made_at, live
        self._parts: list[Sealed] = []

    def __enter__(self) -> Self:
        self._partial.unlink(missing_ok=True)
        # whoever reads it can be any tenant
        self._file = os.fdopen(os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def begin(self, origin: Origin) -> None:
        """See Target."""
        self._origin = origin
        if origin.keys:
            with self._member(SECRETS, 1) as out:
                out.write(json.dumps({"keys": origin.keys, "keepsakes": origin.keepsakes}).encode())

    def take(self, part: Part, tell: Tell) -> int:
        """See Target."""
        # pictures and films are compressed already
        options = pa.ipc.IpcWriteOptions(compression=None if part.kind == BLOBS else "zstd")
        taken = 0
        with (
            self._member(part.name + SUFFIX) as out,
            pa.ipc.new_stream(pa.PythonFile(out, "w"), part.schema, options=options) as stream,
        ):
            for batch in told(part, tell, finished if part.kind == BLOBS else len):
                stream.write_batch(batch)
                taken += finished(batch) if part.kind == BLOBS else len(batch)
        self._parts[-1].items = taken
        return taken

    def seal(self) -> Manifest:
        """The manifest, then the disk, then the name."""
        origin = self._origin
        made = Manifest(
            FORMAT,
            self._made_at.isoformat(),
            RELEASE,
            self._house,
            self._live,
            origin.revision,
            origin.event_schema,
            origin.progress,
            origin.newest_offset,
            self._parts,
        )
        self._zip.writestr(MEMBER, msgspec.json.format(msgspec.json.encode(made), indent=1))
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        os.link(self._partial, self.path)  # unlike a rename, never over an archive that is there
        self._partial.unlink()
        return made

    @contextmanager
    def _member(self, name: str, items: int = 0) -> Iterator["_Counted"]:
        with self._zip.open(name, "w", force_zip64=True) as raw:
            counted = _Counted(raw)
            yield counted
        self._parts.append(Sealed(name, items, counted.bytes, counted.sha256.hexdigest()))


class _Counted:
    """A file being written, and what has gone into it."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self.sha256 = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        self.sha256.update(view)
        self.bytes += view.nbytes
        return self._raw.write(view)

    def flush(self) -> None:
        """The archive does it at its end."""

    def close(self) -> None:
        """The member is closed by its context."""
        self.closed = True


class ArchiveReader:
    """A `Source`. Opening it compares every checksum; from then on its contents are what was written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except FileNotFoundError as error:
            raise ArchiveUnusable(f"there is no archive {self.path}") from error
        except UNREADABLE as error:
            raise ArchiveUnusable(f"{self.path}: the end of the archive is missing, it was cut ({error})") from error
        try:
            self.manifest, self.identity = self._read_manifest()
        except BaseException:
            self._zip.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def verify(self, tell: Tell) -> None:
        """ArchiveUnusable names the first part that is not what was written."""
        tell("checksums", 0, len(self.manifest.parts))
        for number, part in enumerate(self.manifest.parts, 1):
            digest, size = hashlib.sha256(), 0
            with self._reading(part.name), self._zip.open(part.name) as member:
                while data := member.read(READ_BYTES):
                    digest.update(data)
                    size += len(data)
            if (size, digest.hexdigest()) != (part.bytes, part.sha256):
                raise ArchiveUnusable(f"{self.path}: {part.name} was altered: its checksum is another")
            tell("checksums", number, len(self.manifest.parts))

    def origin(self) -> Origin:
        """See Source."""
        keys: dict[str, str] = {}
        keepsakes: dict[str, str] = {}
        if self.manifest.holds_secrets:
            with self._reading(SECRETS):
                kept = json.loads(self._whole(SECRETS))
            held = kept.get("keepsakes", {}) if isinstance(kept, dict) else None
            if not isinstance(held, dict):
                raise ArchiveUnusable(f"{self.path}: {SECRETS} is not what it should be")
            keys = checked_keys(kept.get("keys"))
            keepsakes = {str(name): str(text) for name, text in held.items()}
        return self.manifest.origin(keys, keepsakes)

    def parts(self) -> Iterator[Part]:
        """See Source."""
        for part in self.manifest.parts:
            if part.name == SECRETS:
                continue
            with self._reading(part.name), self._zip.open(part.name) as member, pa.ipc.open_stream(member) as stream:
                batches = self._batches(part, stream)
                yield Part(part.name.removesuffix(SUFFIX), stream.schema, batches, part.items)

    def _batches(self, part: Sealed, stream: "pa.RecordBatchReader") -> Iterator["pa.RecordBatch"]:
        items = 0
        with self._reading(part.name):
            for batch in stream:
                batch.validate(full=True)
                items += finished(batch) if part.name == BLOBS + SUFFIX else len(batch)
                yield batch
        if items != part.items:
            raise ArchiveUnusable(f"{self.path}: {part.name} holds {items} of {part.items}")

    def _read_manifest(self) -> tuple[Manifest, str]:
        members = self._zip.infolist()
        names = [info.filename for info in members]
        if MEMBER not in names or self._zip.getinfo(MEMBER).file_size > MAX_BYTES:
            raise ArchiveUnusable(f"{self.path} has no {MEMBER}: it was cut, or is no archive of a house")
        for info in members:
            if info.compress_type != zipfile.ZIP_STORED:  # it may unpack to far more than lies there
                raise ArchiveUnusable(f"{self.path}: {info.filename[:200]!r} is compressed, it was altered")
        text = self._whole(MEMBER)
        found = manifests.parse(text)
        told_of = [*(part.name for part in found.parts), MEMBER]
        if sorted(names) != sorted(told_of):
            odd = set(names) ^ set(told_of) or {name for name in names if names.count(name) > 1}
            raise ArchiveUnusable(f"{self.path} does not hold what its manifest says: {', '.join(sorted(odd))[:200]!r}")
        return found, hashlib.sha256(text).hexdigest()

    def _whole(self, name: str) -> bytes:
        """A small member. What the directory says of its size may be false."""
        with self._reading(name):
            fits = self._zip.getinfo(name).file_size <= WHOLE_BYTES
            with self._zip.open(name) as member:
                data = member.read(WHOLE_BYTES + 1) if fits else b""
        if not fits or len(data) > WHOLE_BYTES:
            raise ArchiveUnusable(f"{self.path}: {name} has more than {WHOLE_BYTES} bytes, it was altered")
        return data

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:
            raise ArchiveUnusable(f"{self.path}: {name} cannot be read, it was cut or altered ({error})") from error
