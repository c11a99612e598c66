"""What the auction knows: bids in memory, read from the tables at most every few seconds."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from api.ads.models import BidKind, Campaign, Creative, Experiment
from api.ads.schemas import Targeting


class Spend(NamedTuple):
    """What a campaign has spent, in micros of its currency."""

    today_micros: int = 0
    total_micros: int = 0


@dataclass(frozen=True, slots=True)
class CreativeView:
    """How a tag looks and speaks."""

    id: str
    call_to_action: str
    badge: str | None
    style: str


@dataclass(frozen=True, slots=True)
class Split:
    """A running experiment."""

    id: str
    arms: tuple[tuple[str, int, str | None], ...]  # name, weight, creative id

    def arm(self, nonce: str) -> tuple[str, str | None]:
        """The arm of a view, always the same one: (name, creative id)."""
        digest = hashlib.sha256(f"{self.id}:{nonce}".encode()).digest()
        point = int.from_bytes(digest[:8], "big") % sum(weight for _, weight, _ in self.arms)
        for name, weight, creative_id in self.arms:
            point -= weight
            if point < 0:
                return name, creative_id
        raise AssertionError("the point lies below the sum of the weights")


@dataclass(frozen=True, slots=True)
class Bid:
    """One campaign that may spend now."""

    campaign_id: str
    kind: BidKind
    micros: int
    currency: str
    site_ids: frozenset[str]
    categories: frozenset[str]
    catalog_ids: frozenset[str]
    product_ids: frozenset[str]
    creatives: Mapping[str, CreativeView] = field(default_factory=dict)
    split: Split | None = None

    def covers(self, product_id: str, catalog_id: str, category: str | None, site_id: str) -> bool:
        """Whether it bids for this product on this site."""
        if self.site_ids and site_id not in self.site_ids:
            return False
        if (self.product_ids or self.catalog_ids) and not (
            product_id in self.product_ids or catalog_id in self.catalog_ids
        ):
            return False
        return not self.categories or not self.categories.isdisjoint(segments(category))

    def look(self, nonce: str) -> tuple[str | None, CreativeView | None]:
        """(arm, creative) of a view: the experiment's where one runs, else the newest creative."""
        if self.split is not None:
            arm, creative_id = self.split.arm(nonce)
            return arm, self.creatives.get(creative_id or "")
        return None, next(iter(self.creatives.values()), None)


def segments(category: str | None) -> frozenset[str]:
    """`Apparel > Shoes` -> {apparel, shoes}: also what targeting and block lists are compared by."""
    return frozenset(part.strip().casefold() for part in (category or "").split(">") if part.strip())


def bids_by_brand(
    campaigns: Sequence[Campaign],
    creatives: Sequence[Creative],
    experiments: Sequence[Experiment],
    spend: Mapping[str, Spend],
) -> dict[str, tuple[Bid, ...]]:
    """Brand -> the bids of its campaigns that have money left. Creatives and experiments come newest first."""
    found: dict[str, tuple[Bid, ...]] = {}
    for campaign in campaigns:
        if not _has_money(campaign, spend.get(campaign.id, Spend())):
            continue
        looks = {
            row.id: CreativeView(row.id, row.call_to_action, row.badge, row.style)
            for row in creatives
            if row.campaign_id == campaign.id
        }
        split = next((_split(row) for row in experiments if row.campaign_id == campaign.id), None)
        found[campaign.tenant_id] = (*found.get(campaign.tenant_id, ()), _bid(campaign, looks, split))
    return found


def _has_money(campaign: Campaign, spend: Spend) -> bool:
    total = campaign.total_budget_micros
    return spend.today_micros < campaign.daily_budget_micros and (total is None or spend.total_micros < total)


def _split(row: Experiment) -> Split:
    return Split(row.id, tuple((arm["name"], arm["weight"], arm["creative_id"]) for arm in row.arms))


def _bid(campaign: Campaign, creatives: Mapping[str, CreativeView], split: Split | None) -> Bid:
    targeting = Targeting.model_validate(campaign.targeting)
    return Bid(
        campaign.id,
        campaign.bid_kind,
        campaign.bid_micros,
        campaign.currency,
        frozenset(targeting.site_ids),
        frozenset(category.strip().casefold() for category in targeting.categories),
        frozenset(campaign.catalog_ids),
        frozenset(campaign.product_ids),
        creatives,
        split,
    )
