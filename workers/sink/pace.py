"""When the sink does what it puts off: a roll-up by what it costs, a partition in trouble by how often it failed."""

import time

# a count shows in reports within 15 s; a batch on its way, a roll-up and a store that was away have to fit in as well
LONGEST_S = 5.0
SHORTEST_S = 0.5
TIMES_COST = 3.0  # a roll-up costs more the fuller the quarter is: it may take a quarter of the sink's time
BACKOFF_S = 1.0
MAX_BACKOFF_S = 8.0  # a store that is back shows its counts within 15 s


class Pace:
    """How long what is written may wait for its roll-up while more keeps coming."""

    def __init__(self) -> None:
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time, even though there is more to write."""
        return time.monotonic() >= self._next

    def cost(self, spent_s: float) -> None:
        """The last roll-up took that long."""
        self._next = time.monotonic() + min(max(SHORTEST_S, TIMES_COST * spent_s), LONGEST_S)


class Trouble:
    """How long to rest: longer each time, up to a bound."""

    def __init__(self) -> None:
        self._pause_s = BACKOFF_S
        self._until = 0.0

    def next_pause(self) -> float:
        """Begin to rest; returns for how long."""
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, MAX_BACKOFF_S)
        self._until = time.monotonic() + pause_s
        return pause_s

    def rests(self) -> bool:
        """Whether it is too early to try again."""
        return time.monotonic() < self._until
