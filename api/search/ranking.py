"""The order in which matches are shown. Nearness decides; what stands here only moves what is near anyway.

Rules, the stronger first: what the caller has called wrong for such a picture comes last; exact before similar; what
looks alike before what does not; in stock before out of stock; then the cosine, less small fees for what disagrees with
the object searched for. The nearest of its rank is never moved from its place by fees or for variety: it is what was
asked for. Where only some are shown, the nearest of all is among them: sold out, it is the last of them rather than
lost."""

from collections import Counter
from collections.abc import Sequence

from api.catalog.audience import audience_seen
from api.search.exactness import agreement_of
from api.search.match import Look, Match, MatchType
from api.search.traits import in_stock, traits_of

# Of two products about as near, the one of the object's colour comes first. 500 shop photos against 60 studio pictures:
# the right product is among the first three in 87.4 % of them instead of 86.0 % (features that were never trained: 67.8
# instead of 61.2), behind a first place that stays as it was.
COLOUR_FEE = 0.05
# Product rule: nobody looks for men's shoes like these women's shoes before the women's ones have been seen.
AUDIENCE_FEE = 0.03
PEOPLE = frozenset({"women", "men", "kids"})
VOTERS = 5  # the nearest products, which tell whom an object is for where nothing else does
# Product rule: at most three colours of one thing before another thing gets a place, if one lies within the fee.
VARIANTS = 3
VARIETY_FEE = 0.03
NO_PRODUCTS: frozenset[str] = frozenset()
LAST = 6  # the rank of what the caller has called wrong


def ordered(
    matches: Sequence[Match],
    look: Look,
    similar_floor: float,
    most: int | None = None,
    wrong: frozenset[str] = NO_PRODUCTS,
) -> list[Match]:
    """The first `most` of `matches`, which come nearest first; `wrong` are ids of products."""
    audience = look.audience or audience_seen(look.label, [match.product.audience for match in matches[:VOTERS]])
    ranks: dict[int, list[Match]] = {}
    for match in matches:
        ranks.setdefault(_rank(match, similar_floor, wrong), []).append(match)
    found: list[Match] = []
    for rank in sorted(ranks):
        nearest, *rest = ranks[rank]
        paid = [(match.score - _fee(match, look, audience), match) for match in rest]
        paid.sort(key=lambda one: -one[0])
        found += _varied([nearest, *(match for _, match in paid)], [nearest.score, *(worth for worth, _ in paid)])
    if most is None or most >= len(found):
        return found
    kept = found[:most]
    nearest = matches[0]
    if most > 1 and all(match is not nearest for match in kept) and _rank(nearest, similar_floor, wrong) != LAST:
        kept[-1] = nearest
    return kept


def _rank(match: Match, similar_floor: float, wrong: frozenset[str]) -> int:
    if wrong and (match.product.id in wrong or any(offer.id in wrong for offer in match.offers)):
        return LAST
    out = not (in_stock(match.product) or any(map(in_stock, match.offers)))
    if match.match_type is MatchType.exact:
        return out
    return (2 if match.score >= similar_floor else 4) + out


def _fee(match: Match, look: Look, audience: str) -> float:
    product = traits_of(match.product)
    agreement = agreement_of(look.colours, product.seen)
    fee = 0.0 if agreement is None else COLOUR_FEE * (1 - agreement)
    others = audience in PEOPLE and product.audience in PEOPLE and product.audience != audience
    return fee + AUDIENCE_FEE * others


def _varied(matches: list[Match], worth: list[float]) -> list[Match]:
    """Colours of one thing beyond the third wait for other things that lie within the fee."""
    if len(matches) <= VARIANTS:
        return matches
    families = [traits_of(match.product).family for match in matches]
    if not any(family is not None and count > VARIANTS for family, count in Counter(families).items()):
        return matches
    left, found = list(range(len(matches))), list[int]()
    while left:
        row = Counter(families[i] for i in found[-VARIANTS:])
        tired = {family for family, count in row.items() if family is not None and count == VARIANTS}
        best = left[0]
        within = (i for i in left if worth[i] >= worth[best] - VARIETY_FEE)
        chosen = next((i for i in within if families[i] not in tired), best)
        left.remove(chosen)
        found.append(chosen)
    return [matches[i] for i in found]
