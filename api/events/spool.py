"""The event log on a local disk: one writer thread commits groups of records with one fdatasync.

Owns durability and order. A future resolved here survives kill -9 and, on honest disks, a power cut.
"""

import contextlib
import fcntl
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from api.events import segments
from api.events.log import Committed, LogBatch, LogFull, LogRecord, LogUnavailable, Mark

log = logging.getLogger(__name__)
SEGMENT_BYTES = 64 * 1024**2
PENDING_BYTES = 32 * 1024**2  # taken but not yet on disk; more means that the disk cannot keep up
GROUP_BYTES = 8 * 1024**2
RECOVER_EVERY_S = 1.0


class _Append(NamedTuple):
    data: bytes
    done: "Future[None]"


class Spool:
    """An `EventLog` in one folder, owned by one process: writer, reader and only partition in one.

    Offsets are byte positions and never start over."""

    def __init__(self, folder: Path, *, max_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.number = 0
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._lock_file = _lock(folder)
        self._committed = _load_committed(folder)
        self._bases = segments.bases_in(folder)
        if not self._bases:
            # microseconds of the day of birth: a log made anew never reuses offsets that the store already knows
            self._bases.append(max(time.time_ns() // 1000, self._committed.offset))
            os.close(segments.create(folder, self._bases[0]))
        if self._committed.offset < self._bases[0]:
            self._committed = Committed(self._bases[0], self._committed.note)
        self._end = segments.cut_torn_tail(folder, self._bases[-1])
        self._descriptor = segments.create(folder, self._bases[-1])
        self._problem: str | None = None
        self._pending = 0
        self._guard = threading.Lock()
        self._inbox: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._run, name="spool-writer", daemon=True)
        self._writer.start()

    def append(self, records: Sequence[bytes]) -> "Future[None]":
        """See EventLog."""
        data = b"".join([segments.frame(record) for record in records])
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # a caller that goes away must not take the writer's result with it
        with self._guard:
            self._refuse_when_troubled(len(data))
            self._pending += len(data)
        self._inbox.put(_Append(data, done))
        return done

    def partitions(self) -> "Sequence[Spool]":
        """See EventLog."""
        return (self,)

    def assigned(self) -> "Sequence[Spool]":
        """See LogReader."""
        return (self,)

    def read(self, after: int, max_records: int) -> LogBatch:
        """See LogPartition. At most 16 MiB at a time."""
        with self._guard:
            bases, end = list(self._bases), self._end
        offset = max(after, bases[0])
        while offset < end:
            position = max(i for i, base in enumerate(bases) if base <= offset)
            sealed = position + 1 < len(bases)
            limit = bases[position + 1] if sealed else end
            chunk = segments.read_chunk(self._folder, bases[position], offset, limit)
            found = list(islice(segments.frames(chunk), max_records))
            if found:
                return LogBatch([LogRecord(offset + start, data) for start, _, data in found], offset + found[-1][1])
            if not sealed:
                raise LogUnavailable(f"unreadable record at offset {offset}")
            if offset < limit:
                log.error("spool: %d bytes at offset %d are unreadable; the segment is kept", limit - offset, offset)
                self._keep_aside(bases[position])
            offset = limit
        return LogBatch([], offset)

    def committed(self) -> Committed:
        """See LogPartition."""
        return self._committed

    def commit(self, offset: int, note: str = "") -> None:
        """See LogPartition. Segments that lie wholly before `offset` are deleted."""
        _save_committed(self._folder, Committed(offset, note))
        with self._guard:
            self._committed = Committed(offset, note)
            done = [base for base, following in zip(self._bases, self._bases[1:], strict=False) if following <= offset]
            self._bases = self._bases[len(done) :]
        for base in done:
            segments.path_of(self._folder, base).unlink(missing_ok=True)

    def commit_all(self, marks: Sequence[Mark]) -> None:
        """See LogReader."""
        for mark in marks:
            self.commit(mark.offset, mark.note)

    def end(self) -> int:
        """See LogPartition."""
        return self._end

    def waiting(self) -> int:
        """See LogPartition."""
        with self._guard:
            return self._end - max(self._committed.offset, self._bases[0])

    def check(self) -> None:
        """See EventLog."""
        with self._guard:
            self._refuse_when_troubled(0)

    def close(self) -> None:
        """See EventLog."""
        self._inbox.put(None)
        self._writer.join()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        os.close(self._lock_file)

    def _refuse_when_troubled(self, more: int) -> None:
        if self._problem:
            raise LogUnavailable(self._problem)
        behind = self._end - max(self._committed.offset, self._bases[0])
        if self._pending + more > PENDING_BYTES or behind + self._pending + more > self._max_bytes:
            raise LogFull("events arrive faster than they are stored")

    def _keep_aside(self, base: int) -> None:
        path = segments.path_of(self._folder, base)
        with contextlib.suppress(FileExistsError):
            os.link(path, path.with_suffix(".corrupt"))

    def _run(self) -> None:
        closing = False
        while not closing:
            try:
                first = self._inbox.get(timeout=RECOVER_EVERY_S if self._problem else None)
            except queue.Empty:
                self._recover()
                continue
            group, closing = self._group(first)
            if group:
                self._write(group)

    def _group(self, first: _Append | None) -> tuple[list[_Append], bool]:
        group, size, item = [], 0, first
        while item is not None:
            group.append(item)
            size += len(item.data)
            if size >= GROUP_BYTES:
                return group, False
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _write(self, group: list[_Append]) -> None:
        data = b"".join([item.data for item in group])
        error: LogUnavailable | None = None
        if self._problem is None:
            try:
                if self._end - self._bases[-1] >= self._segment_bytes:
                    self._start_segment()
                _write_all(self._descriptor, data)
                os.fdatasync(self._descriptor)
            except Exception as trouble:  # noqa: BLE001 - whatever it is, this group is not durable and is told so
                self._fail(trouble)
        if self._problem is not None:
            error = LogUnavailable(self._problem)
        with self._guard:
            self._pending -= len(data)
            self._end += 0 if error else len(data)
        for item in group:
            if error:
                item.done.set_exception(error)
            else:
                item.done.set_result(None)

    def _fail(self, trouble: Exception) -> None:
        log.error("spool cannot write: %s", trouble)
        self._problem = f"the event spool cannot write: {trouble}"

    def _recover(self) -> None:
        """After a failed write the segment is never written again: what of it reached the disk is unknown."""
        try:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._end - self._bases[-1])
                os.fsync(self._descriptor)
            self._start_segment()
            self._probe()
        except OSError as trouble:
            log.warning("spool still cannot write: %s", trouble)
        else:
            log.info("spool writes again")
            self._problem = None

    def _start_segment(self) -> None:
        size = os.fstat(self._descriptor).st_size
        base = self._bases[-1] + size
        if size == 0:
            return
        descriptor = segments.create(self._folder, base)
        os.close(self._descriptor)
        self._descriptor = descriptor
        with self._guard:
            self._bases = [*self._bases, base]
            self._end = base

    def _probe(self) -> None:
        path = self._folder / "probe"
        try:
            with path.open("wb") as file:
                file.write(bytes(64 * 1024))
                file.flush()
                os.fdatasync(file.fileno())
        finally:
            with contextlib.suppress(OSError):
                path.unlink()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LogUnavailable(f"another process uses the spool in {folder}") from error
    return descriptor


def _load_committed(folder: Path) -> Committed:
    path = folder / "committed.json"
    if not path.exists():
        return Committed(0, "")
    kept = json.loads(path.read_text())
    return Committed(int(kept["offset"]), str(kept["note"]))


def _save_committed(folder: Path, committed: Committed) -> None:
    partial = folder / "committed.part"
    with partial.open("w") as file:
        json.dump(committed._asdict(), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / "committed.json")
    segments.sync_folder(folder)
