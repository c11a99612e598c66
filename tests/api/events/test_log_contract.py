"""What every event log has to keep. Another side of the port (Kafka) is one more factory here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.events.log import EventLog
from api.events.spool import Spool

Opener = Callable[[], EventLog]


@pytest.fixture(params=["spool"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the log; opening again closes the one before, as a restart would."""
    opened: list[EventLog] = []

    def open_spool() -> EventLog:
        if opened:
            opened[-1].close()
        opened.append(Spool(tmp_path / "log", max_bytes=10_000_000, segment_bytes=4096))
        return opened[-1]

    yield {"spool": open_spool}[request.param]
    opened[-1].close()


def put(log: EventLog, *texts: str) -> None:
    log.append([text.encode() for text in texts]).result(timeout=5)


def all_of(log: EventLog, after: int = 0, at_a_time: int = 7) -> list[str]:
    texts = []
    while (batch := log.read(after, at_a_time)).records:
        texts += [record.payload.decode() for record in batch.records]
        after = batch.end
    return texts


def test_an_empty_log_reads_empty(open_log: Opener) -> None:
    log = open_log()
    assert log.read(log.committed().offset, 10).records == []


def test_records_come_back_whole_and_in_order_over_restarts(open_log: Opener) -> None:
    expected: list[str] = []
    for turn in range(3):
        log = open_log()
        for i in range(40):
            texts = [f"{turn}-{i}-{k}-{'x' * (i * 7)}" for k in range(3)]
            put(log, *texts)
            expected += texts
    assert all_of(open_log()) == expected


def test_offsets_grow_and_reading_goes_on_from_any_record(open_log: Opener) -> None:
    log = open_log()
    put(log, *"abcdef")
    batch = log.read(0, 100)
    offsets = [record.offset for record in batch.records]
    assert offsets == sorted(set(offsets))
    for i, offset in enumerate(offsets):
        assert all_of(log, offset) == list("abcdef"[i:])
    assert batch.end == log.end()


def test_a_commit_survives_with_its_note_and_what_follows_is_kept(open_log: Opener) -> None:
    log = open_log()
    put(log, *[f"{i}" * 100 for i in range(100)])
    part = log.read(0, 60)
    log.commit(part.end, "sixty done")
    log = open_log()
    assert log.committed() == (part.end, "sixty done")
    assert all_of(log, part.end) == [f"{i}" * 100 for i in range(60, 100)]


def test_empty_and_large_records_are_records(open_log: Opener) -> None:
    log = open_log()
    put(log, "", "x" * 200_000, "")
    assert [len(text) for text in all_of(log)] == [0, 200_000, 0]


def test_appends_from_many_threads_all_arrive(open_log: Opener) -> None:
    from concurrent.futures import ThreadPoolExecutor

    log = open_log()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: put(log, f"a{i}", f"b{i}"), range(200)))
    texts = all_of(log)
    assert sorted(texts) == sorted([f"a{i}" for i in range(200)] + [f"b{i}" for i in range(200)])
    assert all(texts[texts.index(f"a{i}") + 1] == f"b{i}" for i in range(200)), "an append is one piece"
