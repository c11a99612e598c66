"""From counts to ledger entries: what a set of hours should hold, and what is missing from what is booked. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from api.billing.models import EntryKind
from api.billing.prices import Terms, share_of


@dataclass(frozen=True)
class BillableRow:
    """Net billable events of one hour (api.reports): what a brand owes for a publisher's clicks or viewables."""

    brand_id: str
    publisher_id: str
    campaign_id: str
    price_kind: str
    currency: str
    hour: datetime
    count: int
    amount_micros: int


@dataclass(frozen=True)
class UsageRow:
    """Metered calls (or minutes) of one tenant in one hour."""

    tenant_id: str
    kind: EntryKind
    hour: datetime
    quantity: int


@dataclass(frozen=True)
class Source:
    """What an entry is an entry of. Everything booked under one source adds up to its present worth."""

    tenant_id: str
    kind: EntryKind
    hour: datetime
    campaign_id: str
    counterpart_id: str
    currency: str


@dataclass(frozen=True)
class Worth:
    """A quantity and its amount, with the price or share that led to it."""

    quantity: int
    amount_micros: int
    unit_price_micros: int | None = None
    share_ppm: int | None = None


@dataclass(frozen=True)
class Booked:
    """The sum of a source's entries, the newest version, and the price or share of the first one."""

    quantity: int
    amount_micros: int
    version: int
    unit_price_micros: int | None
    share_ppm: int | None


NOTHING = Booked(0, 0, 0, None, None)
_SPEND_KIND = {"cpc": EntryKind.click_spend, "cpm": EntryKind.viewable_spend}


def usage_worth(
    rows: Iterable[UsageRow], terms: Callable[[str], Terms], booked: Mapping[Source, Booked]
) -> dict[Source, Worth]:
    """Calls times unit price. An hour keeps the price it was first booked at, whatever the plan says now."""
    worth: dict[Source, Worth] = {}
    for row in rows:
        holds = terms(row.tenant_id)
        source = Source(row.tenant_id, row.kind, row.hour, "", "", holds.currency)
        price = booked.get(source, NOTHING).unit_price_micros
        if price is None:
            price = holds.prices[row.kind]
        quantity = row.quantity + (worth[source].quantity if source in worth else 0)
        worth[source] = Worth(quantity, quantity * price, unit_price_micros=price)
    return worth


def spend_worth(rows: Iterable[BillableRow], share_ppm: int, booked: Mapping[Source, Booked]) -> dict[Source, Worth]:
    """The brands' debits as counted, and the publishers' shares of them.

    The share is rounded down once a source (publisher, campaign, brand, hour), never once an event.
    """
    spend: dict[Source, Worth] = {}
    for row in rows:
        kind = _SPEND_KIND[row.price_kind]
        debit = Source(row.brand_id, kind, row.hour, row.campaign_id, row.publisher_id, row.currency)
        spend[debit] = _plus(spend.get(debit), row.count, row.amount_micros)
    shares: dict[Source, Worth] = {}
    for debit, worth in spend.items():
        credit = Source(
            debit.counterpart_id,
            EntryKind.publisher_share,
            debit.hour,
            debit.campaign_id,
            debit.tenant_id,
            debit.currency,
        )
        shares[credit] = _plus(shares.get(credit), worth.quantity, worth.amount_micros)
    return spend | {credit: _shared(worth, share_ppm, booked.get(credit, NOTHING)) for credit, worth in shares.items()}


def missing(worth: Mapping[Source, Worth], booked: Mapping[Source, Booked]) -> dict[Source, tuple[int, Worth]]:
    """What must still be booked: (version, delta) for each source whose entries do not add up to its worth."""
    deltas: dict[Source, tuple[int, Worth]] = {}
    for source in worth.keys() | booked.keys():
        held = booked.get(source, NOTHING)
        due = worth.get(source, Worth(0, 0, held.unit_price_micros, held.share_ppm))
        quantity, amount = due.quantity - held.quantity, due.amount_micros - held.amount_micros
        if quantity or amount:
            delta = Worth(quantity, amount, due.unit_price_micros, due.share_ppm)
            deltas[source] = (held.version + 1, delta)
    return deltas


def _plus(held: Worth | None, quantity: int, amount_micros: int) -> Worth:
    return Worth(quantity + (held.quantity if held else 0), amount_micros + (held.amount_micros if held else 0))


def _shared(spend: Worth, share_ppm: int, held: Booked) -> Worth:
    rate = share_ppm if held.share_ppm is None else held.share_ppm
    return Worth(spend.quantity, share_of(spend.amount_micros, rate), share_ppm=rate)
