"""A sink that is killed around each of its steps, again and again on the same data, and at last runs through."""

import subprocess
import sys
from pathlib import Path

import pytest

from api.events.reconcile import reconcile
from api.events.records import UsageRecord
from tests.faults.dying_sink import DIED
from tests.workers.test_sink import T0, House, stamped
from workers.sink.pipeline import STEPS

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def test_killed_at_every_step_it_neither_loses_nor_doubles(tmp_path: Path) -> None:
    names = [step.__name__ for step in STEPS]
    # what a death before any write does to a batch is the same everywhere, and test_sink covers it without processes
    deaths = [("dedupe", "after"), ("write", "inside"), ("write", "after"), ("roll_up", "after"), ("commit", "after")]
    expected = 0
    for turn, (name, when) in enumerate(deaths):
        house = House(tmp_path)
        # two days, so that one insert falls into two partitions; one conflict and one paid call a turn
        days = [T0, T0 + 86_400_000]
        house.put(
            *[stamped(f"event-{turn}-{i:03d}", "click", nonce=f"n{turn}-{i}", at_ms=days[i % 2]) for i in range(100)]
        )
        house.put(stamped(f"event-{turn}-000", "click", core="another", full="another"))
        house.put(UsageRecord(tenant_id="tnt_d", query_id=f"qry_{turn}", kind="search", quantity=1, at_ms=T0))
        house.close()
        expected += 100
        command = [sys.executable, "-m", "tests.faults.dying_sink", str(tmp_path), str(names.index(name)), when]
        died = subprocess.run(command, cwd=REPO, timeout=60, check=False)
        assert died.returncode == DIED, f"it should have died {when} {name}"
    house = House(tmp_path)
    house.drain()
    totals = house.store.select("SELECT sum(events) AS gross, sum(spend_micros) AS spend FROM rollup_15m FINAL")[0]
    assert totals == {"gross": expected, "spend": expected * 100}
    assert house.one("SELECT count() FROM events") == expected
    assert house.one("SELECT count() FROM event_conflicts") == house.one("SELECT count() FROM usage") == len(deaths)
    assert reconcile(house.log, house.store).differences == []
    house.close()
