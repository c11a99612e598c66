"""A house that gives its contents away: all of one moment, though it may be at work meanwhile.

The order makes it one moment. Rows first, in one snapshot. Then the counts: at least all that were there when the
snapshot was taken, so that no closed hour lacks an event; and in each partition of the log exactly those before a
commit of the sink, so that the totals of that commit are theirs. Then the blobs that the rows name, which nobody takes
away (but feeds of imports that have come to their end).
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from api.events.log import Committed
from api.events.progress import COUNTS, Progress, progress_of
from api.kit.migrations import current_and_head
from workers.moving import blob_pieces
from workers.moving.event_tables import KAFKA_PARTITION_BITS, EventTables
from workers.moving.house import House
from workers.moving.keys import keepsakes_of, keys_of
from workers.moving.parts import Origin, Part
from workers.moving.problems import MoveRefused
from workers.moving.tables_repository import TablesAcrossTenants

SINK_WAIT_S = 60.0
_POLL_S = 0.2


class HouseSource:
    """A `Source`. `live`: the house's processes go on, and its log is cut at their last commits."""

    def __init__(self, house: House, *, live: bool, with_keys: bool = True) -> None:
        self._house = house
        self._live = live
        self._with_keys = with_keys
        self._stack = ExitStack()
        self._until: list[int] | None = None

    def __enter__(self) -> Self:
        session = self._stack.enter_context(self._house.database.read())
        self._tables = TablesAcrossTenants(session.connection())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def origin(self) -> Origin:
        """See Source."""
        house = self._house
        revision, head = current_and_head(house.database)
        if revision is None or revision != head:
            raise MoveRefused(f"{house.name} has schema {revision}, this release {head}: run `shoplight migrate` first")
        self._tables.hold_still()
        commits = self._commits() if self._live else [part.committed() for part in house.log.partitions()]
        if self._live:
            self._until = [commit.offset for commit in commits]
        events = EventTables(house.store, self._until)
        return Origin(
            revision=revision,
            event_schema=events.schema_files(),
            progress=_summed(commits),
            newest_offset=events.newest_offset(),
            keys=keys_of(house.settings) if self._with_keys else {},
            keepsakes=keepsakes_of(house.settings) if self._with_keys else {},
        )

    def parts(self) -> Iterator[Part]:
        """See Source."""
        yield from self._tables.parts()
        self._stack.close()  # what follows may take hours, and a snapshot held for hours costs the database
        yield from EventTables(self._house.store, self._until).parts()
        yield blob_pieces.part_of(self._house.blobs)

    def _commits(self) -> list[Committed]:
        """The sink's commits, once all that is in the store by now lies before them."""
        newest = self._newest()
        deadline = time.monotonic() + SINK_WAIT_S
        while True:
            commits = [part.committed() for part in self._house.log.partitions()]
            late = [number for number, offset in newest.items() if commits[number].offset <= offset]
            if not late:
                return commits
            if time.monotonic() > deadline:
                raise MoveRefused(
                    f"the sink has not finished a batch of partition {late[0]} for {SINK_WAIT_S:g} s: start "
                    "`shoplight sink`, then try again"
                )
            time.sleep(_POLL_S)

    def _newest(self) -> dict[int, int]:
        mask = (1 << KAFKA_PARTITION_BITS) - 1
        newest: dict[int, int] = {}
        for table in ("events", "event_conflicts", "usage", "dead_letters"):
            sql = f"""SELECT bitAnd(log_offset, {mask}) AS part, max(log_offset) AS newest FROM {table}
WHERE log_offset >= 0 GROUP BY part"""  # noqa: S608 - our names
            for row in self._house.store.select(sql):
                newest[int(row["part"])] = max(newest.get(int(row["part"]), -1), int(row["newest"]))
        return newest


def _summed(commits: list[Committed]) -> Progress:
    total = Progress()
    for commit in commits:
        found = progress_of(commit.note)
        for name in COUNTS:
            setattr(total, name, getattr(total, name) + getattr(found, name))
        total.received_until_ms = max(total.received_until_ms, found.received_until_ms)
    return total
