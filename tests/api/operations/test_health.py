"""`/healthz`, `/readyz` and `/metrics` over HTTP: which trouble takes a process out, and which only shows."""

import errno
import os
from typing import NoReturn

import pytest
from fastapi.testclient import TestClient

from api.events import spool
from api.events.store import StoreUnavailable
from api.kit.db import Database
from api.main import create_app
from api.ports import Ports
from api.search.index import IndexUnavailable


def away(*_: object, **__: object) -> NoReturn:
    raise IndexUnavailable("The product index does not answer at the moment.")


def opened(ports: Ports) -> TestClient:
    """The app on ports that a test has broken."""
    return TestClient(create_app(ports))


def test_a_house_in_order_is_ready_part_by_part(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    checks = answer.json()["checks"]
    assert {name for name, part in checks.items() if part["needed"]} == {"database", "event_log"}
    assert {"event_store", "index", "blobs"} <= set(checks)
    assert all(part["ok"] and part["ms"] >= 0 for part in checks.values())


def test_without_the_index_it_is_degraded_and_goes_on(ports: Ports) -> None:
    ports.index.check = away
    answer = opened(ports).get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["index"]["reason"].startswith("IndexUnavailable: The product index does not answer")


def test_an_event_store_of_an_older_release_is_told_with_the_command(ports: Ports, client: TestClient) -> None:
    ports.event_store.command("ALTER TABLE schema_migrations DELETE WHERE 1 SETTINGS mutations_sync = 1")
    part = client.get("/readyz").json()["checks"]["event_store"]
    assert "run `shoplight migrate`" in part["reason"]


def test_without_tables_it_is_not_ready_and_says_what_to_run(ports: Ports, client: TestClient) -> None:
    empty = Database(f"sqlite:///{ports.settings.datadir / 'empty.db'}")
    ports.database.engine = empty.engine
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert "run `shoplight migrate`" in answer.json()["checks"]["database"]["reason"]
    empty.close()


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only file system")])
def test_a_disk_that_takes_nothing_shows_refuses_events_and_is_forgotten_when_it_is_over(
    ports: Ports, client: TestClient, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(spool, "_write_all", refuse)
    monkeypatch.setattr(spool.Spool, "_probe", refuse)
    with pytest.raises(spool.LogUnavailable):
        ports.event_log.append([b"x"]).result(60)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert words in answer.json()["checks"]["event_log"]["reason"]
    assert client.get("/healthz").status_code == 200
    monkeypatch.undo()
    ports.event_log._recover()
    ports.event_log.append([b"x"]).result(60)
    client.app.state.readiness._kept = None
    assert client.get("/readyz").json()["checks"]["event_log"]["ok"]


def test_reasons_hold_no_passwords(ports: Ports) -> None:
    def lost() -> NoReturn:
        raise StoreUnavailable("clickhouse://u:hunter2@ch does not answer")

    ports.blobs.check = lost
    reason = opened(ports).get("/readyz").json()["checks"]["blobs"]["reason"]
    assert reason == "StoreUnavailable: clickhouse://…@ch does not answer"


def test_metrics_tell_which_part_answers(ports: Ports) -> None:
    ports.index.check = away
    client = opened(ports)
    client.get("/readyz")
    text = client.get("/metrics").text
    assert 'shoplight_ready{part="database"} 1.0' in text
    assert 'shoplight_ready{part="index"} 0.0' in text
