"""Opens the ports of money: the payment provider that the settings name, and the gate that keeps callers to limits."""

import threading
from typing import TYPE_CHECKING

from api.billing.buckets import Buckets, OwnBuckets, SharedBuckets
from api.billing.ledger_only import LedgerOnlyPayments
from api.billing.limits import Allowance, UsageGate
from api.billing.payments import PaymentProvider
from api.billing.stripe_payments import StripePayments
from api.kit.db import Database
from api.settings import StripeSettings

if TYPE_CHECKING:
    from api.ports import Ports


def open_payments(settings: StripeSettings, database: Database) -> PaymentProvider:
    """Stripe where there is a key, else the ledger alone."""
    if not settings.api_key:
        return LedgerOnlyPayments(database)
    return StripePayments(
        settings.api_key, settings.webhook_secret, api_base=settings.api_base, timeout_s=settings.timeout_s
    )


def open_limits(ports: "Ports") -> UsageGate:
    """The gate in front of paid calls."""

    def load(tenant_id: str) -> Allowance:
        from api.billing.service import allowance  # noqa: PLC0415 - it needs the ports that are being opened here

        return allowance(ports, tenant_id)

    def alert(_: str) -> None:
        # a warm call is admitted on the event loop, which must not wait for a broker that is away
        threading.Thread(target=ports.queue.send, args=("billing.check_quotas",), daemon=True).start()

    return UsageGate(load, ports.clock, alert=alert, buckets=_open_buckets(ports))


def _open_buckets(ports: "Ports") -> Buckets:
    """In the queue's Redis where there is one: processes that share a queue share callers."""
    broker = ports.settings.queue.broker_url
    if not broker.startswith(("redis://", "rediss://")):
        return OwnBuckets()
    shared = SharedBuckets(broker)
    ports.closers.append(shared.close)
    return shared
