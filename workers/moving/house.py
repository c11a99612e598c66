"""A house's stores, opened by its settings without the models and services that stand on them."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from api.events.log import EventLog, LogUnavailable
from api.events.spool import Spool
from api.events.store import EventStore, StoreUnavailable
from api.kit.blobs import BlobStore
from api.kit.db import Database
from api.settings import Settings
from api.shapes import open_blobs, open_event_log, open_event_store, open_log_reader
from workers.moving.problems import HouseInUse, MoveRefused
from workers.sink import Sink
from workers.sink.batch import Ends

SURE_S = 1.2  # what the log says of itself may be a second old
STUCK_S = 60.0


@dataclass(frozen=True)
class House:
    """What there is to move."""

    settings: Settings
    database: Database
    store: EventStore
    blobs: BlobStore
    log: EventLog

    @property
    def name(self) -> str:
        """How people know it, and how marks name it: no password in it."""
        return name_of(self.settings)


def name_of(settings: Settings) -> str:
    """The data directory of an embedded house; the database of one on servers."""
    if not settings.database.url:
        return str(settings.datadir.resolve())
    return make_url(settings.database.url).render_as_string(hide_password=True)


def runs_on_servers(settings: Settings) -> bool:
    """Whether log and counts lie with servers, so that a house can be looked at while its processes run."""
    return bool(settings.events.kafka_servers and settings.events.clickhouse_url)


def must_exist(settings: Settings) -> None:
    """Refuses a data directory in which nothing has ever run, instead of making an empty house there."""
    if not runs_on_servers(settings) and not (settings.datadir / "spool").is_dir():
        raise MoveRefused(f"there is no Shoplight in {settings.datadir}")


@contextmanager
def stopped_house(settings: Settings) -> Iterator[House]:
    """The house, ours alone while the context lasts: its spool's lock is held. HouseInUse when somebody has it."""
    try:
        log = open_event_log(settings)
    except LogUnavailable as error:
        raise HouseInUse(f"{name_of(settings)} is in use: stop what runs there first ({error})") from error
    with ExitStack() as stack:
        stack.callback(log.close)
        yield _opened(settings, log, stack)


@contextmanager
def running_house(settings: Settings) -> Iterator[House]:
    """A house on servers beside its running processes: nothing of theirs is locked or read off."""
    with ExitStack() as stack:
        # a spool of our own, that stays empty: the log is only looked at
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shoplight-")))
        log = open_event_log(settings.model_copy(update={"datadir": folder}))
        stack.callback(log.close)
        yield _opened(settings, log, stack)


def _opened(settings: Settings, log: EventLog, stack: ExitStack) -> House:
    settings.datadir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    stack.callback(database.close)
    store = open_event_store(settings)
    stack.callback(store.close)
    try:
        store.select("SELECT 1 AS one")
    except StoreUnavailable as error:
        raise HouseInUse(f"the event store of {name_of(settings)} cannot be had: {error}") from error
    return House(settings, database, store, open_blobs(settings), log)


@contextmanager
def alone_in(house: House) -> Iterator[None]:
    """While the context lasts nobody else moves into this house, from whatever machine."""
    with house.database.alone("moving") as ours:
        if not ours:
            raise HouseInUse(f"somebody else is moving into {house.name} right now")
        yield


def drain(house: House) -> int:
    """Take what still lies in the log into the store, as the house's own sink would. Returns the number of records."""
    log, net = house.log, house.settings.events.headless_is_net
    if isinstance(log, Spool):
        return Sink(Ends(log, house.store, net)).drain()
    taken, quiet_since, moved_at = 0, None, time.monotonic()
    with closing(open_log_reader(house.settings)) as reader:
        sink = Sink(Ends(reader, house.store, net))
        while quiet_since is None or time.monotonic() - quiet_since < SURE_S:
            if not waiting_of(log):
                quiet_since = quiet_since or time.monotonic()
                time.sleep(SURE_S / 4)
                continue
            quiet_since = None
            if more := sink.once():
                taken, moved_at = taken + more, time.monotonic()
            if time.monotonic() - moved_at > STUCK_S:
                raise HouseInUse(
                    f"{waiting_of(log)} still lie in the event log of {house.name} and do not come: stop its sinks, "
                    f"or see what ails the log{_status(log)}"
                )
    return taken


def waiting_of(log: EventLog) -> str:
    """What is on its way into the store, in words; empty when nothing is. Of spools elsewhere nothing is known."""
    words = []
    if isinstance(log, Spool):
        return f"{log.waiting()} bytes of events" if log.waiting() else ""
    unforwarded = getattr(log, "unforwarded", int)()
    waiting = sum(partition.waiting() for partition in log.partitions())
    words += [f"{unforwarded} bytes of events"] if unforwarded else []
    words += [f"{waiting} records of events"] if waiting else []
    return " and ".join(words)


def first_note(house: House, note: str) -> None:
    """Leave totals as the first note of the first partition, so that the sums of the new log go on from there."""
    if isinstance(house.log, Spool):
        house.log.commit(house.log.end(), note)
        return
    deadline = time.monotonic() + STUCK_S
    with closing(open_log_reader(house.settings)) as reader:
        while time.monotonic() < deadline:
            for partition in reader.assigned():
                if partition.number == 0:
                    partition.commit(partition.committed().offset, note)
                    return
    raise HouseInUse(f"a sink of {house.name} is running: stop it, then run the same command again")


def _status(log: EventLog) -> str:
    problem = getattr(log, "status", str)()
    return f" ({problem})" if problem else ""
