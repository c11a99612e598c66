"""`shoplight worker`: tasks off the broker, any number of processes."""

import logging
import os
import sys

from api.operations.health import readiness_of
from api.settings_check import Role
from workers import celery_app
from workers.celery_worker import Worker
from workers.cli.ending import Ending
from workers.cli.ops import OpsServer
from workers.cli.processes import address, begin, bound, opened
from workers.tasks import load_tasks

log = logging.getLogger(__name__)
ROLE = Role.worker
# a worker looks pictures up in the database and keeps what it found there; the rest it tries again later
NEEDED = frozenset({"database", "tasks"})


def worker() -> None:
    """Work off tasks: imports, pictures, films, bills. Health is told on http.host and http.port."""
    settings = begin(ROLE)
    ending = Ending()
    listener = bound(settings, ROLE)
    load_tasks()
    with opened(settings, ROLE) as ports:
        ports.eyes.load()
        celery_app.use(ports)
        tasks = Worker(settings.queue.threads)
        ops = OpsServer(readiness_of(ports, NEEDED, tasks=tasks.check), settings.http, listener)
        ops.start()
        tasks.start()
        log.info("worker is ready, health on %s", address(listener))
        ending.asked.wait()
        ops.stopping()
        finished = tasks.stop()
        if not finished:
            log.warning("tasks that still run go back to the queue")
        ops.stop()
    if not finished:
        sys.stderr.flush()
        os._exit(0)  # their threads end in no other way
