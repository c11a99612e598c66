"""The last events that this process made durable. Advisory: it spares the log plain replays, the sink is exact."""

from collections.abc import Sequence

from api.events.records import StampedEvent

GENERATION = 50_000
_Key = tuple[str, str, str, str]


class RecentEvents:
    """Two generations of identities with their fingerprints, so that a conflicting event still gets through."""

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        self._young: set[_Key] = set()
        self._old: set[_Key] = set()

    def unseen(self, events: Sequence[StampedEvent]) -> list[StampedEvent]:
        """Those that were neither remembered nor twice in `events`."""
        fresh = {_key(event): event for event in reversed(events)}
        return [event for key, event in reversed(fresh.items()) if key not in self._young and key not in self._old]

    def remember(self, events: Sequence[StampedEvent]) -> None:
        """To be called once they are durable, never before."""
        self._young.update(map(_key, events))
        if len(self._young) >= self._generation:
            self._old, self._young = self._young, set()


def _key(event: StampedEvent) -> _Key:
    return event.publisher_id, event.event_id, event.core, event.full
