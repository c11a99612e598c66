"""`shoplight serve`: the API and the pages, any number of processes on any number of machines."""

import logging

from api.catalog.freshness import ChangedElsewhere
from api.operations.health import readiness_of
from api.settings_check import Role
from workers.cli.ending import Ending
from workers.cli.processes import address, begin, bound, opened
from workers.cli.web import PoliteServer, house, when_started

log = logging.getLogger(__name__)
ROLE = Role.serve


def serve() -> None:
    """Answer the API and the pages on http.host and http.port."""
    settings = begin(ROLE)
    ending = Ending(settings.http.drain_s)
    listener = bound(settings, ROLE)
    with opened(settings, ROLE) as ports:
        ports.eyes.load()  # before anybody is sent here
        readiness = readiness_of(ports)
        server = PoliteServer(house(ports, readiness), settings.http, readiness, drain_s=settings.http.drain_s)
        ending.then(server.stop)
        when_started(server, lambda: log.info("serve is ready on %s", address(listener)))
        with ChangedElsewhere(ports.database, ports.clock, ports.catalogs, ports.pictures).watching():
            server.run(sockets=[listener])
