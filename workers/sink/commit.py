"""Step: tell the log how far we are, with running totals of what became of every record. They feed `reconcile`."""

import msgspec

from api.events.progress import progress
from api.events.reasons import Drop
from workers.sink.batch import Batch, Ends


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
