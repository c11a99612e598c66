"""`shoplight sink`: the event log into the event store; as many processes as the topic has partitions may share it."""

import logging

from api.kit.readiness import Readiness
from api.operations.health import store_checks
from api.settings_check import Role
from api.shapes import open_event_store, open_log_reader
from workers.cli.ending import Ending
from workers.cli.ops import OpsServer
from workers.cli.processes import address, begin, bound, refuse_older_events
from workers.sink import Sink
from workers.sink.batch import Ends

log = logging.getLogger(__name__)
ROLE = Role.sink


def sink() -> None:
    """Take events from Kafka into ClickHouse. Health is told on http.host and http.port."""
    from api.events.kafka_client import KafkaClient  # noqa: PLC0415 - a library of the scale-out shape

    settings = begin(ROLE)
    ending = Ending()
    listener = bound(settings, ROLE)
    store, reader, kafka = open_event_store(settings), open_log_reader(settings), KafkaClient(settings.events)
    refuse_older_events(ROLE, store)
    checks = {"event_store": store_checks(store), "kafka": kafka.partitions}
    ops = OpsServer(Readiness(checks, needed=checks, hide=settings.secret_values()), settings.http, listener)
    ops.start()
    log.info("sink is ready, health on %s", address(listener))
    ending.then(ops.stopping)
    Sink(Ends(reader, store, settings.events.headless_is_net)).run(ending.asked)
    reader.close()  # the others take the partitions over at once
    store.close()
    kafka.drop()
    ops.stop()
