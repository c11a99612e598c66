"""Step: bytes of the log to records. What cannot be read or stored goes to the dead letters, never away."""

import msgspec

from api.events.reasons import Drop
from api.events.records import StampedEvent, UsageRecord, decode
from workers.sink.batch import Batch, Ends, Placed, Run

# what the store's DateTime and Int64 hold; one record beyond them must not stop all others
_MOMENTS_MS = range(2**32 * 1000)
_AMOUNTS = range(2**63)


def parse(batch: Batch, _: Ends) -> None:
    """Fill `events`, `usage` and `dead`."""
    for run in batch.runs:
        _parse(run, batch)


def _parse(run: Run, batch: Batch) -> None:
    run.taken = len(run.records)
    for record in run.records:
        batch.run_of[record.offset] = run
        try:
            found = decode(record.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            found = None
        if found is None or not _storable(found):
            batch.dead.append(record)
            run.drops[Drop.unparsable] += 1
        elif isinstance(found, StampedEvent):
            batch.events.append(Placed(record.offset, found))
            run.received_until_ms = max(run.received_until_ms, found.received_at_ms)
        else:
            batch.usage.append((record.offset, found))
            run.received_until_ms = max(run.received_until_ms, found.at_ms)


def _storable(found: StampedEvent | UsageRecord) -> bool:
    if isinstance(found, UsageRecord):
        return found.at_ms in _MOMENTS_MS and found.quantity in _AMOUNTS
    moments = (found.at_ms, found.received_at_ms, found.issued_at_ms)
    return found.charge_micros in _AMOUNTS and all(at_ms in _MOMENTS_MS for at_ms in moments)
