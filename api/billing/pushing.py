"""Telling the payment provider: entries are frozen into meter events first, then sent, one at a time a customer and
meter. An outcome that stays unknown for a day is looked up, because from then on an identifier guards nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from api.billing.invoicing import period_of
from api.billing.ledger_repository import LedgerAcrossTenants
from api.billing.models import SPEND_KINDS, USAGE_KINDS, LedgerEntry, MeterPush, PushState
from api.billing.payments import (
    MeterEvent,
    MeterOutcomeUnknown,
    MeterRefused,
    PaymentProvider,
    ProviderUnavailable,
)
from api.billing.push_repository import PushesAcrossTenants
from api.kit.clock import Clock
from api.kit.db import Database
from api.kit.ids import new_id
from api.kit.names import storable

PUSHED_KINDS = (*USAGE_KINDS, *SPEND_KINDS)
HOUR = timedelta(hours=1)
# Stripe keeps identifiers unique for at least 24 h and takes timestamps up to 35 days old; an hour of margin each
IDENTIFIER_HOLDS = timedelta(hours=23)
OLDEST = timedelta(days=35) - HOUR
LEASE = timedelta(minutes=2)  # longer than any call may take
MAX_PAUSE_S = 3600
ENTRIES_A_FREEZE = 10_000
PUSHES_A_ROUND = 100
MAX_ERROR = 500


class MeterPusher:
    """Freezes and sends meter events."""

    def __init__(self, database: Database, clock: Clock, payments: PaymentProvider) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments

    def push(self) -> Counter[PushState]:
        """Freeze what is new, then try each due meter event once. Returns the states they ended in."""
        self.freeze()
        outcomes: Counter[PushState] = Counter()
        tried: set[str] = set()
        while True:
            with self._database.read() as session:
                due = [push.id for push in PushesAcrossTenants(session).due(self._clock.now(), PUSHES_A_ROUND)]
            fresh = [push_id for push_id in due if push_id not in tried]
            if not fresh:
                return outcomes
            for push_id in fresh:
                tried.add(push_id)
                outcomes.update(self._settle(push_id))

    def freeze(self) -> int:
        """Fix meter events for all entries not told yet. Tenants that the provider does not know wait in the ledger."""
        with self._database.read() as session:
            ledger = LedgerAcrossTenants(session)
            tenants = ledger.tenants_unpushed(PUSHED_KINDS)
            terms = ledger.all_terms(tenants)
        frozen = 0
        for tenant_id in tenants:
            own = terms[tenant_id].customer_id if tenant_id in terms else None
            customer_id = self._payments.customer_for(tenant_id, own)
            if customer_id:
                frozen += self._freeze_tenant(tenant_id, customer_id)
        return frozen

    def _freeze_tenant(self, tenant_id: str, customer_id: str) -> int:
        frozen = 0
        with self._database.write() as session:
            ledger, pushes = LedgerAcrossTenants(session), PushesAcrossTenants(session)
            ledger.closing(lock=True)  # two freezers must not take the same entries
            for meter, entries in _windows(ledger.unpushed(tenant_id, PUSHED_KINDS, ENTRIES_A_FREEZE)):
                start = entries[0].hour
                nth = pushes.starting_at(tenant_id, meter, start) + 1
                push = MeterPush(
                    id=new_id("psh"),
                    tenant_id=tenant_id,
                    customer_id=customer_id,
                    meter=meter,
                    window_start=start,
                    window_end=entries[-1].hour + HOUR,
                    value=sum(map(value_of, entries)),
                    # made of what it tells, so that a restored backup freezes the same again
                    identifier=f"{tenant_id}:{meter}:{start:%Y%m%d%H}:{nth}",
                    created_at=self._clock.now(),
                )
                pushes.freeze(push, [entry.id for entry in entries])
                frozen += 1
        return frozen

    def _settle(self, push_id: str) -> list[PushState]:
        now = self._clock.now()
        with self._database.write() as session:
            push = PushesAcrossTenants(session).claim(push_id, now, now + LEASE)
            if push is None:
                return []
            first = push.unknown_since is None
            look = push.unknown_since is not None and now - push.unknown_since >= IDENTIFIER_HOLDS
            if first and now - event_of(push).at > OLDEST:
                _fail(push, "older than 35 days: the provider takes it no more, bill it by hand", now)
                return [push.state]
            if not look:
                # stored before the call: whoever finds this row after a crash knows that the call may have happened
                push.attempts += 1
                push.state = PushState.unknown
                push.unknown_since = push.unknown_since or now
            sent_before = PushesAcrossTenants(session).sent_value(
                push.customer_id, push.meter, push.window_end - HOUR, push.window_end
            )
        return [self._look_up(push, sent_before) if look else self._send(push, first=first)]

    def _send(self, push: MeterPush, *, first: bool) -> PushState:
        try:
            self._payments.send(event_of(push))
        except MeterRefused as refusal:
            # a refusal speaks of its own attempt alone: an earlier one may still have been counted
            if first and refusal.lasting:
                return self._store(push.id, PushState.failed, str(refusal))
            return self._store(push.id, PushState.pending if first else PushState.unknown, str(refusal))
        except MeterOutcomeUnknown as silence:
            return self._store(push.id, PushState.unknown, str(silence))
        return self._store(push.id, PushState.sent, None)

    def _look_up(self, push: MeterPush, sent_before: int) -> PushState:
        hour = push.window_end - HOUR
        try:
            metered = self._payments.metered(push.meter, push.customer_id, hour, push.window_end)
        except ProviderUnavailable as trouble:
            return self._store(push.id, PushState.unknown, str(trouble))
        if metered == sent_before + push.value:
            return self._store(push.id, PushState.sent, None)
        if metered == sent_before:
            return self._store(push.id, PushState.pending, None)
        reason = f"the meter holds {metered}, expected {sent_before} or {sent_before + push.value}: needs a person"
        return self._store(push.id, PushState.failed, reason)

    def _store(self, push_id: str, state: PushState, error: str | None) -> PushState:
        now = self._clock.now()
        with self._database.write() as session:
            push = PushesAcrossTenants(session).push(push_id)
            if push is None:
                raise LookupError(push_id)
            if state is PushState.failed:
                _fail(push, error or "", now)
                return state
            push.state, push.error = state, storable(error)[:MAX_ERROR] if error else None
            push.unknown_since = push.unknown_since if state is PushState.unknown else None
            push.settled_at = now if state is PushState.sent else None
            push.not_before = now + _pause(push.attempts) if error else None
            return state


def event_of(push: MeterPush) -> MeterEvent:
    """The frozen meter event. Its time is the last second of its window: in its hour, and past what began within."""
    return MeterEvent(push.meter, push.customer_id, push.value, push.window_end - timedelta(seconds=1), push.identifier)


def meter_of(entry: LedgerEntry) -> str:
    """The meter's event name: calls by kind, spend by kind and currency, in micros."""
    if entry.kind in SPEND_KINDS:
        return f"shoplight_{entry.kind.value}_micros_{entry.currency.lower()}"
    return f"shoplight_{entry.kind.value}"


def value_of(entry: LedgerEntry) -> int:
    """What an entry adds to its meter."""
    return entry.amount_micros if entry.kind in SPEND_KINDS else entry.quantity


def _windows(entries: Iterable[LedgerEntry]) -> Iterator[tuple[str, list[LedgerEntry]]]:
    """Hour by hour a meter; hours that come to nothing or less (corrections) go with the next ones of the same month
    that make them positive, and wait until there are such."""
    hours: dict[tuple[str, str], dict[datetime, list[LedgerEntry]]] = defaultdict(dict)
    for entry in entries:
        hours[meter_of(entry), period_of(entry.hour)].setdefault(entry.hour, []).append(entry)
    for (meter, _), by_hour in hours.items():
        window: list[LedgerEntry] = []
        for hour in sorted(by_hour):
            window += by_hour[hour]
            if sum(map(value_of, window)) > 0:
                yield meter, window
                window = []


def _fail(push: MeterPush, reason: str, now: datetime) -> None:
    push.state, push.error, push.settled_at, push.not_before = PushState.failed, storable(reason)[:MAX_ERROR], now, None


def _pause(attempts: int) -> timedelta:
    return timedelta(seconds=min(60 * 2 ** min(attempts, 10), MAX_PAUSE_S))
