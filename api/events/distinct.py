"""Rows that may lie in the store more than once are read as one; what makes two rows the same is written down here.

Two sinks may hold a partition of the log for a moment (one that was paused and does not know yet), and an insert whose
answer got lost may have landed: both leave identical copies. Plain MergeTree tables keep them, on purpose: an engine
that replaces rows by key would also hide two different rows of one identity, which `reconcile` is to find, and it
replaces only some day, so that reads had to look out for copies all the same.
"""

IDENTITY = {
    "events": "publisher_id, event_id",
    "event_conflicts": "publisher_id, event_id, core, full",
    "usage": "tenant_id, query_id",
    "dead_letters": "log_offset",
}


def once(table: str, columns: str, condition: str = "1") -> str:
    """A sub-select: rows of `table` under `condition` without their copies. Costs a set of the identities read, so the
    condition belongs inside it."""
    return f"(SELECT {columns} FROM {table} WHERE {condition} LIMIT 1 BY {IDENTITY[table]})"  # noqa: S608 - our names
