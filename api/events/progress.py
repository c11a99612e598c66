"""How far the sink has come: running totals that it leaves with each commit of the event log."""

import msgspec

from api.events.log import EventLog


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
