"""What every event store has to keep: chdb in the process and a ClickHouse server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.events.migrations import migrate, pending
from api.events.store import EventStore
from tests.event_stores import SIDES, stores_of

Opener = Callable[[], EventStore]
USAGE = {
    "kind": ["search", "detect"],
    "quantity": [1, 2],
    "at": [1_795_262_400, 1_795_262_401],
    "log_offset": [5, 2**52],
}
NASTY = ["plain", "it's", "back\\slash", "tab\tnew\nline", "nul\0byte", "é\u2028", "\\N", "{a:String}", "@key", ""]


@pytest.fixture(params=SIDES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the store; opening again closes the one before, as a restart would."""
    with stores_of(request.param, tmp_path) as stores:
        yield stores.open


def test_a_new_store_has_the_schema_and_migrating_again_does_nothing(open_store: Opener) -> None:
    for _ in range(2):
        store = open_store()
        assert (pending(store), migrate(store)) == ([], [])
        assert store.select("SELECT count() AS n FROM events") == [{"n": 0}]


def test_rows_survive_a_restart_as_they_were(open_store: Opener) -> None:
    open_store().insert("usage", {"tenant_id": ["a", "b"], "query_id": ["q1", "q2"], **USAGE})
    rows = open_store().select("SELECT * FROM usage ORDER BY query_id")
    assert rows[1] == {
        "tenant_id": "b", "query_id": "q2", "kind": "detect", "quantity": 2, "at": 1_795_262_401, "log_offset": 2**52,
    }  # fmt: skip


def test_any_text_goes_in_and_comes_out(open_store: Opener) -> None:
    store = open_store()
    count = len(NASTY)
    same = {
        "kind": ["search"] * count,
        "quantity": [1] * count,
        "at": [1_795_262_400] * count,
        "log_offset": [1] * count,
    }
    store.insert("usage", {"tenant_id": ["t"] * count, "query_id": NASTY, **same})
    assert sorted(row["query_id"] for row in store.select("SELECT query_id FROM usage")) == sorted(NASTY)
    for text in NASTY:
        rows = store.select("SELECT query_id FROM usage WHERE query_id = {text:String}", {"text": text})
        assert [row["query_id"] for row in rows] == [text]
        looked_up = store.select(
            "SELECT query_id FROM usage WHERE (tenant_id, query_id) IN (SELECT tenant_id, query_id FROM @keys)",
            keys={"tenant_id": ["t"], "query_id": [text]},
        )
        assert [row["query_id"] for row in looked_up] == [text]


def test_bound_values_are_values(open_store: Opener) -> None:
    store = open_store()
    assert store.select("SELECT {a:String} AS a, {b:Int64} AS b", {"a": "x' OR 1=1 --", "b": -5}) == [
        {"a": "x' OR 1=1 --", "b": -5}
    ]


def test_no_rows_are_an_empty_answer_and_an_empty_insert_nothing(open_store: Opener) -> None:
    store = open_store()
    store.insert("usage", {"tenant_id": [], "query_id": []})
    assert store.select("SELECT * FROM usage") == []


def test_a_newer_version_replaces_a_rollup_row(open_store: Opener) -> None:
    store = open_store()
    for version in (1, 3, 2):
        row = {
            "publisher_id": ["p"],
            "bucket": [1_795_262_400],
            "type": ["click"],
            "events": [version],
            "version": [version],
        }
        store.insert("rollup_15m", row)
    assert store.select("SELECT events FROM rollup_15m FINAL") == [{"events": 3}]


def test_lists_of_text_keep_their_order(open_store: Opener) -> None:
    store = open_store()
    store.insert("events", {"event_id": ["a", "b"], "at": [1_795_262_400] * 2, "flags": [[], ["x", "y"]]})
    assert store.select("SELECT flags FROM events ORDER BY event_id") == [{"flags": []}, {"flags": ["x", "y"]}]
