"""The learning-rate range test (Smith, 2017): which rates to try, and which one the losses speak for. No network."""

import math
from collections.abc import Sequence

LOWEST, HIGHEST = 1e-6, 1.0
SMOOTHING = 0.9
# The test ends once the loss is so many times its best: everything beyond is noise.
DIVERGED = 4.0
FALLBACK = 1e-3


def ladder(steps: int, lowest: float = LOWEST, highest: float = HIGHEST) -> list[float]:
    """Rates that grow by the same factor each step."""
    factor = (highest / lowest) ** (1 / max(steps - 1, 1))
    return [lowest * factor**step for step in range(steps)]


def smoothed(losses: Sequence[float]) -> list[float]:
    """Exponential average without the pull of its start."""
    found, average = [], 0.0
    for number, loss in enumerate(losses, 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        found.append(average / (1 - SMOOTHING**number))
    return found


def diverged(losses: Sequence[float]) -> bool:
    line = smoothed(losses)
    return not math.isfinite(losses[-1]) or line[-1] > DIVERGED * min(line)


def suggest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate at which the smoothed loss falls fastest per decade; FALLBACK where it never falls."""
    finite = [(rate, loss) for rate, loss in zip(rates, losses, strict=False) if math.isfinite(loss)]
    if len(finite) < 3:
        return FALLBACK
    line = smoothed([loss for _, loss in finite])
    bottom = line.index(min(line))
    # The average of a few losses is noise, and so is one step of it: the first tenth is left out, a slope spans more.
    first, span = len(rates) // 10, max(len(rates) // 15, 1)
    slopes = {middle: line[middle + span] - line[middle - span] for middle in range(first + span, bottom - span + 1)}
    if not slopes or min(slopes.values()) >= 0:
        return FALLBACK
    return finite[min(slopes, key=lambda middle: slopes[middle])][0]
