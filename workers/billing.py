"""Tasks of money: close hours, tell the payment provider, work off its events, tell of quotas."""

import logging

from api.billing import service
from api.ports import Ports
from workers.celery_app import task

log = logging.getLogger(__name__)


@task("billing.close_hours")
def close_hours(ports: Ports) -> None:
    """Book closed hours, then tell of quotas and hand over to the push."""
    closed = service.close_hours(ports)
    if closed.entries:
        log.info("closed up to %s: %d entries, %d corrections", closed.end, closed.entries, closed.corrections)
        ports.queue.send("billing.push_meter_events")
    service.check_quotas(ports)


@task("billing.push_meter_events")
def push_meter_events(ports: Ports) -> None:
    """Freeze and send meter events."""
    outcomes = service.push_meter_events(ports)
    if outcomes:
        log.info("meter events: %s", {state.value: count for state, count in outcomes.items()})


@task("billing.work_off_webhooks")
def work_off_webhooks(ports: Ports) -> None:
    """Give stored events of the provider their effect."""
    service.work_off_webhooks(ports)


@task("billing.check_quotas")
def check_quotas(ports: Ports) -> None:
    """Tell of quotas that are used in part or whole."""
    service.check_quotas(ports)


@task("billing.sweep")
def sweep(ports: Ports) -> None:
    """Ask again for all that a lost hint would have told."""
    if service.hours_due(ports):
        ports.queue.send("billing.close_hours")
    ports.queue.send("billing.push_meter_events")
    ports.queue.send("billing.work_off_webhooks")
