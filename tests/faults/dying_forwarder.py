"""A forwarder that dies when Kafka has acknowledged and the spool does not know it yet.

`python -m tests.faults.dying_forwarder <spool folder> <servers> <topic>`.
"""

import os
import sys
import time
from pathlib import Path

from api.events.kafka_log import KafkaLog
from api.events.spool import Spool
from api.settings import EventSettings

DIED = 9


class DyingSpool(Spool):
    def commit(self, offset: int, note: str = "") -> None:
        os._exit(DIED)


def main() -> None:
    settings = EventSettings(kafka_servers=sys.argv[2], kafka_topic=sys.argv[3], kafka_group=sys.argv[3])
    KafkaLog(DyingSpool(Path(sys.argv[1]), max_bytes=10**9), settings)
    time.sleep(60)


if __name__ == "__main__":
    main()
