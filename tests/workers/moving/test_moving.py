"""Moving house: afterwards everything is as it was, nothing is counted twice, and the old house stays closed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from api.kit.clock import FixedClock
from api.kit.db import Database
from api.moving.service import moving_problem
from api.settings import BlobSettings, EventSettings, IndexSettings, SecretSettings, Settings
from tests.running_demo import REPO
from tests.workers.moving.conftest import Lived
from tests.workers.moving.lived_in import EVENING, finds, goes_on, looks, opened, same
from workers.moving import HouseInUse, MoveRefused, move, take_back

# kafka-python reads its schemas the old way when it is first imported
pytestmark = pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated:DeprecationWarning")


def problem_of(settings: Settings) -> str | None:
    database = Database(settings.database_url)
    try:
        return moving_problem(database)
    finally:
        database.close()


def broken_off(what: str, source: str, target: Settings, part: str, done: int = 0) -> None:
    """A child process that kills itself when this much of `part` is done."""
    words = [what, source, target.model_dump_json(), part, str(done)]
    child = subprocess.run(
        [sys.executable, "-m", "tests.workers.moving.mover", *words],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr[-3000:]


@pytest.fixture
def halfway(on_servers: Settings) -> Settings:
    """PostgreSQL and ClickHouse, but a log, an index and blobs of one's own: quick to move into."""
    events = EventSettings(clickhouse_url=on_servers.events.clickhouse_url)
    return on_servers.model_copy(update={"events": events, "index": IndexSettings(), "blobs": BlobSettings()})


def test_there_and_back_everything_is_as_it_was(old: Lived, on_servers: Settings, tmp_path: Path) -> None:
    moved = move(old.settings, on_servers)
    assert moved.drained == 2
    assert moved.settled.reconciliation.differences == []
    assert moved.settled.searchable == 6
    with opened(on_servers, FixedClock(EVENING)) as house:
        same(looks(house, old.people), old.seen)
        assert finds(house, old.people) == old.found
        assert house.ports.event_store.select("SELECT max(log_offset) AS newest FROM events")[0]["newest"] < 0
        goes_on(house, old.people, "in-the-new")
        seen, found = looks(house, old.people), finds(house, old.people)
        house.drain()
        seen |= {name: value for name, value in looks(house, old.people).items() if name.startswith("usage")}
    back = Settings(datadir=tmp_path / "back")
    again = move(on_servers, back)
    assert again.settled.reconciliation.differences == []
    with opened(back, FixedClock(EVENING)) as house:
        same(looks(house, old.people), seen)
        assert finds(house, old.people) == found


def test_a_move_that_is_killed_starts_over_and_doubles_nothing(old: Lived, halfway: Settings) -> None:
    source = old.settings.model_dump_json()
    for part, done in (("rows/products", 1), ("events/events", 1), ("roll-ups", 0)):
        broken_off("move", source, halfway, part, done)
        assert "did not come to its end" in str(problem_of(halfway))
        assert problem_of(old.settings) is None  # it may still be opened, and the move given up
    moved = move(old.settings, halfway)
    assert moved.settled.reconciliation.differences == []
    with opened(halfway, FixedClock(EVENING)) as house:
        same(looks(house, old.people), old.seen)
        goes_on(house, old.people, "in-the-new")


def test_a_house_that_moved_away_says_so_until_it_is_taken_back(old: Lived, halfway: Settings) -> None:
    moved = move(old.settings, halfway)
    assert problem_of(halfway) is None
    assert str(problem_of(old.settings)).startswith(f"this house has moved to {moved.target}")
    with pytest.raises(MoveRefused, match=r"has moved to .* already"):
        move(old.settings, halfway)
    assert take_back(old.settings) == moved.target
    assert problem_of(old.settings) is None
    with pytest.raises(MoveRefused, match="has not moved away"):
        take_back(old.settings)
    with pytest.raises(MoveRefused, match=r"not empty: it has .*4 rows in tenants.*27 rows in events") as refused:
        move(old.settings, halfway)
    assert "blobs (" in str(refused.value)


def test_what_cannot_be_moved_is_told_before_anything_is_touched(old: Lived, halfway: Settings, tmp_path: Path) -> None:
    with pytest.raises(MoveRefused, match="there is no Shoplight in"):
        move(Settings(datadir=tmp_path / "nowhere"), halfway)
    with pytest.raises(MoveRefused, match="both the old house and the new one"):
        move(old.settings, old.settings)
    with pytest.raises(MoveRefused, match="move the folder itself"):
        move(old.settings, Settings(datadir=tmp_path / "another"))
    with opened(old.settings, FixedClock(EVENING)), pytest.raises(HouseInUse, match="stop what runs there first"):
        move(old.settings, halfway)
    assert problem_of(halfway) is None


def test_other_secrets_are_refused_because_yesterdays_tokens_would_die(old: Lived, halfway: Settings) -> None:
    own = SecretSettings(session_key="s" * 32, token_keys=f"k2:{'ab' * 32}")
    with pytest.raises(
        MoveRefused, match=r"SESSION_KEY is not the old .*TOKEN_KEYS lacks the old house's k1"
    ) as refused:
        move(old.settings, halfway.model_copy(update={"secrets": own}))
    assert "ab" * 8 not in str(refused.value)
    assert problem_of(halfway) is None
