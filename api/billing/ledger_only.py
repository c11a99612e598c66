"""The payment port where nothing leaves: meter events go to a table of our own, nobody sends webhooks."""

from datetime import datetime

from api.billing.payments import MeterEvent, ProviderEvent, ProviderInvoice, WebhooksNotConfigured
from api.billing.push_repository import OwnMeterAcrossTenants
from api.kit.db import Database


class LedgerOnlyPayments:
    """Money is counted in full and nobody is charged."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def customer_for(self, tenant_id: str, customer_id: str | None) -> str | None:
        """Every tenant is metered, under its own id where it has no other."""
        return customer_id or tenant_id

    def send(self, event: MeterEvent) -> None:
        """Count `event` once an identifier."""
        with self._database.write() as session:
            OwnMeterAcrossTenants(session).count(event)

    def metered(self, meter: str, customer_id: str, start: datetime, end: datetime) -> int:
        """What was counted in [start, end)."""
        with self._database.read() as session:
            return OwnMeterAcrossTenants(session).total(meter, customer_id, start, end)

    def verified(self, body: bytes, signature: str | None) -> ProviderEvent:
        """No provider, no webhooks."""
        raise WebhooksNotConfigured

    def invoice(self, invoice_id: str) -> ProviderInvoice | None:
        """No provider, no invoices of its own."""
        return None

    def refused_identifiers(self, event_id: str) -> list[str]:
        """What the own meter took it keeps."""
        return []
