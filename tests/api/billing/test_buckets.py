"""A key's rate over all processes: token buckets in a real Redis, and what holds while it is away."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.billing import buckets
from api.billing.buckets import OwnBuckets, SharedBuckets
from api.billing.limits import UsageGate
from api.billing.opening import open_limits
from api.ports import Ports
from tests.own_redis import OwnRedis, redis_or_nothing
from tests.patience import HANGS_S


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    redis_or_nothing()
    made = OwnRedis(tmp_path_factory.mktemp("redis"))
    yield made
    made.kill()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that answers late, on a busy machine, is not away."""
    monkeypatch.setattr(buckets, "_TIMEOUT_S", HANGS_S)


@pytest.fixture
def process(server: OwnRedis) -> Iterator[Callable[[], SharedBuckets]]:
    """One more process."""
    opened: list[SharedBuckets] = []

    def start() -> SharedBuckets:
        opened.append(SharedBuckets(server.url))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def passed(one: SharedBuckets, key: str, calls: int, rate_per_s: float = 0.01, burst: int = 10) -> int:
    return sum(one.take(key, rate_per_s, burst)[0] for _ in range(calls))


def test_two_processes_together_let_one_burst_through(process: Callable[[], SharedBuckets]) -> None:
    one, other = process(), process()
    assert passed(one, "key_a", 7) == 7
    assert passed(other, "key_a", 7) == 3
    assert passed(one, "key_a", 7) == 0
    assert passed(one, "key_b", 12) == 10, "each key has its own"


def test_processes_and_threads_at_the_same_time_get_exactly_the_burst(process: Callable[[], SharedBuckets]) -> None:
    both = [process(), process()]
    with ThreadPoolExecutor(8) as threads:
        got = threads.map(lambda n: passed(both[n % 2], "key_c", 50, burst=100), range(8))
    assert sum(got) == 100


def test_it_fills_at_the_rate_up_to_the_burst_and_tells_what_is_left(
    process: Callable[[], SharedBuckets], server: OwnRedis
) -> None:
    def later(seconds: float) -> None:
        """Redis' own clock cannot be set: what it remembers is longer ago."""
        server.client.hincrbyfloat("shoplight:rate:key_d", "at", -seconds)

    one, rate_per_s = process(), 0.01
    taken, left = one.take("key_d", rate_per_s, 4)
    assert taken
    assert left == pytest.approx(3, abs=1e-6)
    assert passed(one, "key_d", 3, rate_per_s, 4) == 3
    taken, left = one.take("key_d", rate_per_s, 4)
    assert not taken
    assert 0 <= left < 1
    later(220)
    assert passed(one, "key_d", 9, rate_per_s, 4) == 2
    later(10_000)
    assert one.take("key_d", rate_per_s, 4)[1] == pytest.approx(3, abs=1e-6)


def test_what_is_full_again_is_forgotten(process: Callable[[], SharedBuckets], server: OwnRedis) -> None:
    process().take("key_e", 0.1, 10)
    assert 0 < server.client.pttl("shoplight:rate:key_e") <= 101_000


@pytest.mark.parametrize("trouble", ["dead", "frozen"])
def test_while_redis_is_away_each_process_keeps_the_rate_and_calls_do_not_wait(
    tmp_path: Path, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_or_nothing()
    server, now, asked = OwnRedis(tmp_path), [100.0], []
    shared = SharedBuckets(server.url, lambda: now[0])
    take = shared._take
    monkeypatch.setattr(shared, "_take", lambda **given: asked.append(given) or take(**given))
    try:
        assert passed(shared, "key_f", 20) == 10
        server.kill() if trouble == "dead" else server.freeze()
        waiting_at_most(shared, 0.25)
        asked.clear()
        assert passed(shared, "key_f", 20) == 10
        assert len(asked) == 1, "one call finds out; the others do not ask"
        server.start() if trouble == "dead" else server.thaw()
        waiting_at_most(shared, HANGS_S)
        assert passed(shared, "key_f", 20) == 0
        assert len(asked) == 1, "nor for a while after"
        now[0] += buckets._LOOK_AWAY_S
        # what it held was lost with it, or is still there
        assert passed(shared, "key_f", 20) == (10 if trouble == "dead" else 0)
    finally:
        shared.close()
        server.thaw()
        server.kill()


def waiting_at_most(shared: SharedBuckets, seconds: float) -> None:
    pool = shared._redis.connection_pool
    pool.connection_kwargs |= {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    pool.disconnect()
    pool.reset()  # what is connected again keeps the bounds that it was made with


def test_the_bound_of_a_call_is_short_in_production(monkeypatch: pytest.MonkeyPatch, server: OwnRedis) -> None:
    monkeypatch.undo()
    shared = SharedBuckets(server.url)
    held = shared._redis.connection_pool.connection_kwargs
    assert max(held["socket_timeout"], held["socket_connect_timeout"]) <= 0.25
    shared.close()


def test_a_house_with_a_queue_on_redis_shares_and_asks_from_a_thread(ports: Ports, server: OwnRedis) -> None:
    assert isinstance(_buckets(ports.limits), OwnBuckets)
    queue = ports.settings.queue.model_copy(update={"broker_url": server.url})
    ports.settings = ports.settings.model_copy(update={"queue": queue})
    gate = open_limits(ports)
    assert isinstance(_buckets(gate), SharedBuckets)
    gate._allowances.get("tnt_none")
    assert not gate.warm("tnt_none"), "the event loop must not wait for a server"


def _buckets(gate: UsageGate) -> buckets.Buckets:
    return gate._buckets
