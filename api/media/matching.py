"""From the vectors of one object to the products that may stand on its tag. Strict: a wrong thing on a tag is worse
than no tag."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from api.media.views import Candidate
from api.search.exactness import Asked
from api.search.match import Look, Match
from api.search.outfits import Slot, slot_of
from api.search.service import Finder

ON_PAGE = Look(asked=Asked.page)
ANYTHING = "product"  # the detector's label for what has no other
NEIGHBOURS = 24  # looked at a vector
OFFERS = 2  # further offers of one product
KEPT = 8  # stored a tag: more than is shown, because block lists and unlisting take some away later
SLOT_OF_LABEL = {
    "top": Slot.top,
    "outerwear": Slot.outerwear,
    "dress": Slot.dress,
    "pants": Slot.bottom,
    "shorts": Slot.bottom,
    "skirt": Slot.bottom,
    "footwear": Slot.footwear,
    "bag": Slot.bag,
    "eyewear": Slot.eyewear,
    "headwear": Slot.headwear,
    "belt": Slot.belt,
    "scarf": Slot.scarf,
}
# detectors and shops draw these lines differently; everything else that disagrees is another thing
BLURRED = ({Slot.top, Slot.outerwear}, {Slot.top, Slot.dress}, {Slot.outerwear, Slot.dress}, {Slot.bottom, Slot.dress})
BLURRED_PENALTY = 0.04  # of cosine similarity
UNCONFIRMED_PENALTY = 0.05
# Where category and label cannot confirm each other, the look alone must be surer. Set on the demo's eight scenes: with
# it and one tag a product, 2 of 34 tags were wrong instead of 8 of 40. Not proved elsewhere: on the 109 validation
# street photos the nearest thing of another photo is of the same kind in 69 % of all cases, in 77 % from 0.56 up.
UNCONFIRMED_MARGIN = 0.15
# a product must be near in at least this share of a track's vectors to be what the track shows
SUPPORT = 0.5


@lru_cache(maxsize=10_000)
def shown_label(label: str, category: str | None) -> str:
    """What a tag is called beside its product: a detector that knows garments best calls a planter pants, and the
    product that was found for it knows better."""
    contradicted = label in SLOT_OF_LABEL and bool(category) and slot_of(category or "") is None
    return ANYTHING if contradicted else label


class Matcher:
    """`floor` is the cosine below which nothing is a match."""

    def __init__(self, finder: Finder, floor: float) -> None:
        self._finder = finder
        self._floor = floor

    def match(self, label: str, vectors: NDArray[np.float32], catalog_ids: frozenset[str]) -> tuple[Candidate, ...]:
        """Up to KEPT products in the catalogs, best first. Several vectors vote: the greatest summed score wins."""
        if not catalog_ids:
            return ()
        lines = self._finder.match(vectors, catalog_ids=catalog_ids, k=NEIGHBOURS, looks=[ON_PAGE] * len(vectors))
        scores: dict[str, list[float]] = {}
        types: dict[str, str] = {}
        offers = _Offers()
        for match in (match for line in lines for match in line):
            taken_off = penalty(label, match)
            score = match.score - taken_off
            unconfirmed = taken_off == UNCONFIRMED_PENALTY
            if match.score >= self._floor + UNCONFIRMED_MARGIN if unconfirmed else score >= self._floor:
                product_id = offers.leader_of(match)
                scores.setdefault(product_id, []).append(score)
                types.setdefault(product_id, match.match_type.value)
        least = max(1.0, SUPPORT * len(lines))
        supported = {product_id: found for product_id, found in scores.items() if len(found) >= least}
        ranked = sorted(supported, key=lambda product_id: (-sum(supported[product_id]), product_id))
        found = []
        for leader in ranked:
            # another seller's offer of the same thing fits as well as the first: the auction may choose among them
            score, kind = _mean(supported[leader]), types[leader]
            found += [Candidate(product_id, score, kind) for product_id in (leader, *offers.beside(leader))]
        return tuple(found[:KEPT])


class _Offers:
    """Which products are offers of one thing, over several lines of matches that may lead with different ones."""

    def __init__(self) -> None:
        self._leader: dict[str, str] = {}

    def leader_of(self, match: Match) -> str:
        """The first product that stood for this one."""
        ids = [match.product.id, *(product.id for product in match.offers)]
        leader = next((self._leader[product_id] for product_id in ids if product_id in self._leader), ids[0])
        for product_id in ids:
            self._leader.setdefault(product_id, leader)
        return leader

    def beside(self, leader: str) -> list[str]:
        """Its other offers, cheapest in stock first; not so many that nothing similar has a place."""
        return [item for item, first in self._leader.items() if first == leader and item != leader][:OFFERS]


def penalty(label: str, match: Match) -> float:
    """What the category takes off a product's score on an object of this label; infinite for another kind of thing."""
    wanted = SLOT_OF_LABEL.get(label)
    found = slot_of(match.product.category or "")
    if wanted is not None and wanted is found:
        return 0.0
    if wanted is None or found is None:
        return UNCONFIRMED_PENALTY
    return BLURRED_PENALTY if {wanted, found} in BLURRED else float("inf")


def _mean(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 4)
