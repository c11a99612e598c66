"""Which product stands first on a tag, and who pays for it. In memory: no SQL when warm.

Only products that fit the object about as well as the best one compete, so money never puts a wrong thing on a tag.
Among them the highest (expected revenue x match score) wins and pays its own bid (first price: the invoice is the bid).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from api.ads.bids import Bid, CreativeView, Spend, bids_by_brand
from api.ads.models import BidKind
from api.ads.repository import AdsAcrossTenants
from api.errors import ApiError
from api.kit.cache import FreshCache
from api.kit.clock import Clock
from api.kit.db import Database

log = logging.getLogger(__name__)
# a paused campaign stops within 4 s, also in other processes
REFRESH_S, EXPIRE_S = 1.5, 4.0
QUALITY_MARGIN = 0.05  # of cosine similarity below the best match
# what makes a click's bid comparable with a thousand views' bid, until tags have a history of their own; FIELD.md has
# no figure for hotspots, and display advertising lies well below this one
EXPECTED_CTR = 0.02
NOW = "now"


@dataclass(frozen=True, slots=True)
class Contender:
    """A product that fits the object. `brand_id` is the tenant whose catalog it stands in."""

    product_id: str
    catalog_id: str
    brand_id: str
    category: str | None
    score: float
    match_type: str


@dataclass(frozen=True, slots=True)
class Offer:
    """The product that stands first; without a campaign it stands there for nothing."""

    product_id: str
    campaign_id: str | None = None
    creative: CreativeView | None = None
    arm: str | None = None
    price_micros: int = 0
    price_kind: BidKind | None = None
    currency: str = ""

    @property
    def sponsored(self) -> bool:
        """Whether somebody pays: such a tag carries a disclosure."""
        return self.campaign_id is not None


class Auction:
    """`spend` tells what each campaign has spent; it lags behind the pages by the reports' seconds and by clicks that
    are still to come, so a budget can be overrun by what those bring: it ends auctions, not billing."""

    def __init__(self, database: Database, clock: Clock, spend: Callable[[], Mapping[str, Spend]]) -> None:
        self._database = database
        self._clock = clock
        self._spend = spend
        self._bids: FreshCache[str, dict[str, tuple[Bid, ...]]] = FreshCache(
            self._load, refresh_after_s=REFRESH_S, expire_after_s=EXPIRE_S
        )

    def is_warm(self) -> bool:
        """Whether `pick` answers from memory; otherwise call `warm_up` from a thread first."""
        return self._bids.peek(NOW)[0]

    def warm_up(self) -> None:
        """Read the bids."""
        self._bids.get(NOW)

    def forget(self) -> None:
        """Drop what is remembered, after a change in this process."""
        self._bids.clear()

    def pick(self, contenders: Sequence[Contender], *, site_id: str, nonce: str) -> Offer:
        """The winner among `contenders`, best match first and not empty."""
        best = contenders[0]
        near = [c for c in contenders if c.score >= best.score - QUALITY_MARGIN and c.match_type == best.match_type]
        paying = [(bid, c) for c in near for bid in self._covering(c, site_id)]
        if not paying:
            return Offer(best.product_id)
        # bids of several currencies are not compared: the one bidding for the best match sets the currency
        currency = max(paying, key=lambda pair: pair[1].score)[0].currency
        bid, winner = max(
            (pair for pair in paying if pair[0].currency == currency),
            key=lambda pair: (_revenue(pair[0]) * pair[1].score, pair[1].score, pair[0].campaign_id),
        )
        arm, creative = bid.look(nonce)
        return Offer(winner.product_id, bid.campaign_id, creative, arm, bid.micros, bid.kind, bid.currency)

    def _covering(self, contender: Contender, site_id: str) -> list[Bid]:
        bids = self._bids.get(NOW).get(contender.brand_id, ())
        return [
            bid for bid in bids if bid.covers(contender.product_id, contender.catalog_id, contender.category, site_id)
        ]

    def _load(self, _: str) -> dict[str, tuple[Bid, ...]]:
        with self._database.read() as session:
            rows = AdsAcrossTenants(session)
            campaigns, creatives, experiments = rows.bidding(self._clock.now()), rows.creatives(), rows.experiments()
        try:
            spend = self._spend() if campaigns else {}
        except ApiError:
            # budgets that cannot be read must not be overrun: the tags stay, and nobody pays for them
            log.warning("what campaigns have spent is not known; no campaign bids", exc_info=True)
            return {}
        return bids_by_brand(campaigns, creatives, experiments, spend)


def _revenue(bid: Bid) -> float:
    """Expected micros of a thousand views."""
    return bid.micros * EXPECTED_CTR * 1000 if bid.kind is BidKind.cpc else float(bid.micros)
