"""The payment port: what money asks of a provider. Its two sides are ledger_only.py and stripe_payments.py."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from api.errors import BadRequest, NotFound


@dataclass(frozen=True)
class MeterEvent:
    """What a provider is told: `value` (a whole number) more of `meter` for a customer, counted at `at`."""

    meter: str
    customer_id: str
    value: int
    at: datetime
    identifier: str


@dataclass(frozen=True)
class ProviderEvent:
    """A webhook whose signature was right. `payload` is the parsed body."""

    id: str
    type: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class ProviderInvoice:
    """The provider's invoice as it is now. `state` is one of draft, open, paid, void."""

    id: str
    customer_id: str
    currency: str
    state: str
    period_start: datetime
    period_end: datetime


class MeterRefused(Exception):
    """This attempt was not taken. `lasting`: the same event will not be taken later either."""

    def __init__(self, reason: str, *, lasting: bool) -> None:
        super().__init__(reason)
        self.lasting = lasting


class MeterOutcomeUnknown(Exception):
    """No answer, or one that does not tell: the event may have been counted."""


class ProviderUnavailable(Exception):
    """A question to the provider went unanswered; ask again later."""


class WebhooksNotConfigured(NotFound):
    """This installation has no payment provider."""

    code = "payments_not_configured"

    def __init__(self) -> None:
        super().__init__("This installation has no payment provider, so it takes no webhooks.")


class WebhookForged(BadRequest):
    """Not signed with our secret, too old, or not readable."""

    code = "bad_signature"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, pointer="@Stripe-Signature")


class PaymentProvider(Protocol):
    """A provider of payments. Calls are synchronous and bounded in time; none runs inside a transaction."""

    def customer_for(self, tenant_id: str, customer_id: str | None) -> str | None:
        """Under which name to meter a tenant; None when its usage does not leave the ledger."""
        ...

    def send(self, event: MeterEvent) -> None:
        """Count `event` once an identifier. Raises MeterRefused or MeterOutcomeUnknown."""
        ...

    def metered(self, meter: str, customer_id: str, start: datetime, end: datetime) -> int:
        """What the provider has counted in [start, end), whole hours. Raises ProviderUnavailable."""
        ...

    def verified(self, body: bytes, signature: str | None) -> ProviderEvent:
        """The event of a webhook. Raises WebhookForged, or WebhooksNotConfigured."""
        ...

    def invoice(self, invoice_id: str) -> ProviderInvoice | None:
        """An invoice as it is now; None when there is no such one. Raises ProviderUnavailable."""
        ...

    def refused_identifiers(self, event_id: str) -> list[str]:
        """Identifiers of meter events that the provider took and later threw out, by its error report."""
        ...
