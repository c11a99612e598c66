"""Step: bytes of the log to records. What cannot be read goes to the dead letters, never away."""

import msgspec

from api.events.reasons import Drop
from api.events.records import StampedEvent, decode
from workers.sink.batch import Batch, Ends, Placed


def parse(batch: Batch, _: Ends) -> None:
    """Fill `events`, `usage` and `dead`."""
    for record in batch.records:
        try:
            found = decode(record.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            batch.dead.append(record)
            batch.drops[Drop.unparsable] += 1
            continue
        if isinstance(found, StampedEvent):
            batch.events.append(Placed(record.offset, found))
        else:
            batch.usage.append((record.offset, found))
