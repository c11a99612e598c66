"""Closing hours: what the event store has counted becomes ledger entries, each run only what is missing.

Recent hours are looked at again, because events may come late; what changed becomes a further entry, never an edit.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlmodel import Session

from api.billing.entries import BillableRow, Booked, Source, UsageRow, Worth, missing, spend_worth, usage_worth
from api.billing.invoicing import assign_periods, refresh_drafts
from api.billing.ledger_repository import LedgerAcrossTenants
from api.billing.models import LedgerEntry
from api.billing.prices import terms_of
from api.kit.clock import Clock
from api.kit.db import Database
from api.kit.ids import new_id
from api.kit.metrics import MetricName, gauge
from api.settings import BillingSettings

log = logging.getLogger(__name__)
BEHIND = gauge(MetricName.ledger_behind_seconds)
HOUR = timedelta(hours=1)
CHUNK = timedelta(hours=24)  # one transaction and one query of the event store each
FIRST_LOOK_BACK = timedelta(days=35)  # nothing older can be told to Stripe
MAX_TRIES = 5


class Counts(Protocol):
    """Where counts come from: the de-duplicated events."""

    def billable(self, start: datetime, end: datetime) -> Iterable[BillableRow]:
        """Net billable events by hour in [start, end)."""
        ...

    def usage(self, start: datetime, end: datetime) -> Iterable[UsageRow]:
        """Metered calls by hour in [start, end)."""
        ...


@dataclass(frozen=True)
class Closed:
    """What a run did: hours looked at, entries booked, how many of them corrections, invoices opened."""

    start: datetime
    end: datetime
    entries: int
    corrections: int
    invoices_opened: int


class LedgerBusy(Exception):
    """Other closers kept booking; the next run will find what is missing."""


class LedgerCloser:
    """Closes hours into the ledger. `counted_until` answers up to when everything received is in the counts, or None
    when that cannot be told."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        counts: Counts,
        settings: BillingSettings,
        counted_until: Callable[[], datetime | None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._counts = counts
        self._settings = settings
        self._counted_until = counted_until or clock.now

    def close(self, since: datetime | None = None) -> Closed:
        """Book what is missing up to the last closed hour, from `since` on or as far back as late events can lie."""
        now = self._clock.now()
        start, end = self._range(now, since)
        if end <= hour_of(now - timedelta(hours=self._settings.close_wait_hours)):
            log.error("sinks are so far behind that hours before %s are closed without what waits for them", end)
        booked: list[LedgerEntry] = []
        for chunk_start, chunk_end in _chunks(start, end):
            booked += self._close_chunk(chunk_start, chunk_end, now)
        with self._database.write() as session:
            LedgerAcrossTenants(session).closing(lock=True)
            opened = refresh_drafts(session, now, self._late)
        corrections = sum(entry.version > 1 for entry in booked)
        return Closed(start, end, len(booked), corrections, opened)

    def due(self) -> bool:
        """Whether an hour waits to be closed."""
        with self._database.read() as session:
            closed_until = LedgerAcrossTenants(session).closing(lock=False).closed_until
        return closed_until is None or closed_until < self._end(self._clock.now())

    @property
    def _late(self) -> timedelta:
        return timedelta(hours=self._settings.lookback_hours, minutes=self._settings.close_after_minutes)

    def _end(self, now: datetime) -> datetime:
        """Where the closed hours end: hours are closed some minutes after they are over, when all that was received
        until then is counted. What comes later is booked as a correction, so waiting has an end."""
        latest = now - timedelta(hours=self._settings.close_wait_hours)
        counted = max(min(now, self._counted_until() or latest), latest)
        BEHIND.set((now - counted).total_seconds())
        return hour_of(counted - timedelta(minutes=self._settings.close_after_minutes))

    def _range(self, now: datetime, since: datetime | None) -> tuple[datetime, datetime]:
        end = self._end(now)
        if since is not None:
            return hour_of(since), end
        with self._database.read() as session:
            closed_until = LedgerAcrossTenants(session).closing(lock=False).closed_until
        start = end - timedelta(hours=self._settings.lookback_hours)
        return min(start, closed_until or end - FIRST_LOOK_BACK), end

    def _close_chunk(self, start: datetime, end: datetime, now: datetime) -> list[LedgerEntry]:
        for _ in range(MAX_TRIES):
            with self._database.read() as session:
                generation = LedgerAcrossTenants(session).closing(lock=False).generation
            billable, usage = list(self._counts.billable(start, end)), list(self._counts.usage(start, end))
            with self._database.write() as session:
                ledger = LedgerAcrossTenants(session)
                closing = ledger.closing(lock=True)
                if closing.generation != generation:
                    continue  # what was counted may be older than what another closer has booked
                entries = self._book(session, ledger.booked(start, end), billable, usage, now)
                closing.generation += 1 if entries else 0
                closing.closed_until = max(end, closing.closed_until or end)
                return entries
        raise LedgerBusy

    def _book(
        self,
        session: Session,
        booked: dict[Source, Booked],
        billable: list[BillableRow],
        usage: list[UsageRow],
        now: datetime,
    ) -> list[LedgerEntry]:
        ledger = LedgerAcrossTenants(session)
        terms = ledger.all_terms({row.tenant_id for row in usage})
        worth = usage_worth(usage, lambda tenant_id: terms_of(terms.get(tenant_id)), booked)
        worth |= spend_worth(billable, self._settings.publisher_share_ppm, booked)
        entries = [_entry(source, *due, now) for source, due in missing(worth, booked).items()]
        assign_periods(session, entries, now)
        ledger.add(entries)
        return entries


def hour_of(at: datetime) -> datetime:
    """The start of the UTC hour."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _chunks(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + CHUNK, end)
        start += CHUNK


def _entry(source: Source, version: int, delta: Worth, now: datetime) -> LedgerEntry:
    return LedgerEntry(
        id=new_id("led"),
        tenant_id=source.tenant_id,
        kind=source.kind,
        hour=source.hour,
        campaign_id=source.campaign_id,
        counterpart_id=source.counterpart_id,
        currency=source.currency,
        version=version,
        quantity=delta.quantity,
        unit_price_micros=delta.unit_price_micros,
        share_ppm=delta.share_ppm,
        amount_micros=delta.amount_micros,
        period="",
        created_at=now,
    )
