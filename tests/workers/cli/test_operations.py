"""`reindex`, `rollup` and `reconcile` on a data directory that nobody holds, and on one that somebody does."""

import json
from pathlib import Path

import pytest

from api.ports import Ports
from tests.api.events.shop_page import ShopPage
from tests.workers.cli.conftest import Shoplight

each = pytest.mark.parametrize("command", ["reindex", "rollup", "reconcile"])


@each
def test_a_folder_without_shoplight_stays_untouched(shoplight: Shoplight, tmp_path: Path, command: str) -> None:
    said = shoplight(command, "--data-dir", tmp_path / "nothing")
    assert said.exit_code == 1
    assert "There is no Shoplight" in said.stderr
    assert not (tmp_path / "nothing").exists()


@each
def test_a_data_directory_in_use_is_left_to_its_holder(shoplight: Shoplight, ports: Ports, command: str) -> None:
    said = shoplight(command, "--data-dir", ports.settings.datadir)
    assert said.exit_code == 1
    assert "Another process uses" in said.stderr


def test_rollup_and_reconcile_on_a_data_directory_at_rest(shoplight: Shoplight, ports: Ports, page: ShopPage) -> None:
    assert page.accepted([page.event(kind, page.token()) for kind in ("impression", "viewable")]) == 2
    page.drain()
    assert page.accepted([page.event("click", page.token())]) == 1
    ports.event_store.command("TRUNCATE TABLE rollup_15m")
    ports.close()

    told = shoplight("reconcile", "--data-dir", ports.settings.datadir, "--json")
    found = json.loads(told.stdout)
    assert (told.exit_code, found["store"]["events"], found["store"]["rolled_up"]) == (1, 2, 0)
    assert found["waiting"] > 0, "the click is in the log, and no sink has run since"

    rebuilt = shoplight("rollup", "--data-dir", ports.settings.datadir, "--json")
    assert (rebuilt.exit_code, json.loads(rebuilt.stdout)["events"]) == (0, 2)

    told = shoplight("reconcile", "--data-dir", ports.settings.datadir)
    assert told.exit_code == 0, told.stderr
    assert "All counts agree" in told.stdout


def test_reindex_of_an_empty_house(shoplight: Shoplight, ports: Ports) -> None:
    ports.close()
    told = shoplight("reindex", "--data-dir", ports.settings.datadir, "--json")
    assert (told.exit_code, json.loads(told.stdout)["products"]) == (0, 0)
