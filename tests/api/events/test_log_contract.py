"""What every event log has to keep: the spool alone, and Kafka with a spool in front of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from api.events.log import MAX_RECORD_BYTES, EventLog
from api.events.progress import Progress, progress, waiting_since_ms
from tests.api.events.log_sides import Side, SpoolSide, kafka_side, read_from, the_partition
from tests.patience import until
from tests.services import url_of


@pytest.fixture(params=["spool", "kafka"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    if request.param == "kafka":
        with kafka_side(tmp_path, url_of("kafka")) as opened:
            yield opened
    else:
        spool = SpoolSide(tmp_path)
        yield spool
        spool.close()


def put(log: EventLog, *texts: str) -> None:
    log.append([text.encode() for text in texts]).result(60)


def texts_of(side: Side, count: int, after: int | None = None, at_a_time: int = 7) -> list[str]:
    """The next `count` texts from the commit, or from `after`, on."""
    reader = side.reader()
    partition = the_partition(reader)
    start = partition.committed().offset if after is None else after
    return [record.payload.decode() for record in read_from(reader, partition.number, start, count, at_a_time)]


def test_an_empty_log_reads_empty(side: Side) -> None:
    log, reader = side.log(), side.reader()
    partition = the_partition(reader, with_records=False)
    batch = partition.read(partition.committed().offset, 10)
    assert (batch.records, batch.end, partition.waiting()) == ([], partition.end(), 0)
    assert [(part.committed().note, part.waiting()) for part in log.partitions()] == [("", 0)] * len(log.partitions())
    assert progress(log) == Progress()
    assert waiting_since_ms(log) is None


def test_records_come_back_whole_and_in_order_over_restarts(side: Side) -> None:
    expected: list[str] = []
    for turn in range(3):
        log = side.log()
        for i in range(40):
            texts = [f"{turn}-{i}-{k}-{'x' * (i * 7)}" for k in range(3)]
            put(log, *texts)
            expected += texts
    side.log()
    assert texts_of(side, len(expected)) == expected


def test_offsets_grow_and_reading_goes_on_from_any_record(side: Side) -> None:
    put(side.log(), *"abcdef")
    reader = side.reader()
    partition = the_partition(reader)
    first = partition.committed().offset
    offsets = [record.offset for record in read_from(reader, partition.number, first, 6)]
    assert offsets == sorted(set(offsets))
    for i in (3, 0, 5, 1, 1, 4, 2):
        again = read_from(reader, partition.number, offsets[i], 6 - i)
        assert [record.payload for record in again] == [text.encode() for text in "abcdef"[i:]]
    assert partition.read(offsets[0], 100).end in (partition.end(), offsets[0])
    assert partition.read(partition.end(), 100) == ([], partition.end())


def test_a_commit_survives_with_its_note_and_what_follows_is_kept(side: Side) -> None:
    put(side.log(), *[f"{i}" * 100 for i in range(100)])
    reader = side.reader()
    partition = the_partition(reader)
    part = read_from(reader, partition.number, partition.committed().offset, 61)
    partition.commit(part[60].offset, "sixty done")
    assert partition.committed() == (part[60].offset, "sixty done")
    side.log()
    reader = side.reader()
    partition = the_partition(reader)
    assert partition.committed() == (part[60].offset, "sixty done")
    rest = read_from(reader, partition.number, partition.committed().offset, 40)
    assert [record.payload.decode() for record in rest] == [f"{i}" * 100 for i in range(60, 100)]


def test_empty_and_the_largest_records_are_records(side: Side) -> None:
    put(side.log(), "", "x" * MAX_RECORD_BYTES, "")
    assert [len(text) for text in texts_of(side, 3)] == [0, MAX_RECORD_BYTES, 0]


def test_a_larger_record_is_refused_and_leaves_nothing(side: Side) -> None:
    log = side.log()
    with pytest.raises(ValueError, match="at most"):
        log.append([b"small", b"x" * (MAX_RECORD_BYTES + 1)])
    put(log, "next")
    assert texts_of(side, 1) == ["next"]


def test_appends_from_many_threads_all_arrive(side: Side) -> None:
    log = side.log()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: put(log, f"a{i}", f"b{i}"), range(200)))
    texts = texts_of(side, 400, at_a_time=1000)
    assert sorted(texts) == sorted([f"a{i}" for i in range(200)] + [f"b{i}" for i in range(200)])
    assert all(texts[texts.index(f"a{i}") + 1] == f"b{i}" for i in range(200)), "an append is one piece"


def test_from_the_writing_end_one_sees_how_far_the_readers_are(side: Side) -> None:
    log = side.log()
    put(log, *"abcd")
    reader = side.reader()
    partition = the_partition(reader)
    records = read_from(reader, partition.number, partition.committed().offset, 4)
    until(lambda: waiting_since_ms(log) == 0)  # nothing is dealt with, and something waits
    note = msgspec.json.encode(Progress(records=3, stored=2, duplicate=1, received_until_ms=1234)).decode()
    partition.commit(records[3].offset, note)
    until(lambda: progress(log).records == 3)
    assert progress(log) == Progress(records=3, stored=2, duplicate=1, received_until_ms=1234)
    assert waiting_since_ms(log) == 1234
    waiting = {part.number: part.waiting() for part in log.partitions()}
    assert [number for number, length in waiting.items() if length] == [partition.number]
    partition.commit(partition.end(), note)
    until(lambda: waiting_since_ms(log) is None)


def test_a_log_that_is_open_takes_appends(side: Side) -> None:
    side.log().check()
