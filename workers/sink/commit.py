"""Step: tell the log how far we are, with running totals of what became of every record. They feed `reconcile`."""

import msgspec

from api.events.log import Mark
from api.events.progress import progress_of
from api.events.reasons import Drop
from workers.sink.batch import Batch, Ends, Run


def commit(batch: Batch, ends: Ends) -> None:
    """The last step: from here on the records may be forgotten by the log. All partitions' commits stand or fall
    together."""
    ends.log.commit_all([Mark(run.partition, run.end, _note(run)) for run in batch.runs])


def _note(run: Run) -> str:
    """The partition's totals with what this run adds."""
    totals = progress_of(run.since.note)
    totals.records += run.taken
    totals.stored += run.stored
    totals.duplicate += run.drops[Drop.duplicate]
    totals.conflict += run.drops[Drop.conflict]
    totals.unparsable += run.drops[Drop.unparsable]
    totals.received_until_ms = max(totals.received_until_ms, run.received_until_ms)
    return msgspec.json.encode(totals).decode()
