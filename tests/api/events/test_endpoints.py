"""`POST /v1/events` over HTTP: who may, what is taken, what is refused and why, and that nothing breaks it."""

import os
from datetime import timedelta

import msgspec
import pytest

from api.events.tokens import TokenSealer
from tests.api.events.shop_page import BROWSER, ShopPage


def rejected(answer) -> list[tuple[str | None, str]]:
    assert answer.status_code == 202, answer.text
    return [(item["id"], item["reason"]) for item in answer.json()["rejected"]]


def problem(answer, status: int, pointer: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    return answer.json()


def test_a_batch_is_taken_and_counted_once(page: ShopPage) -> None:
    token = page.token()
    batch = [page.event(kind, token) for kind in ("impression", "viewable", "click")]
    answer = page.post(batch)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 3, "duplicate": 0, "rejected": []})
    assert answer.headers["access-control-allow-origin"] == page.origin
    assert "Origin" in answer.headers["vary"]
    page.drain()
    assert page.counts() == page.counts("gross") == (1, 1, 1)


def test_a_replay_changes_nothing_and_the_answers_add_up(page: ShopPage) -> None:
    batch = [page.event("impression", page.token()) for _ in range(50)]
    assert page.post(batch).json()["accepted"] == 50
    again = page.post([*batch, batch[0]]).json()
    assert again["accepted"] + again["duplicate"] == 51
    page.drain()
    assert page.counts("gross") == (50, 0, 0)


def test_an_unknown_key_and_a_foreign_or_missing_origin_are_told_apart(page: ShopPage) -> None:
    event = page.event("impression", page.token())
    problem(page.post([event], origin="https://elsewhere.example"), 403, "@Origin")
    problem(page.post([event], origin=None), 403, "@Origin")
    page.key = "pk_unknown"
    problem(page.post([event]), 401, "#/key")


UNUSABLE = [
    (b"", 400, "#"),
    (b"{", 400, "#"),
    (b"\xff\xfe", 400, "#"),
    (b"[" * 500_000, 422, "#"),
    (b'{"key":"pk_x","events":[' + b"[" * 500_000, 400, "#"),
    (b"[]", 422, "#"),
    (b'{"events":[]}', 422, "#/key"),
    (b'{"key":"pk_x"}', 422, "#/events"),
    (b'{"key":5,"events":[]}', 422, "#/key"),
    (b'{"key":"pk_x","events":{}}', 422, "#/events"),
]


def test_an_unusable_body_names_the_place(page: ShopPage, subtests: pytest.Subtests) -> None:
    headers = {"Origin": page.origin, "Content-Type": "text/plain"}
    for body, status, pointer in UNUSABLE:
        with subtests.test(str(body[:40])):
            problem(page.client.post("/v1/events", content=body, headers=headers), status, pointer)


def test_ten_megabytes_are_refused_and_not_kept(page: ShopPage) -> None:
    event = page.event("impression", page.token())
    huge = msgspec.json.encode({"key": page.key, "events": [event], "more": "x" * 10_000_000})
    headers = {"Origin": page.origin, "Content-Type": "text/plain"}
    problem(page.client.post("/v1/events", content=huge, headers=headers), 413, "#")
    streamed = (huge[i : i + 65_536] for i in range(0, len(huge), 65_536))
    problem(page.client.post("/v1/events", content=streamed, headers=headers), 413, "#")
    assert page.drain() == 0


def test_too_many_events_and_another_content_type_are_refused(page: ShopPage) -> None:
    problem(page.post([{}] * 1001), 413, "#/events")
    problem(page.post([], **{"Content-Type": "application/xml"}), 415, "@Content-Type")


WRONG = [
    ({"id": "short"}, "id_invalid"),
    ({"id": "x" * 65}, "id_invalid"),
    ({"id": "has space in it"}, "id_invalid"),
    ({"id": "abcdefgh\n"}, "id_invalid"),
    ({"id": 12345678}, "id_invalid"),
    ({"type": "purchased"}, "type_unknown"),
    ({"type": ["click"]}, "type_unknown"),
    ({"token": ""}, "token_missing"),
    ({"token": None}, "token_missing"),
    ({"token": "made-up"}, "token_forged"),
    ({"at": "yesterday"}, "at_invalid"),
    ({"at": "2026-11-20T12:00:00"}, "at_invalid"),
    ({"at": None}, "at_invalid"),
    ({"at": True}, "at_invalid"),
    ({"note": "x" * 5000}, "too_large"),
]


def test_one_bad_event_is_named_and_the_rest_lands(page: ShopPage, subtests: pytest.Subtests) -> None:
    for change, reason in WRONG:
        with subtests.test(f"{reason}: {str(change)[:60]}"):
            good, bad = page.event("impression", page.token()), {**page.event("click", page.token()), **change}
            shown = bad["id"][:64] if isinstance(bad["id"], str) else None
            answer = page.post([bad, good])
            assert rejected(answer) == [(shown, reason)]
            assert answer.json()["accepted"] == 1
    page.drain()
    assert page.counts("gross") == (len(WRONG), 0, 0)


def test_things_that_are_no_events_are_malformed(page: ShopPage) -> None:
    assert rejected(page.post([1, "x", None, []])) == [(None, "malformed")] * 4


def test_forged_expired_and_foreign_tokens_are_told_apart(page: ShopPage, account, clock) -> None:
    other = ShopPage(page.client, page.ports, account("publisher"), "https://other.example")
    mine, theirs = page.token(), other.token()
    foreign_seal = TokenSealer({"k1": os.urandom(32)}).seal(page.claims())
    assert rejected(page.post([page.event("click", theirs)]))[0][1] == "token_foreign"
    assert rejected(page.post([page.event("click", foreign_seal)]))[0][1] == "token_forged"
    sister = ShopPage(page.client, page.ports, page.publisher, "https://sister.example")
    assert rejected(page.post([page.event("click", sister.token())]))[0][1] == "token_foreign"
    clock.advance(timedelta(hours=24, seconds=1))
    assert rejected(page.post([page.event("click", mine)]))[0][1] == "token_expired"
    assert page.drain() == 0


@pytest.mark.parametrize(
    "shift", [timedelta(days=365), timedelta(days=-365), timedelta(minutes=6), timedelta(minutes=-6)]
)
def test_an_impossible_clock_becomes_the_issue_time(page: ShopPage, clock, shift: timedelta) -> None:
    issued = clock.now()
    token = page.token()
    clock.advance(timedelta(hours=2))
    base = issued if shift < timedelta() else clock.now()
    event = page.event("impression", token)
    page.accepted([{**event, "at": (base + shift).isoformat()}])
    page.drain()
    assert page.totals(**{"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T12:15:00Z"})["impressions"] == 1


def test_a_possible_clock_is_believed_and_also_told_in_milliseconds(page: ShopPage, clock) -> None:
    token = page.token()
    clock.advance(timedelta(hours=2))
    at = clock.now() - timedelta(minutes=40)
    page.accepted([{**page.event("impression", token), "at": at.isoformat()}])
    page.accepted([{**page.event("click", token), "at": int(at.timestamp() * 1000)}])
    page.drain()
    quarter = {"from": "2026-11-20T13:15:00Z", "to": "2026-11-20T13:30:00Z"}
    assert (page.totals(**quarter)["impressions"], page.totals(**quarter)["clicks"]) == (1, 1)


@pytest.mark.parametrize(
    "headers", [{"Sec-Purpose": "prefetch;prerender"}, {"Sec-Purpose": "prefetch"}, {"Purpose": "prefetch"}]
)
def test_prefetch_and_prerender_count_nowhere(page: ShopPage, headers: dict[str, str]) -> None:
    answer = page.post([page.event("impression", page.token())], **headers)
    assert rejected(answer)[0][1] == "prefetch"
    assert page.drain() == 0


def test_a_page_may_ask_before_it_sends_json(page: ShopPage) -> None:
    asked = page.client.options("/v1/events", headers={"Origin": page.origin, "Access-Control-Request-Method": "POST"})
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == page.origin
    sent = page.post([page.event("click", page.token())], **{"Content-Type": "application/json; charset=utf-8"})
    assert sent.json()["accepted"] == 1


def test_a_full_spool_asks_to_come_back_and_counts_nothing(page: ShopPage) -> None:
    page.ports.event_log._max_bytes = 10  # the high-water mark, in miniature
    answer = page.post([page.event("click", page.token())], agent=BROWSER)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["access-control-allow-origin"] == page.origin
    page.ports.event_log._max_bytes = 10_000_000
    assert page.drain() == 0
