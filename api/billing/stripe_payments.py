"""The payment port by Stripe: billing meters, their summaries, invoices and signed webhooks (library stripe 16).

The library's own retries are off: an attempt's outcome is ours to judge (pushing.py), and a retry that follows a
timeout would hide that the first one may have been counted.
"""

import json
from datetime import UTC, datetime
from typing import Any

import stripe
from stripe import RequestsClient, StripeClient

from api.billing.payments import (
    MeterEvent,
    MeterOutcomeUnknown,
    MeterRefused,
    ProviderEvent,
    ProviderInvoice,
    ProviderUnavailable,
    WebhookForged,
    WebhooksNotConfigured,
)

TOLERANCE_S = 300
_STATES = {"draft": "draft", "open": "open", "uncollectible": "open", "paid": "paid", "void": "void"}


class StripePayments:
    """Stripe behind the payment port. Threads may share it."""

    def __init__(self, api_key: str, webhook_secret: str, *, api_base: str = "", timeout_s: float = 10.0) -> None:
        self._client = StripeClient(
            api_key,
            base_addresses={"api": api_base} if api_base else None,
            http_client=RequestsClient(timeout=timeout_s),
            max_network_retries=0,
        )
        self._webhook_secret = webhook_secret
        self._meter_ids: dict[str, str] = {}

    def customer_for(self, tenant_id: str, customer_id: str | None) -> str | None:
        """Only tenants with a customer at Stripe are metered there."""
        return customer_id

    def send(self, event: MeterEvent) -> None:
        """One meter event. A duplicate identifier (400) means that an earlier attempt was counted."""
        try:
            self._client.v1.billing.meter_events.create(
                {
                    "event_name": event.meter,
                    "identifier": event.identifier,
                    "timestamp": int(event.at.timestamp()),
                    "payload": {"stripe_customer_id": event.customer_id, "value": str(event.value)},
                },
                {"idempotency_key": event.identifier},
            )
        except stripe.InvalidRequestError as error:
            # Stripe gives this refusal no code of its own
            if "already exists with identifier" in (error.user_message or ""):
                return
            raise MeterRefused(_reason(error), lasting=error.http_status in (400, 404)) from error
        except (stripe.AuthenticationError, stripe.PermissionError, stripe.RateLimitError) as error:
            raise MeterRefused(_reason(error), lasting=False) from error
        except stripe.StripeError as error:
            raise MeterOutcomeUnknown(_reason(error)) from error

    def metered(self, meter: str, customer_id: str, start: datetime, end: datetime) -> int:
        """The sum of the meter's summaries. They trail events by minutes: ask only about what is long past."""
        try:
            summaries = self._client.v1.billing.meters.event_summaries.list(
                self._meter_id(meter),
                {
                    "customer": customer_id,
                    "start_time": int(start.timestamp()),
                    "end_time": int(end.timestamp()),
                    "limit": 100,
                },
            )
            return round(sum(summary.aggregated_value for summary in summaries.auto_paging_iter()))
        except stripe.StripeError as error:
            raise ProviderUnavailable(_reason(error)) from error

    def verified(self, body: bytes, signature: str | None) -> ProviderEvent:
        """Checks the signature over the raw body first; nothing of an unsigned body is parsed."""
        if not self._webhook_secret:
            raise WebhooksNotConfigured
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret, TOLERANCE_S)
            payload = json.loads(body)
            return ProviderEvent(id=_text(payload["id"], 255), type=_text(payload["type"], 100), payload=payload)
        except stripe.SignatureVerificationError as error:
            raise WebhookForged(str(error.user_message).split(". Read it")[0]) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            # TypeError: the library compares texts, and a signature beyond ASCII is no text to it
            raise WebhookForged("This is not an event of Stripe.") from error

    def invoice(self, invoice_id: str) -> ProviderInvoice | None:
        """The invoice as it is now, whatever the order in which its events came."""
        try:
            found = self._client.v1.invoices.retrieve(invoice_id)
        except stripe.InvalidRequestError as error:
            if error.http_status == 404:
                return None
            raise ProviderUnavailable(_reason(error)) from error
        except stripe.StripeError as error:
            raise ProviderUnavailable(_reason(error)) from error
        customer = found.customer
        return ProviderInvoice(
            id=str(found.id),
            customer_id=customer if isinstance(customer, str) else str(customer.id if customer else ""),
            currency=found.currency.upper(),
            state=_STATES.get(found.status or "draft", "draft"),
            period_start=datetime.fromtimestamp(found.period_start, UTC),
            period_end=datetime.fromtimestamp(found.period_end, UTC),
        )

    def refused_identifiers(self, event_id: str) -> list[str]:
        """From a meter's error report: the webhook is thin, the report itself has to be fetched."""
        try:
            event: Any = self._client.v2.core.events.retrieve(event_id)
        except stripe.StripeError as error:
            raise ProviderUnavailable(_reason(error)) from error
        types = event.to_dict().get("data", {}).get("reason", {}).get("error_types", [])
        return [sample["request"]["identifier"] for kind in types for sample in kind.get("sample_errors", [])]

    def _meter_id(self, event_name: str) -> str:
        if event_name not in self._meter_ids:
            meters = self._client.v1.billing.meters.list({"status": "active", "limit": 100})
            self._meter_ids = {meter.event_name: meter.id for meter in meters.auto_paging_iter()}
        try:
            return self._meter_ids[event_name]
        except KeyError:
            raise ProviderUnavailable(f"Stripe has no active meter named {event_name}") from None


def _reason(error: stripe.StripeError) -> str:
    return (error.user_message or str(error) or type(error).__name__)[:500]


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise ValueError("not a short text")
    return value
