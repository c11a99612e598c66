"""A sink that dies for good around one of its steps.

`python -m tests.faults.dying_sink <dir> <number of the step> inside|after`: inside, the store takes one insert more.
"""

import os
import sys
from pathlib import Path

from api.events.spool import Spool
from api.events.store_chdb import ChdbEventStore
from workers.sink.batch import Batch, Ends
from workers.sink.pipeline import STEPS, Sink

DIED = 9


def main() -> None:
    folder, number, when = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    log, store = Spool(folder / "spool", max_bytes=10**9), ChdbEventStore(folder / "chdb")
    insert, inserts = store.insert, iter([True])

    def last_insert(table: str, columns: dict) -> None:
        if columns and not next(inserts, False):
            os._exit(DIED)
        insert(table, columns)

    def dying(batch: Batch, ends: Ends) -> None:
        if when == "inside":
            store.insert = last_insert  # type: ignore[method-assign]
        STEPS[number](batch, ends)
        os._exit(DIED)

    Sink(Ends(log, store), [*STEPS[:number], dying]).drain()


if __name__ == "__main__":
    main()
