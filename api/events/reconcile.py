"""Do the counts agree all the way? What the log took, what the store holds, what the roll-ups add up to."""

from dataclasses import asdict, dataclass, field
from typing import Any

from api.events.distinct import IDENTITY, once
from api.events.log import EventLog
from api.events.progress import COUNTS, progress
from api.events.store import EventStore

# copies of a row are one row; two rows of one identity that differ are not, and show as more events than identities
_HELD = f"""
SELECT (SELECT uniqExact(publisher_id, event_id, log_offset) FROM events) AS events,
       (SELECT uniqExact(publisher_id, event_id) FROM events) AS identities,
       (SELECT uniqExact(tenant_id, query_id) FROM usage) AS usage,
       (SELECT uniqExact({IDENTITY["event_conflicts"]}) FROM event_conflicts) AS conflicts,
       (SELECT uniqExact(log_offset) FROM dead_letters) AS dead_letters,
       (SELECT sum(events) FROM rollup_15m FINAL) AS rolled_up,
       (SELECT sum(spend_micros) FROM {once("events", "spend_micros")}) AS spend_micros,
       (SELECT sum(spend_micros) FROM rollup_15m FINAL) AS rolled_up_spend_micros,
       (SELECT count() FROM events) - events AS copies"""  # noqa: S608 - our names

TRIES = 5


@dataclass
class Reconciliation:
    """`differences` is empty when all is well; `waiting` is how much of the log is still on its way."""

    log: dict[str, int]
    store: dict[str, int]
    waiting: int
    differences: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `shoplight reconcile --json`."""
        return asdict(self)


def reconcile(event_log: EventLog, store: EventStore) -> Reconciliation:
    """Compare. Exact while the sink stands still; while it runs, it is looked at again until nothing moved meanwhile,
    and after TRIES a batch may be seen half-way."""
    for _ in range(TRIES):
        waiting, taken = _waiting(event_log), progress(event_log)
        held = {name: int(value or 0) for name, value in store.select(_HELD)[0].items()}
        left = _waiting(event_log)
        if not waiting and not left and progress(event_log) == taken:
            break
    became = taken.stored + taken.duplicate + taken.conflict + taken.unparsable
    checks = {
        "records of the log and what became of them": (taken.records, became),
        "stored records and rows": (taken.stored, held["events"] + held["usage"]),
        "conflicts": (taken.conflict, held["conflicts"]),
        "dead letters": (taken.unparsable, held["dead_letters"]),
        "rows and identities": (held["events"], held["identities"]),
        "rows and roll-ups": (held["events"], held["rolled_up"]),
        "spend of rows and of roll-ups": (held["spend_micros"], held["rolled_up_spend_micros"]),
    }
    totals = {name: int(getattr(taken, name)) for name in COUNTS}
    result = Reconciliation(totals, held, max(waiting, left))
    result.differences = [f"{name}: {a} and {b}" for name, (a, b) in checks.items() if a != b]
    return result


def _waiting(event_log: EventLog) -> int:
    return sum(partition.waiting() for partition in event_log.partitions())
