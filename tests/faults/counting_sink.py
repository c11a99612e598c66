"""A sink without a store: it counts what it reads into the notes of its commits, slowly enough to be killed at work.

`python -m tests.faults.counting_sink <servers> <topic>`. Prints a line for each batch that it has committed.
"""

import sys
import threading
import time

from api.events.kafka_reader import KafkaReader
from api.settings import EventSettings
from tests.faults.no_store import NO_STORE
from workers.sink import pace, pipeline
from workers.sink.batch import Batch, Ends
from workers.sink.commit import commit
from workers.sink.parse import parse


def slowly(_: Batch, __: Ends) -> None:
    time.sleep(0.05)


def tell(batch: Batch, _: Ends) -> None:
    print(batch.records, flush=True)  # noqa: T201 - the test waits for it


def main() -> None:
    pipeline.BATCH_RECORDS = 20
    pace.SHORTEST_S = pace.LONGEST_S = 0.0  # it commits each batch
    settings = EventSettings(kafka_servers=sys.argv[1], kafka_topic=sys.argv[2], kafka_group=sys.argv[2])
    sink = pipeline.Sink(Ends(KafkaReader(settings), NO_STORE), [parse, slowly, commit, tell])
    sink.run(threading.Event())


if __name__ == "__main__":
    main()
