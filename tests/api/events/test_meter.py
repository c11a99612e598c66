"""Metering: once a query id, from any thread, and never in the way of the call that it counts."""

import pytest
from prometheus_client import REGISTRY

from api.events.log import LogFull
from api.ports import Ports
from workers.sink import Sink


def drain(ports: Ports) -> int:
    ports.event_log.append([]).result(60)  # appends are durable in order: what was metered before is there now
    return Sink.of(ports).drain()


def used(ports: Ports) -> list[tuple[str, str, int]]:
    rows = ports.event_store.select(
        "SELECT tenant_id, kind, sum(quantity) AS units FROM usage GROUP BY tenant_id, kind ORDER BY tenant_id, kind"
    )
    return [(row["tenant_id"], row["kind"], row["units"]) for row in rows]


def test_a_call_counts_once_a_query_id(ports: Ports) -> None:
    for query_id in ("qry_1", "qry_2", "qry_1"):
        ports.meter.record("tnt_a", "search", 1, query_id)
    ports.meter.record("tnt_a", "video_minute", 12, "qry_3")
    ports.meter.record("tnt_b", "search", 1, "qry_1")
    assert drain(ports) == 5
    assert used(ports) == [("tnt_a", "search", 2), ("tnt_a", "video_minute", 12), ("tnt_b", "search", 1)]


def test_calls_without_a_query_id_are_each_their_own(ports: Ports) -> None:
    ports.meter.record("tnt_a", "detect")
    ports.meter.record("tnt_a", "detect")
    drain(ports)
    assert used(ports) == [("tnt_a", "detect", 2)]


def test_a_log_in_trouble_is_told_to_us_and_not_to_the_caller(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise LogFull

    before = REGISTRY.get_sample_value("shoplight_usage_lost_total", {"kind": "search"}) or 0
    monkeypatch.setattr(ports.event_log, "append", refuse)
    ports.meter.record("tnt_a", "search", 3, "qry_1")
    assert REGISTRY.get_sample_value("shoplight_usage_lost_total", {"kind": "search"}) == before + 3
