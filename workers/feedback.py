"""Tasks of shoppers' words on tags."""

from api.media.feedback_sweep import sweep as count_again
from api.ports import Ports
from workers.celery_app import task


@task("feedback.sweep")
def sweep(ports: Ports) -> None:
    """Count them again against how often the tags were seen, and let old ones go."""
    with ports.database.alone("feedback.sweep") as mine:
        if mine:
            count_again(ports.database, ports.event_store, ports.clock.now())
