"""How far the sinks have come: running totals that they leave with each commit of a partition of the event log."""

import msgspec

from api.events.log import EventLog, LogPartition

COUNTS = ("records", "stored", "duplicate", "conflict", "unparsable")


class Progress(msgspec.Struct):
    """Totals since a partition began. `received_until_ms`: the latest receipt among the records dealt with."""

    records: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    unparsable: int = 0
    received_until_ms: int = 0


def progress_of(note: str) -> Progress:
    """The totals in a commit's note."""
    return msgspec.json.decode(note, type=Progress) if note else Progress()


def progress(log: EventLog) -> Progress:
    """The totals over all partitions as of their last commits; of the receipts the latest."""
    total = Progress()
    for partition in log.partitions():
        part = progress_of(partition.committed().note)
        for name in COUNTS:
            setattr(total, name, getattr(total, name) + getattr(part, name))
        total.received_until_ms = max(total.received_until_ms, part.received_until_ms)
    return total


def waiting_since_ms(log: EventLog) -> int | None:
    """What still waits in the log was received at this time or later; None when nothing waits.

    Records that are still in the spool of some process are not in the log yet and cannot be seen from here.
    """
    since = [_waiting_since_ms(partition) for partition in log.partitions()]
    return min((at_ms for at_ms in since if at_ms is not None), default=None)


def _waiting_since_ms(partition: LogPartition) -> int | None:
    end = partition.end()  # before the commit: what arrives in between only makes the answer earlier
    committed = partition.committed()
    return progress_of(committed.note).received_until_ms if committed.offset < end else None
