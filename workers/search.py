"""Tasks of the product index: building it where a server lost it, and mending what differs from the stored rows."""

import logging

from api.events.store import StoreUnavailable
from api.ports import Ports
from api.search.coclicks import count_again
from api.search.index import IndexMissing, IndexUnavailable
from api.search.rebuild import Rebuilder
from workers.celery_app import task

log = logging.getLogger(__name__)


def rebuilder_of(ports: Ports) -> Rebuilder:
    """On open ports."""
    return Rebuilder(ports.database, ports.index, ports.eyes.embedder_version, ports.eyes.dim)


@task("search.sweep")
def sweep(ports: Ports) -> None:
    """Have the index built where there is none; one that is away is asked again at the next beat."""
    try:
        ports.index.check()
    except IndexMissing:
        ports.queue.send("search.refill")  # it may take minutes, and other sweeps must not wait for it
    except IndexUnavailable as error:
        log.info("the product index waits: %s", error)


@task("search.refill")
def refill(ports: Ports) -> None:
    """Build the index unless there is one, or somebody builds it. Harmless when asked for twice."""
    try:
        rebuilder_of(ports).refill(ports.clock.now())
    except IndexUnavailable as error:
        log.warning("the product index could not be built: %s", error)


@task("search.coclicks")
def coclicks(ports: Ports) -> None:
    """Count anew what is clicked together; one that cannot be counted now is counted at a later beat."""
    try:
        with ports.database.alone("search.coclicks") as mine:
            if mine:
                count_again(ports.event_store, ports.database, ports.clock.now())
                ports.co_clicks.forget()
    except StoreUnavailable as error:
        log.info("what is clicked together waits: %s", error)


@task("search.compare")
def compare(ports: Ports) -> None:
    """Compare the index with the stored rows, catalog by catalog."""
    try:
        rebuilder_of(ports).compare()
    except IndexUnavailable as error:
        log.info("the product index waits: %s", error)
