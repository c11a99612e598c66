"""The collector: which events of a batch are taken, and that they are durable before anybody is told so."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from msgspec.structs import replace

from api.errors import Unavailable
from api.events import client_event
from api.events.client_event import Refused
from api.events.log import RETRY_AFTER_S, EventLog, LogFull, LogUnavailable
from api.events.reasons import Rejection
from api.events.recent import RecentEvents
from api.events.records import StampedEvent, encode
from api.events.stamp import stamp
from api.events.tokens import TokenExpired, TokenForged, TokenSealer
from api.kit import tracing
from api.kit.clock import Clock
from api.kit.metrics import MetricName, counter
from api.sites.service import SiteView

log = logging.getLogger(__name__)
MAX_AGENT_CHARS = 256
ACCEPTED = counter(MetricName.events_accepted, ["type"])
REJECTED = counter(MetricName.events_rejected, ["reason"])


@dataclass
class Answer:
    """What a page is told; the three counts add up to what it sent."""

    accepted: int = 0
    duplicate: int = 0
    rejected: list[dict[str, str | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Visit:
    """What the request itself tells about who sent it."""

    received_at: datetime
    user_agent: str
    prefetch: bool

    @property
    def received_at_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self.received_at.timestamp() * 1000)


def visit(headers: Mapping[str, str], now: datetime) -> Visit:
    """From a request's headers. Prerender and prefetch announce themselves in one of three of them."""
    purpose = " ".join(headers.get(name, "") for name in ("sec-purpose", "purpose", "x-moz")).lower()
    speculative = "prefetch" in purpose or "prerender" in purpose or "preview" in purpose
    return Visit(now, headers.get("user-agent", "")[:MAX_AGENT_CHARS], speculative)


class Collector:
    """Verifies, stamps and spools. One a process; used on the event loop alone."""

    def __init__(self, event_log: EventLog, sealer: TokenSealer, clock: Clock) -> None:
        self._log = event_log
        self._sealer = sealer
        self._recent = RecentEvents()
        self.clock = clock

    async def collect(self, site: SiteView, raws: Sequence[msgspec.Raw], who: Visit) -> Answer:
        """Take what can be taken. Returns once it is durable; Unavailable when the log cannot take it now."""
        answer, events = Answer(), []
        for raw in raws:
            try:
                events.append(self._stamped(site, raw, who))
            except Refused as refused:
                REJECTED.labels(refused.reason).inc()
                answer.rejected.append({"id": refused.event_id, "reason": refused.reason})
        new = self._recent.unseen(events)
        answer.accepted, answer.duplicate = len(new), len(events) - len(new)
        await self._spool(new)
        return answer

    async def click(self, token: str, event_id: str, who: Visit) -> None:
        """Count a click by redirect. Its token has been opened by the caller; the same id may come by beacon too."""
        claims = self._sealer.open(token, who.received_at)
        event = stamp(
            claims,
            event_id=event_id,
            event_type="click",
            at_ms=who.received_at_ms,
            received_at_ms=who.received_at_ms,
            core=client_event.core_fingerprint("click", token),
            full="",
            user_agent=who.user_agent,
        )
        await self._spool(self._recent.unseen([event]))

    def _stamped(self, site: SiteView, raw: msgspec.Raw, who: Visit) -> StampedEvent:
        event = client_event.parse(memoryview(raw))
        try:
            claims = self._sealer.open(event.token, who.received_at)
        except TokenExpired as error:
            raise Refused(Rejection.token_expired, event.id) from error
        except TokenForged as error:
            raise Refused(Rejection.token_forged, event.id) from error
        if (claims.publisher_id, claims.site_id) != (site.tenant_id, site.site_id):
            raise Refused(Rejection.token_foreign, event.id)
        if who.prefetch:
            raise Refused(Rejection.prefetch, event.id)
        return stamp(
            claims,
            event_id=event.id,
            event_type=event.type,
            at_ms=event.at_ms,
            received_at_ms=who.received_at_ms,
            core=client_event.core_fingerprint(event.type, event.token),
            full=event.full,
            user_agent=who.user_agent,
            hidden=event.hidden,
        )

    async def _spool(self, events: Sequence[StampedEvent]) -> None:
        if not events:
            return
        trace = tracing.traceparent()
        stored = [replace(event, traceparent=trace) for event in events] if trace else events
        try:
            await asyncio.wrap_future(self._log.append([encode(event) for event in stored]))
        except LogFull as error:
            raise Unavailable("Too many events are waiting; send these again.", retry_after_s=RETRY_AFTER_S) from error
        except LogUnavailable as error:
            raise Unavailable("Events cannot be stored now; send these again.", retry_after_s=RETRY_AFTER_S) from error
        self._recent.remember(events)
        for event_type, count in Counter(event.type for event in events).items():
            ACCEPTED.labels(event_type).inc(count)
