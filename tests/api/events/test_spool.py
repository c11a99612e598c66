"""The spool's own promises: torn tails, full and refusing disks, back-pressure, one owner, room given back."""

import errno
import os
import threading
from pathlib import Path

import pytest

from api.events import spool as spool_module
from api.events.log import LogFull, LogUnavailable
from api.events.spool import Spool
from tests.patience import until


def opened(folder: Path, max_bytes: int = 10_000_000, segment_bytes: int = 4096) -> Spool:
    return Spool(folder / "spool", max_bytes=max_bytes, segment_bytes=segment_bytes)


def texts(log: Spool, after: int = 0) -> list[bytes]:
    found = []
    while (batch := log.read(after, 1000)).records:
        found += [record.payload for record in batch.records]
        after = batch.end
    return found


def last_segment(folder: Path) -> Path:
    return max((folder / "spool").glob("*.seg"))


@pytest.mark.parametrize("tail", [b"\x05", b"\x05\0\0\0\1\2\3\4ab", bytes(4096), b"\xff" * 100])
def test_a_torn_tail_is_cut_and_kept_aside(tmp_path: Path, tail: bytes) -> None:
    log = opened(tmp_path)
    log.append([b"one", b"two"]).result(60)
    log.close()
    with last_segment(tmp_path).open("ab") as file:
        file.write(tail)
    log = opened(tmp_path)
    log.append([b"three"]).result(60)
    assert texts(log) == [b"one", b"two", b"three"]
    assert [path.read_bytes() for path in (tmp_path / "spool").glob("*.torn")] == [tail]
    log.close()


def test_every_cut_of_the_last_record_loses_that_record_alone(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([b"first", b"second"]).result(60)
    log.close()
    whole = last_segment(tmp_path).read_bytes()
    for cut in range(1, len(b"second") + 8 + 1):
        last_segment(tmp_path).write_bytes(whole[:-cut])
        log = opened(tmp_path)
        assert texts(log) == [b"first"]
        log.close()


def test_rot_in_an_old_segment_costs_that_segment_and_no_more(tmp_path: Path) -> None:
    log = opened(tmp_path, segment_bytes=100)
    for i in range(30):
        log.append([b"%02d" % i * 20]).result(60)
    first = min((tmp_path / "spool").glob("*.seg"))
    raw = bytearray(first.read_bytes())
    raw[20] ^= 1
    first.write_bytes(raw)
    found = texts(log)
    assert found[-1] == b"29" * 20
    assert 26 <= len(found) < 30
    assert list((tmp_path / "spool").glob("*.corrupt"))
    log.close()


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    log = opened(tmp_path)
    with pytest.raises(LogUnavailable, match="another process"):
        opened(tmp_path)
    log.close()
    opened(tmp_path).close()


def test_committed_segments_give_their_room_back(tmp_path: Path) -> None:
    log = opened(tmp_path)
    for i in range(100):
        log.append([b"%d" % i * 100]).result(60)
    before = len(list((tmp_path / "spool").glob("*.seg")))
    log.commit(log.end())
    assert (before > 3, len(list((tmp_path / "spool").glob("*.seg")))) == (True, 1)
    log.close()


def test_behind_the_high_water_mark_nothing_is_taken_until_the_readers_catch_up(tmp_path: Path) -> None:
    log = opened(tmp_path, max_bytes=1000)
    log.append([b"x" * 900]).result(60)
    with pytest.raises(LogFull):
        log.append([b"x" * 100])
    with pytest.raises(LogFull):
        log.append([b"x" * 2000])
    log.commit(log.end())
    log.append([b"x" * 100]).result(60)
    log.close()


def healed(log: Spool) -> bool:
    try:
        log.check()
    except LogUnavailable:
        return False
    return True


@pytest.mark.parametrize("operation", ["write", "fdatasync"])
def test_a_full_disk_fails_the_append_and_heals_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(spool_module, "RECOVER_EVERY_S", 0.02)
    log = opened(tmp_path)
    log.append([b"before"]).result(60)
    full = threading.Event()
    full.set()
    real = getattr(os, operation)

    def refuse(*args: object) -> object:
        if full.is_set() and threading.current_thread().name == "spool-writer":
            if operation == "write":
                real(args[0], bytes(args[1])[:5])  # a full disk takes a part first
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, operation, refuse)
    with pytest.raises(LogUnavailable, match="No space left"):
        log.append([b"during"]).result(60)
    with pytest.raises(LogUnavailable):
        log.check()
    with pytest.raises(LogUnavailable):
        log.append([b"during"])
    full.clear()
    until(lambda: healed(log))
    log.append([b"after"]).result(60)
    assert texts(log) == [b"before", b"after"]
    log.close()
    log = opened(tmp_path)
    assert texts(log) == [b"before", b"after"]
    log.close()


def test_closing_keeps_what_was_taken(tmp_path: Path) -> None:
    log = opened(tmp_path)
    futures = [log.append([b"%d" % i]) for i in range(500)]
    log.close()
    assert all(future.done() for future in futures)
    log = opened(tmp_path)
    assert len(texts(log)) == 500
    log.close()


def test_a_log_made_anew_never_reuses_offsets(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([b"x" * 1000]).result(60)
    end = log.end()
    log.commit(end, "note")
    log.close()
    for path in (tmp_path / "spool").glob("*.seg"):
        path.unlink()
    log = opened(tmp_path)
    assert log.end() >= end
    log.close()


def test_a_caller_that_gives_up_does_not_stop_the_writer(tmp_path: Path) -> None:
    log = opened(tmp_path)
    given_up = log.append([b"one"])
    given_up.cancel()
    log.append([b"two"]).result(60)
    assert texts(log) == [b"one", b"two"]
    log.close()
