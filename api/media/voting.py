"""One product for one object: each look at it is matched by itself and votes, weighted by how well it shows the
object."""

from collections.abc import Sequence

from numpy import float32
from numpy.typing import NDArray

from api.media.matching import KEPT, SUPPORT, Matcher
from api.media.views import Candidate


def elected(
    matcher: Matcher,
    label: str,
    vectors: NDArray[float32],
    weights: Sequence[float] | None,
    catalog_ids: frozenset[str],
) -> tuple[Candidate, ...]:
    """Up to KEPT products, the most voted for first. A product must be near in looks that hold half of all weight; its
    score is the weighted mean over them."""
    if len(vectors) == 1 or not weights or len(weights) != len(vectors):
        return matcher.match(label, vectors, catalog_ids)
    votes: dict[str, list[tuple[float, Candidate]]] = {}
    for vector, weight in zip(vectors, weights, strict=True):
        for candidate in matcher.match(label, vector[None], catalog_ids):
            votes.setdefault(candidate.product_id, []).append((weight, candidate))
    least = SUPPORT * sum(weights)
    supported = {product: cast for product, cast in votes.items() if sum(weight for weight, _ in cast) >= least - 1e-9}
    ranked = sorted(supported, key=lambda product: (-_sum(supported[product]), product))
    return tuple(_summed_up(supported[product]) for product in ranked[:KEPT])


def each_once(spans: Sequence[tuple[int | None, int | None]], found: Sequence[Sequence[Candidate]]) -> list[bool]:
    """Which of these keep their products: at any moment of a film a product stands once, where it is surest; the second
    box is a part of the thing, or its double. On a picture, where nothing has a time, that is decided when it is
    shown."""
    kept = [True] * len(found)
    surest = sorted((index for index, items in enumerate(found) if items), key=lambda index: -found[index][0].score)
    for place, index in enumerate(surest):
        for other in surest[:place]:
            same = found[other][0].product_id == found[index][0].product_id
            if same and kept[other] and _meet(spans[other], spans[index]):
                kept[index] = False
    return kept


def _meet(a: tuple[int | None, int | None], b: tuple[int | None, int | None]) -> bool:
    if None in a or None in b:
        return False
    return (a[0] or 0) < (b[1] or 0) and (b[0] or 0) < (a[1] or 0)


def _sum(cast: list[tuple[float, Candidate]]) -> float:
    return sum(weight * candidate.score for weight, candidate in cast)


def _summed_up(cast: list[tuple[float, Candidate]]) -> Candidate:
    _, surest = max(cast, key=lambda vote: vote[0])
    score = round(_sum(cast) / sum(weight for weight, _ in cast), 4)
    return Candidate(surest.product_id, score, surest.match_type)
