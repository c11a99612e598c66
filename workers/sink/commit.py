"""Step: tell the log how far we are, with running totals of what became of every record. They feed `reconcile`."""

import msgspec

from api.events.log import EventLog
from api.events.reasons import Drop
from workers.sink.batch import Batch, Ends


class Progress(msgspec.Struct):
    """Totals since the log began. `received_until_ms`: every record received before it has been dealt with."""

    records: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    unparsable: int = 0
    received_until_ms: int = 0


def progress(log: EventLog) -> Progress:
    """The totals as of the last commit."""
    note = log.committed().note
    return msgspec.json.decode(note, type=Progress) if note else Progress()


def commit(batch: Batch, ends: Ends) -> None:
    """The last step: from here on the batch may be forgotten by the log."""
    totals = progress(ends.log)
    totals.records += len(batch.records)
    totals.stored += batch.stored
    totals.duplicate += batch.drops[Drop.duplicate]
    totals.conflict += batch.drops[Drop.conflict]
    totals.unparsable += batch.drops[Drop.unparsable]
    received = [placed.event.received_at_ms for placed in batch.events] + [record.at_ms for _, record in batch.usage]
    totals.received_until_ms = max([totals.received_until_ms, *received])
    ends.log.commit(batch.end, msgspec.json.encode(totals).decode())
