"""Step: tell the log how far we are, with running totals of what became of every record. They feed `reconcile`."""

import msgspec

from api.events.log import Mark
from api.events.progress import progress_of
from api.events.reasons import Drop
from workers.sink.batch import Batch, Ends


def commit(batch: Batch, ends: Ends) -> None:
    """The last step: from here on the batch may be forgotten by the log. Only the sum of all partitions' totals is of
    use, and their commits stand or fall together: the first one's note takes what the whole batch adds."""
    notes = [progress_of(run.partition.committed().note) for run in batch.runs]
    totals = notes[0]
    totals.records += batch.records
    totals.stored += batch.stored
    totals.duplicate += batch.drops[Drop.duplicate]
    totals.conflict += batch.drops[Drop.conflict]
    totals.unparsable += batch.drops[Drop.unparsable]
    marks = []
    for run, note in zip(batch.runs, notes, strict=True):
        note.received_until_ms = max(note.received_until_ms, run.received_until_ms)
        marks.append(Mark(run.partition, run.end, msgspec.json.encode(note).decode()))
    ends.log.commit_all(marks)
