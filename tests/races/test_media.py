"""Media under several API processes and workers: each picture is opened once, by its budget, and looked at by one."""

import threading
import time
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from api.accounts.service import AccountService
from api.kit.clock import FixedClock
from api.media import analysis
from api.media.analysis import Facts
from api.media.memory import MediaMemory, Unknown
from api.media.models import Media, MediaKind, MediaState, Tag
from api.media.objects import SeenObject
from api.media.service import analyses_of
from api.media.urls import normalise
from api.ports import Ports
from tests.races.conftest import at_once


def media(ports: Ports) -> list[Media]:
    with ports.database.read() as session:
        return list(session.exec(select(Media).order_by(Media.id)).all())


@pytest.fixture
def site(client: TestClient, publisher: Any) -> tuple[str, str]:
    """(site, tenant)."""
    body = {"name": "Magazine", "origins": ["https://magazine.example"]}
    return client.post("/v1/sites", json=body, headers=publisher.auth).json()["id"], publisher.tenant_id


@pytest.fixture
def publisher(account) -> Any:
    return account("publisher")


@pytest.fixture
def shown(ports: Ports, site: Any, queue: Any) -> Media:
    """A picture that a page has shown."""
    MediaMemory(ports.database, queue, ports.clock, 9).open(*site, unknown("a"))
    return media(ports)[0]


def unknown(*names: str) -> list[Unknown]:
    return [Unknown(normalise(f"https://magazine.example/{name}.jpg"), MediaKind.image) for name in names]


def test_a_picture_that_several_pages_show_first_is_opened_once(processes: list[Ports], site: Any, queue: Any) -> None:
    memories = [MediaMemory(ports.database, queue, ports.clock, 100) for ports in processes]
    for turn in range(5):
        shown = unknown(f"a{turn}", f"b{turn}", f"c{turn}")
        answers = at_once(*(partial(memory.open, *site, shown) for memory in memories))
        assert answers == [{item.url.hash for item in shown}] * 4
    assert len(media(processes[0])) == 5 * 3
    assert len({hint["media_id"] for _, hint in queue.sent}) == len(queue.sent) == 5 * 3


def test_the_budget_of_the_day_holds_over_all_processes(processes: list[Ports], site: Any, queue: Any) -> None:
    memories = [MediaMemory(ports.database, queue, ports.clock, 5) for ports in processes]
    shown = [unknown(*(f"{letter}{number}" for number in range(3))) for letter in "abcd"]
    at_once(*(partial(memory.open, *site, some) for memory, some in zip(memories, shown, strict=True)))
    assert len(media(processes[0])) == 5


def test_one_worker_gets_a_picture_and_the_next_one_after_its_lease(
    processes: list[Ports], shown: Media, clock: FixedClock
) -> None:
    row = shown
    workers = [analyses_of(ports) for ports in processes]
    jobs = at_once(*(partial(worker.claim, row.id) for worker in workers))
    [first] = [job for job in jobs if job is not None]
    clock.advance(timedelta(minutes=3))
    again = at_once(*(partial(worker.claim, row.id) for worker in workers))
    [second] = [job for job in again if job is not None]
    assert second.lease_id != first.lease_id
    assert not workers[0].progress(first, 0.5, 1)
    assert workers[1].progress(second, 0.5, 1)


def test_videos_of_the_day_are_counted_over_all_processes(
    doors: list[TestClient], processes: list[Ports], account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes[0].settings.limits, "videos_per_tenant_per_day", 2)
    caller = account("developer")
    files = {"file": ("film.mp4", b"no film, but nobody looks yet")}
    answers = at_once(*(partial(door.post, "/v1/videos", files=files, headers=caller.auth) for door in doors * 3))
    assert sorted(answer.status_code for answer in answers) == [202, 202, 429, 429, 429, 429]
    kept = {row.upload_key for row in media(processes[0])}
    stored = {path.name for path in (processes[0].settings.datadir / "blobs" / "videos").iterdir()}
    assert stored == {key.rpartition("/")[2] for key in kept if key}  # what was refused is not kept


def test_asking_for_another_look_leaves_a_worker_that_begins_meanwhile_its_lease(
    doors: list[TestClient],
    processes: list[Ports],
    publisher: Any,
    shown: Media,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = shown
    clock.advance(timedelta(seconds=5))  # it is due from now on, says whoever asks; the worker's lease says later
    asked, record = threading.Event(), AccountService.record

    def record_slowly(self: AccountService, action: str, subject: str) -> None:
        asked.set()
        time.sleep(0.3)  # the row is changed and not stored yet: the worker comes now
        record(self, action, subject)

    monkeypatch.setattr(AccountService, "record", record_slowly)
    worker = analyses_of(processes[2])

    def begin() -> Any:
        asked.wait(60)
        return worker.claim(row.id)

    job, answer = at_once(begin, partial(doors[0].post, f"/v1/media/{row.id}/analyse", headers=publisher.auth))
    assert answer.status_code in {200, 202}, answer.text
    [left] = media(processes[0])
    assert (left.state, left.lease_id) == (MediaState.running, job.lease_id)
    assert worker.claim(row.id) is None


def test_a_tag_that_the_next_look_drops_is_gone_for_whoever_edits_it_meanwhile(
    doors: list[TestClient], processes: list[Ports], publisher: Any, shown: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, worker = shown, analyses_of(processes[2])
    vectors = np.eye(1, processes[0].eyes.dim, dtype=np.float32)
    assert worker.finish(worker.claim(row.id), [SeenObject("bag", 0.9, (0.1, 0.1, 0.2, 0.2), vectors)], Facts())
    with processes[0].database.write() as session:
        [tag] = session.exec(select(Tag)).all()
        again = session.get_one(Media, row.id)
        again.state, again.due_at = MediaState.pending, processes[0].clock.now()
    storing, gone = threading.Event(), analysis.reconcile

    def reconcile_slowly(*arguments: Any, **named: Any) -> Any:
        storing.set()
        time.sleep(0.3)
        return gone(*arguments, **named)

    monkeypatch.setattr(analysis, "reconcile", reconcile_slowly)
    job = worker.claim(row.id)

    def rename() -> Any:
        storing.wait(60)
        return doors[0].patch(f"/v1/tags/{tag.id}", json={"label": "satchel"}, headers=publisher.auth)

    finished, answer = at_once(partial(worker.finish, job, [], Facts()), rename)
    assert finished is True
    assert answer.status_code == 404  # and not a 200 for a label that nobody will see
    with processes[0].database.read() as session:
        assert session.exec(select(Tag)).all() == []
