"""The sink's own tests, once more with a ClickHouse server at its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.events.reconcile import reconcile
from tests.api.events.sided_house import SidedHouse
from tests.event_stores import stores_of
from tests.workers.test_sink import (
    stamped,
    test_a_batch_that_landed_in_part_is_completed_as_if_it_had_not,
    test_a_crash_around_any_step_loses_and_doubles_nothing,
    test_a_replay_of_the_whole_log_adds_nothing,
    test_billing_reads_net_billable_events_by_hour,
    test_random_traffic_counts_as_the_model_says,
    test_roll_ups_can_be_thrown_away,
    test_the_sink_outlives_a_store_in_trouble,
    test_unreadable_records_go_to_the_dead_letters_as_they_were,
)

__all__ = [
    "test_a_batch_that_landed_in_part_is_completed_as_if_it_had_not",
    "test_a_crash_around_any_step_loses_and_doubles_nothing",
    "test_a_replay_of_the_whole_log_adds_nothing",
    "test_billing_reads_net_billable_events_by_hour",
    "test_random_traffic_counts_as_the_model_says",
    "test_roll_ups_can_be_thrown_away",
    "test_the_sink_outlives_a_store_in_trouble",
    "test_unreadable_records_go_to_the_dead_letters_as_they_were",
]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SidedHouse]:
    with stores_of("clickhouse", tmp_path) as stores:
        made = SidedHouse(tmp_path, stores)
        yield made
        made.close()


def test_a_second_row_of_one_identity_is_noticed_and_a_copy_is_not_one(house: SidedHouse) -> None:
    house.put(*[stamped(f"event-{i:04d}") for i in range(3)])
    house.drain()
    row = house.store.select("SELECT * FROM events LIMIT 1")[0]
    house.store.insert("events", {name: [value] for name, value in row.items()})
    assert reconcile(house.log, house.store).differences == []
    row["log_offset"] += 1
    house.store.insert("events", {name: [value] for name, value in row.items()})
    assert any("identities" in line for line in reconcile(house.log, house.store).differences)
