"""Step: why an event is not net, and which impressions are the first of their picture. Decided once, in log order.

Every rule looks only at events with smaller offsets, so a replay from any point, with any batch boundaries, comes to
the same result, and rows never have to change.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from api.events.agents import agent_flag
from api.events.reasons import EventType, Flag
from api.events.records import StampedEvent
from workers.sink.batch import Batch, Ends, Judged
from workers.sink.facts import table_since

REPEAT_CLICK_MS = 2000
# media_impressions are counted at three levels: one a picture, one a picture and brand, one a picture and product
MEDIA_LEVELS = 3
_NOT_BEFORE_ISSUE_MS = 5 * 60 * 1000
_RECENT_MS = 30 * 60 * 1000
_ONCE = {EventType.impression: Flag.repeat_impression, EventType.viewable: Flag.repeat_viewable}
_EARLIER = """
SELECT publisher_id, nonce, tag_id, media_id, brand_id, product_id, type, flag, at_ms, log_offset FROM {table}
WHERE at >= toDateTime({since:Int64}, 'UTC') AND intDiv(toUInt32(at), 900) >= intDiv({since:Int64}, 900)
  AND type IN ('impression', 'viewable', 'click')
  AND (publisher_id, nonce) IN (SELECT publisher_id, nonce FROM @keys)"""


class _Fact(NamedTuple):
    """What the rules look at, of an event in the store or in the batch."""

    offset: int
    view: tuple[str, str]
    tag_id: str
    media: tuple[str, str, str]
    type: str
    at_ms: int
    net: bool = False
    placed: StampedEvent | None = None


def classify(batch: Batch, ends: Ends) -> None:
    """Fill `judged` from `fresh`."""
    if not batch.fresh:
        return
    rules = _Rules(ends.headless_is_net)
    arrived = {placed.offset for placed in batch.fresh}
    # another sink may have stored some of this batch meanwhile: they are judged by what came before them, all the same
    stored = [fact for fact in _stored(batch, ends) if fact.offset not in arrived]
    for fact in sorted([*stored, *_arrived(batch)], key=_offset):
        if fact.placed is None:
            rules.remember(fact, net=fact.net)
        else:
            flags = rules.flags(fact, fact.placed)
            firsts = rules.media_firsts(fact, net=not flags)
            rules.remember(fact, net=not flags)
            batch.judged.append(Judged(fact.offset, fact.placed, flags, firsts))


class _Rules:
    def __init__(self, headless_is_net: bool) -> None:
        self._headless_is_net = headless_is_net
        self._once: set[tuple[tuple[str, str], str, str]] = set()
        self._clicks: defaultdict[tuple[tuple[str, str], str], list[int]] = defaultdict(list)
        self._media: tuple[set[tuple[str, ...]], set[tuple[str, ...]]] = (set(), set())

    def flags(self, fact: _Fact, event: StampedEvent) -> list[Flag]:
        flags = []
        agent = agent_flag(event.user_agent)
        if agent and not (agent is Flag.automated_browser and self._headless_is_net):
            flags.append(agent)
        if event.hidden:
            flags.append(Flag.hidden_placement)
        if fact.type in _ONCE and (fact.view, fact.tag_id, fact.type) in self._once:
            flags.append(_ONCE[EventType(fact.type)])
        earlier = self._clicks.get((fact.view, fact.tag_id), ()) if fact.type == EventType.click else ()
        if any(abs(fact.at_ms - at_ms) < REPEAT_CLICK_MS for at_ms in earlier):
            flags.append(Flag.repeat_click)
        return flags

    def media_firsts(self, fact: _Fact, *, net: bool) -> int:
        """Bits 0-2: first of its media, media and brand, media and product among all; bits 3-5: among net ones."""
        if fact.type != EventType.impression:
            return 0
        bits = 0
        for level, key in enumerate(_media_keys(fact)):
            bits |= (key not in self._media[0]) << level
            bits |= (net and key not in self._media[1]) << (level + MEDIA_LEVELS)
        return bits

    def remember(self, fact: _Fact, *, net: bool) -> None:
        if fact.type == EventType.click:
            self._clicks[fact.view, fact.tag_id].append(fact.at_ms)
        elif net and fact.type in _ONCE:
            self._once.add((fact.view, fact.tag_id, fact.type))
        if fact.type == EventType.impression:
            self._media[0].update(_media_keys(fact))
            if net:
                self._media[1].update(_media_keys(fact))


def _offset(fact: _Fact) -> int:
    return fact.offset


def _media_keys(fact: _Fact) -> Iterator[tuple[str, ...]]:
    media_id, brand_id, product_id = fact.media
    yield (*fact.view, media_id)
    yield (*fact.view, media_id, "brand", brand_id)
    yield (*fact.view, media_id, "product", product_id)


def _stored(batch: Batch, ends: Ends) -> Iterator[_Fact]:
    """Events of the same views that are in the store already, some of this very batch perhaps."""
    since_ms: dict[tuple[str, str], int] = {}
    for _, event in batch.fresh:
        view = (event.publisher_id, event.nonce)
        since_ms[view] = min(event.issued_at_ms, since_ms.get(view, event.issued_at_ms))
    # views of just now and older ones apart: a few of yesterday's must not make the rest look through a whole day
    recent_ms = max(since_ms.values()) - _RECENT_MS
    for recent in (True, False):
        views = {view: at_ms for view, at_ms in since_ms.items() if (at_ms >= recent_ms) is recent}
        if views:
            yield from _of_views(views, min(views.values()) - _NOT_BEFORE_ISSUE_MS, ends)


def _of_views(views: Iterable[tuple[str, str]], since_ms: int, ends: Ends) -> Iterator[_Fact]:
    publishers, nonces = zip(*views, strict=True)
    keys = {"publisher_id": publishers, "nonce": nonces}
    since_s = max(0, since_ms // 1000)
    earlier = _EARLIER.replace("{table}", table_since(since_s))
    for row in ends.store.select(earlier, {"since": since_s}, keys):
        yield _Fact(
            row["log_offset"],
            (row["publisher_id"], row["nonce"]),
            row["tag_id"],
            (row["media_id"], row["brand_id"], row["product_id"]),
            row["type"],
            row["at_ms"],
            net=row["flag"] == "",
        )


def _arrived(batch: Batch) -> Iterator[_Fact]:
    for offset, event in batch.fresh:
        yield _Fact(
            offset,
            (event.publisher_id, event.nonce),
            event.tag_id,
            (event.media_id, event.brand_id, event.product_id),
            event.type,
            event.at_ms,
            placed=event,
        )
