"""Turns an event and its token's claims into the record that the rest of the pipeline trusts. Pure."""

from api.events.records import StampedEvent
from api.events.tokens import BILLABLE_MS, TagClaims

TOLERANCE_MS = 5 * 60 * 1000


def effective_at_ms(at_ms: int, issued_at_ms: int, received_at_ms: int) -> int:
    """The client's time where it is possible, else the token's issue time.

    The upper bound moves with each retry, so a time from the future may be replaced on one try and kept on the next;
    the first one that lands counts, and identity never looks at times.
    """
    possible = issued_at_ms - TOLERANCE_MS <= at_ms <= received_at_ms + TOLERANCE_MS
    return at_ms if possible else issued_at_ms


def charge_micros(event_type: str, claims: TagClaims) -> int:
    """What one such event costs: a click its price, a viewable impression a thousandth, rounded down.

    Rounded per event, not per sum, so that hours add up to days and to invoices.
    """
    if claims.price_kind == "cpc" and event_type == "click":
        return claims.price_micros
    if claims.price_kind == "cpm" and event_type == "viewable":
        return claims.price_micros // 1000
    return 0


def stamp(
    claims: TagClaims,
    *,
    event_id: str,
    event_type: str,
    at_ms: int,
    received_at_ms: int,
    core: str,
    full: str,
    user_agent: str,
    hidden: bool = False,
) -> StampedEvent:
    """The record of an event whose token has been opened."""
    fresh = received_at_ms - claims.issued_at_ms <= BILLABLE_MS
    charge = charge_micros(event_type, claims) if fresh else 0
    return StampedEvent(
        publisher_id=claims.publisher_id,
        event_id=event_id,
        type=event_type,
        at_ms=effective_at_ms(at_ms, claims.issued_at_ms, received_at_ms),
        received_at_ms=received_at_ms,
        issued_at_ms=claims.issued_at_ms,
        nonce=claims.nonce,
        site_id=claims.site_id,
        media_id=claims.media_id,
        media_kind=claims.media_kind,
        tag_id=claims.tag_id,
        product_id=claims.product_id,
        brand_id=claims.brand_id,
        campaign_id=claims.campaign_id or "",
        creative_id=claims.creative_id or "",
        arm=claims.arm or "",
        price_kind=claims.price_kind or "",
        currency=claims.currency,
        charge_micros=charge,
        billable=charge > 0,
        core=core,
        full=full,
        user_agent=user_agent,
        hidden=hidden,
    )
