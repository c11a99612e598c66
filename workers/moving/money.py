"""What a restored house must not tell its payment provider twice.

Between the back-up and the restore the old house went on closing hours and sending meter events, of which the archive
knows nothing. So the hours that the archive can account for are closed and frozen at once, into the same identifiers as
in the old house, and every meter event that is open then counts as sent with an unknown outcome since the back-up:
within a day the provider itself refuses its identifier a second time; later it is looked up before anything is sent,
and where the provider holds another sum than either, a person decides (api/billing/pushing.py).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from api.billing.opening import open_payments
from api.billing.pushing import MeterPusher
from api.billing.service import close_hours
from api.events.log import EventLog
from api.events.store import EventStore
from api.kit.clock import Clock
from api.kit.db import Database
from api.settings import Settings
from workers.moving.house import House
from workers.moving.pushes_repository import OpenPushesAcrossTenants

if TYPE_CHECKING:
    from api.ports import Ports


@dataclass(frozen=True)
class _Till:
    """As much of the ports as closing hours takes: no models, no index."""

    settings: Settings
    clock: Clock
    database: Database
    event_log: EventLog
    event_store: EventStore


def doubt_open_pushes(house: House, made_at: datetime, clock: Clock) -> int:
    """Returns how many meter events wait to be cleared up. Nothing is sent from here."""
    settings = house.settings
    if not settings.stripe.api_key:
        return 0  # the house's own meter is in the archive itself
    till = _Till(settings, clock, house.database, house.log, house.store)
    close_hours(cast("Ports", till))
    MeterPusher(house.database, clock, open_payments(settings.stripe, house.database)).freeze()
    with house.database.write() as session:
        return OpenPushesAcrossTenants(session).doubt(made_at)
