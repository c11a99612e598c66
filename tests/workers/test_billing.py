"""The tasks of money hand on to each other, and the sweep finds what a lost hint would have told."""

from datetime import timedelta
from typing import Any

import pytest

from api.kit.clock import FixedClock
from api.ports import Ports
from workers import billing
from workers.celery_app import app
from workers.sink.pipeline import Sink


def names(queue: Any) -> list[str]:
    sent = [name for name, _ in queue.sent]
    queue.sent.clear()
    return sent


@pytest.mark.parametrize("name", ["close_hours", "push_meter_events", "work_off_webhooks", "check_quotas", "sweep"])
def test_each_task_is_registered_under_the_name_that_hints_use(name: str) -> None:
    assert f"billing.{name}" in app.tasks


def test_from_a_metered_call_to_the_meter_by_tasks_alone(
    ports: Ports, queue: Any, clock: FixedClock, account: Any
) -> None:
    tenant_id = account("developer").tenant_id
    ports.meter.record(tenant_id, "search", query_id="qry_1")
    ports.event_log.append([]).result(60)
    Sink.of(ports).drain()
    hour = clock.now()
    clock.advance(timedelta(hours=2))

    billing.sweep(ports)
    assert "billing.close_hours" in names(queue)
    billing.close_hours(ports)
    assert names(queue) == ["billing.push_meter_events"]
    billing.push_meter_events(ports)
    assert ports.payments.metered("shoplight_search", tenant_id, hour, hour + timedelta(hours=1)) == 1

    billing.close_hours(ports)
    assert names(queue) == []
    billing.sweep(ports)
    assert "billing.close_hours" not in names(queue)


def test_webhooks_and_quotas_have_nothing_to_do_on_an_empty_house(ports: Ports, queue: Any) -> None:
    billing.work_off_webhooks(ports)
    billing.check_quotas(ports)
    assert names(queue) == []
