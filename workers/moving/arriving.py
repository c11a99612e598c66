"""A house that takes contents in: only an empty one, or one in which this very arrival has begun and was broken off.

Until everything has come the house carries a mark and will not open; an arrival that is broken off starts over.
"""

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from api.events.migrations import migrate
from api.events.reconcile import Reconciliation, reconcile
from api.events.rollup import rebuild
from api.kit.migrations import current_and_head, upgrade
from api.moving.marks_repository import Mark
from api.moving.service import mark, marks_of, unmark
from api.search.rebuild import rebuild_index
from api.shapes import open_index
from api.vision.service import Eyes
from workers.moving import blob_pieces
from workers.moving.event_tables import EventTables
from workers.moving.house import House, first_note
from workers.moving.keys import keep, keys_problem
from workers.moving.parts import BLOBS, EVENTS, ROWS, Origin, Part, Tell, quiet, told
from workers.moving.problems import MoveRefused
from workers.moving.tables_repository import TablesAcrossTenants
from workers.sink import facts


@dataclass(frozen=True)
class Settled:
    """What was made anew in the new house. `searchable` is None where the index is made at each start anyway."""

    rolled_up: int
    searchable: int | None
    reconciliation: Reconciliation

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


class HouseTarget:
    """A `Target`. `origin_name` says where everything comes from, and is how a broken arrival is known again."""

    def __init__(self, house: House, origin_name: str) -> None:
        self._house = house
        self._origin_name = origin_name
        self._origin: Origin | None = None

    def begin(self, origin: Origin) -> None:
        """See Target. Brings the schema up, refuses what can be refused, clears what a broken arrival left."""
        house = self._house
        upgrade(house.database)
        migrate(house.store)
        revision, _ = current_and_head(house.database)
        if origin.revision != revision:
            raise MoveRefused(
                f"what comes has schema {origin.revision}, this release {revision}: bring it in with the release that "
                "it comes from, then bring that house up to date with `shoplight migrate`"
            )
        problem = keys_problem(house.settings, origin.keys) if origin.keys else None
        if problem:
            raise MoveRefused(problem)
        marks = marks_of(house.database)
        if marks.get(Mark.arriving) == self._origin_name:
            self._clear()
        elif marks:
            raise MoveRefused(f"{house.name}: {'; '.join(f'{name}: {detail}' for name, detail in marks.items())}")
        elif held := self._held():
            raise MoveRefused(f"{house.name} is not empty: it has {held}. Only an empty house takes another one in")
        mark(house.database, Mark.arriving, self._origin_name)
        self._origin = origin

    def take(self, part: Part, tell: Tell) -> int:
        """See Target."""
        if part.kind == ROWS:
            return self._take_rows(part, tell)
        if part.kind == EVENTS:
            return self._take_events(part, tell)
        if part.kind == BLOBS:
            return self._take_blobs(part, tell)
        raise MoveRefused(f"nobody knows what {part.name} is")

    def settle(self, tell: Tell = quiet) -> Settled:
        """Totals, secrets, roll-ups and index; then do the counts agree?"""
        house, origin = self._house, self._arrived()
        first_note(house, msgspec.json.encode(origin.progress).decode())
        keep(house.settings, origin.keys, origin.keepsakes)
        tell("roll-ups", 0, None)
        rolled_up = rebuild(house.store)
        facts.rebuild(house.store)
        searchable = self._reindex(tell)
        return Settled(rolled_up, searchable, reconcile(house.log, house.store))

    def open_up(self) -> None:
        """The last step: from here on the house may be opened."""
        unmark(self._house.database, Mark.arriving)

    def _take_rows(self, part: Part, tell: Tell) -> int:
        taken = 0
        with self._house.database.write() as session:
            tables = TablesAcrossTenants(session.connection())
            tables.hold_still()
            for batch in told(part, tell):
                tables.add(part.table, batch)
                taken += len(batch)
            tables.count_on(part.table, part.schema)
        return taken

    def _take_events(self, part: Part, tell: Tell) -> int:
        events = EventTables(self._house.store)
        missing = events.missing_columns(part.table, part.schema)
        if missing:
            raise MoveRefused(f"{part.name} has columns that this release does not know: {', '.join(missing)}")
        # below every offset of the new log, which begins at 0 or above
        shift = (self._arrived().newest_offset or 0) + 1
        taken = 0
        for batch in told(part, tell):
            events.add(part.table, batch, shift)
            taken += len(batch)
        return taken

    def _take_blobs(self, part: Part, tell: Tell) -> int:
        taken = 0
        with blob_pieces.BlobTaker(self._house.blobs, self._house.settings.datadir) as taker:
            for batch in told(part, tell, blob_pieces.finished):
                try:
                    taker.add(batch)
                except ValueError as error:
                    raise MoveRefused(str(error)) from error
                taken += blob_pieces.finished(batch)
        return taken

    def _arrived(self) -> Origin:
        if self._origin is None:
            raise RuntimeError("nothing has begun to arrive")
        return self._origin

    def _reindex(self, tell: Tell) -> int | None:
        house = self._house
        with (
            closing(Eyes(house.settings.vision, house.settings.fetch.max_picture_bytes)) as eyes,
            closing(open_index(house.settings, eyes)) as index,
        ):
            if not index.durable:
                return None  # it fills itself at each start
            tell("index", 0, None)
            with index.replacement() as filling:
                return rebuild_index(house.database, filling, eyes.embedder_version, eyes.dim).products

    def _held(self) -> str:
        """What is there already, in words; empty when nothing is."""
        house = self._house
        with house.database.read() as session:
            found = TablesAcrossTenants(session.connection()).held()
        found |= EventTables(house.store).held()
        words = [f"{count} rows in {name}" for name, count in found.items()]
        blob = next(iter(house.blobs.keys()), None)
        words += [f"blobs ({blob} and perhaps more)"] if blob is not None else []
        waiting = sum(partition.waiting() for partition in house.log.partitions())
        noted = any(partition.committed().note for partition in house.log.partitions())
        words += ["an event log that is not new"] if waiting or noted else []
        return ", ".join(words)

    def _clear(self) -> None:
        house = self._house
        with house.database.write() as session:
            tables = TablesAcrossTenants(session.connection())
            tables.hold_still()
            tables.clear()
        EventTables(house.store).clear()
        blob_pieces.clear(house.blobs)
