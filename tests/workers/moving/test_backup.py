"""Back-up and restore: a destroyed house comes back as it was; an altered archive does not."""

import hashlib
import json
import shutil
import stat
import threading
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from sqlmodel import select

from api.billing.models import MeterPush, PushState, TenantBilling
from api.kit.clock import FixedClock
from api.kit.db import Database
from api.settings import SecretSettings, Settings, StripeSettings
from tests.patience import until
from tests.workers.moving.conftest import Lived
from tests.workers.moving.lived_in import EVENING, OpenHouse, event, finds, goes_on, gross_of, looks, opened, same
from tests.workers.moving.servers import build, demolish
from tests.workers.moving.test_moving import broken_off, problem_of
from workers.moving import HouseInUse, MoveRefused, backup, restore
from workers.sink import Sink

pytestmark = pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def archive(first_house: Lived, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the first house."""
    folder = tmp_path_factory.mktemp("archive")
    copy = folder / "data"
    shutil.copytree(first_house.settings.datadir, copy, symlinks=True)
    return Path(backup(Settings(datadir=copy), folder).path)


def test_a_destroyed_data_directory_comes_back(old: Lived, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    made = backup(old.settings, shelf)
    assert stat.S_IMODE(Path(made.path).stat().st_mode) == 0o600
    assert list(shelf.iterdir()) == [Path(made.path)]
    shutil.rmtree(old.settings.datadir)
    done = restore(Path(made.path), old.settings)
    assert done.settled.reconciliation.differences == []
    assert done.settled.rolled_up == done.counts["events/events"] == 27
    assert stat.S_IMODE((old.settings.datadir / "secrets.json").stat().st_mode) == 0o600
    with opened(old.settings, FixedClock(EVENING)) as house:
        same(looks(house, old.people), old.seen)
        assert finds(house, old.people) == old.found
        goes_on(house, old.people, "restored")


class BusyHouse:
    """A house on servers at work: its sink runs, and its page posts events all the time."""

    def __init__(self, house: OpenHouse, lived: Lived) -> None:
        self._house, self._lived = house, lived
        self._stop = threading.Event()
        self.posted: list[list[dict[str, object]]] = []
        sink = Sink.of(house.ports)
        self._threads = [
            threading.Thread(target=sink.run, args=(self._stop,)),
            threading.Thread(target=self._post),
        ]

    def __enter__(self) -> "BusyHouse":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _post(self) -> None:
        people = self._lived.people
        while not self._stop.is_set():
            number = len(self.posted)
            batch = [event(self._house, "hover", people.tokens[4], f"busy-{number}-{each}") for each in range(20)]
            self._house.post_events(people.site_key, batch)
            self.posted.append(batch)
            self._stop.wait(0.02)


def test_a_house_on_servers_is_backed_up_at_work_and_comes_back_whole(
    archive: Path, first_house: Lived, on_servers: Settings, tmp_path: Path
) -> None:
    """It moves in from the archive of a data directory: both shapes read what either has written."""
    assert restore(archive, on_servers).settled.searchable == 6
    with opened(on_servers, FixedClock(EVENING)) as house, BusyHouse(house, first_house) as busy:
        until(lambda: stored(house), pause_s=0.1)
        made = backup(on_servers, tmp_path / "live.zip")
        assert made.manifest.live
    demolish(on_servers, for_good=False)
    shutil.rmtree(on_servers.datadir)
    build(on_servers)
    done = restore(tmp_path / "live.zip", on_servers)
    assert done.settled.reconciliation.differences == []
    with opened(on_servers, FixedClock(EVENING)) as house:
        same(looks(house, first_house.people), first_house.seen)
        assert finds(house, first_house.people) == first_house.found
        kept = stored(house)
        assert 0 < kept <= 20 * len(busy.posted)
        # everything again: what the archive has counts nothing, what came after it comes back
        for batch in busy.posted:
            house.post_events(first_house.people.site_key, batch)
        house.drain()
        assert stored(house) == 20 * len(busy.posted)
        goes_on(house, first_house.people, "restored")


def stored(house: OpenHouse) -> int:
    sql = "SELECT uniqExact(event_id) AS n FROM events WHERE startsWith(event_id, 'event-busy-')"
    return int(house.ports.event_store.select(sql)[0]["n"])


def test_a_house_in_use_is_not_backed_up(old: Lived, tmp_path: Path) -> None:
    with opened(old.settings, FixedClock(EVENING)), pytest.raises(HouseInUse, match="is in use: stop what runs there"):
        backup(old.settings, tmp_path / "a.zip")
    assert not list(tmp_path.glob("a.zip*"))


def test_an_archive_is_never_written_over(old: Lived, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("last month's")
    with pytest.raises(MoveRefused, match="is there already"):
        backup(old.settings, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_text() == "last month's"
    with pytest.raises(MoveRefused, match="there is no folder"):
        backup(old.settings, tmp_path / "no" / "a.zip")
    with pytest.raises(MoveRefused, match="there is no Shoplight in"):
        backup(Settings(datadir=tmp_path / "nowhere"), tmp_path / "b.zip")


def test_only_an_empty_house_is_restored_into(archive: Path, old: Lived) -> None:
    with pytest.raises(MoveRefused, match=r"not empty: it has .*4 rows in tenants"):
        restore(archive, old.settings)
    with opened(old.settings, FixedClock(EVENING)) as house:
        assert gross_of(house, old.people)["impressions"] == 9


def test_without_its_secrets_a_house_knows_nobody(old: Lived, new: Settings, tmp_path: Path) -> None:
    made = backup(old.settings, tmp_path / "a.zip", with_keys=False)
    with zipfile.ZipFile(made.path) as inside:
        assert "secrets.json" not in inside.namelist()
        assert not any(json.loads((old.settings.datadir / "secrets.json").read_text())["session_key"].encode()
                       in inside.read(name) for name in inside.namelist())  # fmt: skip
    assert not restore(Path(made.path), new).keys
    with opened(new, FixedClock(EVENING)) as house:
        assert house.ports.gatekeeper.signer.read(old.people.session) is None
        answer = house.post_events(old.people.site_key, [event(house, "hover", old.people.tokens[0], "hover-again")])
        assert [one["reason"] for one in answer["rejected"]] == ["token_forged"]


def test_other_secrets_in_the_settings_are_refused(archive: Path, new: Settings) -> None:
    own = SecretSettings(session_key="s" * 32, token_keys=f"k1:{'ab' * 32}")
    with pytest.raises(MoveRefused, match="TOKEN_KEYS lacks the old house's k1"):
        restore(archive, new.model_copy(update={"secrets": own}))
    assert problem_of(new) is None


def test_a_restore_that_is_killed_starts_over_with_the_same_archive_alone(
    archive: Path, old: Lived, new: Settings, tmp_path: Path
) -> None:
    broken_off("restore", str(archive), new, "events/usage")
    assert "did not come to its end" in str(problem_of(new))
    other = backup(old.settings, tmp_path / "other.zip")
    with pytest.raises(MoveRefused, match=r"arriving: the archive of .* made at"):
        restore(Path(other.path), new)
    assert restore(archive, new).settled.reconciliation.differences == []
    assert problem_of(new) is None
    with opened(new, FixedClock(EVENING)) as house:
        same(looks(house, old.people), old.seen)


def test_what_the_old_house_may_have_told_stripe_since_is_in_doubt(old: Lived, new: Settings, tmp_path: Path) -> None:
    """Hours that it would have closed become meter events at once, and no open one is taken for not sent."""
    made_at = EVENING + timedelta(minutes=10)
    with opened(old.settings, FixedClock(EVENING)) as house, house.ports.database.write() as session:
        developer = old.people.accounts["developer"].tenant_id
        session.get_one(TenantBilling, developer).customer_id = "cus_1"
        frozen = {"customer_id": "cus_1", "meter": "shoplight_search", "value": 3, "created_at": EVENING}
        hour = {"window_start": EVENING - timedelta(days=1), "window_end": EVENING - timedelta(hours=23)}
        session.add(MeterPush(id="psh_1", tenant_id=developer, identifier="frozen before", **frozen, **hour))
    made = backup(old.settings, tmp_path / "a.zip", clock=FixedClock(made_at))
    stripe = StripeSettings(api_key="sk_test_1", api_base="http://127.0.0.1:9")
    later = FixedClock(made_at + timedelta(hours=30))
    done = restore(Path(made.path), new.model_copy(update={"stripe": stripe}), clock=later)
    database = Database(new.database_url)
    with database.read() as session:
        pushes = [push for push in session.exec(select(MeterPush)) if push.state is not PushState.sent]
    database.close()
    assert {push.identifier for push in pushes} == {
        "frozen before",
        f"{developer}:shoplight_search:2026112016:1",  # searched for in the last hour before the back-up
    }
    assert {(push.state, push.unknown_since) for push in pushes} == {(PushState.unknown, made_at)}
    assert done.in_doubt == 2


def altered(archive: Path, to: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other members, its ZIP sound in itself."""
    with zipfile.ZipFile(archive) as inside:
        members = {name: inside.read(name) for name in inside.namelist()}
    change(members)
    with zipfile.ZipFile(to, "w") as made:
        for name, data in members.items():
            made.writestr(name, data)
    return to


def rewritten(members: dict[str, bytes], **changes: object) -> None:
    members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **changes}).encode()


def renamed(members: dict[str, bytes], to: str) -> None:
    """A member of another name, with a manifest that agrees."""
    members[to] = members.pop("blobs.arrow")
    parts = json.loads(members["manifest.json"])["parts"]
    rewritten(
        members, parts=[{**part, "name": to if part["name"] == "blobs.arrow" else part["name"]} for part in parts]
    )


def flip(members: dict[str, bytes], name: str) -> None:
    data = bytearray(members[name])
    data[len(data) // 2] ^= 1
    members[name] = bytes(data)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda members: flip(members, "rows/products.arrow"), "rows/products.arrow was altered"),
        (lambda members: flip(members, "events/events.arrow"), "events/events.arrow was altered"),
        (lambda members: flip(members, "blobs.arrow"), "blobs.arrow was altered"),
        (lambda members: flip(members, "secrets.json"), "secrets.json was altered"),
        (lambda members: members.pop("rows/tags.arrow"), "does not hold what its manifest says: 'rows/tags.arrow'"),
        (lambda members: members.update({"../evil": b"x"}), "does not hold what its manifest says: '../evil'"),
        (lambda members: renamed(members, "../../evil.arrow"), "names a part that no archive has"),
        (lambda members: renamed(members, "rows/../evil.arrow"), "names a part that no archive has"),
        (lambda members: members.pop("manifest.json"), "has no manifest.json"),
        (lambda members: members.update({"manifest.json": b"{"}), "manifest.json is not what it should be"),
        (lambda members: rewritten(members, parts="all"), "manifest.json is not what it should be"),
        (lambda members: rewritten(members, format=2), "format 2, this release reads up to 1: use a newer one"),
        (lambda members: rewritten(members, revision="9999"), "schema 9999"),
    ],
)
def test_an_archive_that_is_not_what_was_written_is_refused(
    archive: Path, new: Settings, tmp_path: Path, change: Callable[[dict[str, bytes]], None], reason: str
) -> None:
    with pytest.raises(MoveRefused) as refused:
        restore(altered(archive, tmp_path / "altered.zip", change), new)
    assert reason in str(refused.value)
    assert not (new.datadir / "blobs").exists() or not any((new.datadir / "blobs").rglob("*"))
    assert not (tmp_path / "evil").exists()


def test_a_blob_that_would_leave_the_store_is_refused(archive: Path, new: Settings, tmp_path: Path) -> None:
    """Whoever can write a manifest can write any key into the blobs: the store itself refuses it."""

    def climb(members: dict[str, bytes]) -> None:
        data = members["blobs.arrow"]
        key = next(key for key in keys_in(data) if len(key) > 20)
        members["blobs.arrow"] = data.replace(key, (b"../" * 5 + b"x" * len(key))[: len(key)])
        parts = json.loads(members["manifest.json"])["parts"]
        for part in parts:
            if part["name"] == "blobs.arrow":
                part["sha256"] = hashlib.sha256(members["blobs.arrow"]).hexdigest()
        rewritten(members, parts=parts)

    with pytest.raises(MoveRefused, match="leaves the store"):
        restore(altered(archive, tmp_path / "altered.zip", climb), new)
    assert "did not come to its end" in str(problem_of(new))


def keys_in(data: bytes) -> list[bytes]:
    with pa.ipc.open_stream(data) as stream:
        return [key.encode() for batch in stream for key in batch.column("key").to_pylist()]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_cut_archive_is_refused(archive: Path, new: Settings, tmp_path: Path, share: float) -> None:
    data = archive.read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MoveRefused, match="it was cut"):
        restore(cut, new)
    with pytest.raises(MoveRefused, match="there is no archive"):
        restore(tmp_path / "none.zip", new)
    assert not new.datadir.exists()
