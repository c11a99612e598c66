"""`shoplight beat`: asks for every sweep at its time. One is enough; two do no harm."""

import logging

from api.kit.readiness import Readiness
from api.settings_check import Role
from workers import celery_app
from workers.celery_worker import Beat
from workers.cli.ending import Ending
from workers.cli.ops import OpsServer
from workers.cli.processes import address, begin, bound

log = logging.getLogger(__name__)
ROLE = Role.beat


def beat() -> None:
    """Ask for the sweeps that find what lost hints told of. Health is told on http.host and http.port."""
    settings = begin(ROLE)
    ending = Ending()
    listener = bound(settings, ROLE)
    sweeps = Beat(celery_app.configure(settings))
    checks = {"broker": sweeps.check}
    ops = OpsServer(Readiness(checks, needed=checks, hide=settings.secret_values()), settings.http, listener)
    ops.start()
    sweeps.start()
    log.info("beat is ready, health on %s", address(listener))
    ending.asked.wait()
    ops.stopping()
    sweeps.stop()
    ops.stop()
