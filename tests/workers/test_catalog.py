"""The catalog's tasks go by the names that the API hands work over by."""

from api.ports import Ports
from workers import catalog
from workers.celery_app import BEAT, app
from workers.tasks import load_tasks


def test_the_names_that_the_api_sends_are_registered() -> None:
    load_tasks()
    assert {"catalog.run_import", "catalog.index_products", "catalog.sweep"} <= set(app.tasks)
    assert "catalog.sweep" in BEAT


def test_tasks_for_rows_that_are_gone_do_nothing(ports: Ports) -> None:
    catalog.run_import(ports, "imp_gone")
    catalog.index_products(ports, "ctg_gone")
    catalog.sweep(ports)
    assert ports.queue.sent == []
