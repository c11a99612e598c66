"""Fits when a match may be called exact (api/search/exactness.py): phone photos of products against studio catalogs of
several sizes, with the product in them and without. Takes vectors, colours and names; knows no network.

`python -m workers.training.exact MODELS [--new]` measures the exported embedder in that folder and prints the `exact`
part of its embedder.json with the figures it rests on; --new on photos of held-out products alone."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from api.search.exactness import MOST_MARGIN, ColourShares, agreement_of
from api.settings import REPO_ROOT, VisionSettings
from api.vision.attributes import attributes_in
from api.vision.calibration import ExactCard
from api.vision.detector import Detector
from api.vision.embedder import Embedder
from api.vision.picture import WHOLE
from api.vision.picture import Picture as Decoded
from workers.training import pictures

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
# (products, other pictures beside them): a brand's own catalog, a shop, a marketplace
CATALOGS = ((12, 0), (30, 0), (60, 0), (30, 300), (60, 1500))
FOLDS, TARGET, RESAMPLES = 5, 0.95, 200
# Share of resampled product sets on which the precision must be met, too: of searches, and of pages, where a wrong word
# is worse than none.
SURE_SEARCH, SURE_PAGE = 0.6, 0.8
RIDGE = 1e-3
NEVER = 1e6  # a sum that nothing reaches: no threshold was precise enough
COSINE, MARGIN, COLOUR = range(3)
MIN_SCORE, MOST_OBJECTS = 0.25, 20  # as a search looks
PHOTOS, OTHERS = 900, 2000  # as many at most: more change no figure


@dataclass(frozen=True)
class Pictures:
    """Unit vectors, a row a picture, with the product and the colours (name, share) of each."""

    vectors: Vectors
    names: NDArray[np.str_]
    colours: list[ColourShares]


@dataclass(frozen=True)
class Trials:
    """One search each. `features` are cosine, margin and colour agreement (NaN where not known) of the best match,
    `right` whether it is the product, `closed` whether the catalog has the product, `product` the query's."""

    features: Floats
    right: NDArray[np.bool_]
    closed: NDArray[np.bool_]
    product: NDArray[np.intp]


@dataclass(frozen=True)
class Share:
    """A share with the 95 % interval of resampling products."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ExactFigures:
    """Judged on products that neither coefficients nor threshold were fitted on. `precision` is over searches with and
    without the product in equal number, `false_open` the share of searches without it that are called exact."""

    trials: int
    products: int
    precision: Share
    precision_closed: Share
    recall: Share
    false_open: Share


def simulate(studio: Pictures, photos: Pictures, others: Vectors, seed: int = 5) -> Trials:
    """Every photo against catalogs drawn for it. `others` are pictures of other things that fill the catalogs."""
    rng = np.random.default_rng(seed)
    place = {name: row for row, name in enumerate(studio.names)}
    rows: list[tuple[float, float, float]] = []
    right, closed, product = list[bool](), list[bool](), list[int]()
    for vector, name, colours in zip(photos.vectors, photos.names, photos.colours, strict=True):
        own, scores, noise = place[name], studio.vectors @ vector, others @ vector
        for products, more in CATALOGS:
            rest = rng.permutation(np.delete(np.arange(len(studio.names)), own))[: products - 1]
            beside = noise[rng.permutation(len(noise))[:more]]
            for catalog in (rest, np.append(rest, own)):
                best = int(catalog[scores[catalog].argmax()])
                rivals = np.append(scores[catalog[catalog != best]], beside)
                margin = float(scores[best] - rivals.max())
                if margin < 0:
                    continue  # something else is nearest, whose name is not known here
                agreement = agreement_of(colours, studio.colours[best])
                rows.append((float(scores[best]), min(margin, MOST_MARGIN), np.nan if agreement is None else agreement))
                right.append(best == own)
                closed.append(own in catalog)
                product.append(own)
    return Trials(np.array(rows), np.array(right), np.array(closed), np.array(product))


@dataclass(frozen=True)
class Fitted:
    """A card and what its like said of products it was not fitted on: of searches (somebody asked a catalog for it), of
    pages (the picture may show anything) and, where they were tried, of things cut out of their pictures."""

    card: ExactCard
    search: ExactFigures
    page: ExactFigures
    part: ExactFigures | None = None


def fit(trials: Trials, same_picture: float = 0.98) -> Fitted:
    """The card fitted on everything. Its thresholds differ: a search's holds its precision among searches of a catalog
    that has the product, a page's among as many of one that has it not. Colours have a part only where they win: on
    photos of full shelves they are those of the neighbours, too."""
    known = np.isfinite(trials.features[:, COLOUR])
    features = trials.features.copy()
    features[~known, COLOUR] = unknown = float(features[known, COLOUR].mean()) if known.any() else 0.0
    every = np.ones(len(features), bool)
    kinds = ((trials.closed, SURE_SEARCH), (every, SURE_PAGE))
    tries = [
        (_held_out(columns, trials, kinds), columns)
        for columns in ([features * (1, 1, 0)] + [features] * int(known.any()))
    ]
    (sums, said), chosen = max(tries, key=lambda one: (one[0][1][0] & trials.right).sum())
    weights, bias = _logistic(chosen, trials.right, every)
    cosine, margin, colour = (float(weight) for weight in weights)
    least, page = (min(_least(sums, trials, rows, sure), NEVER) for rows, sure in kinds)
    card = ExactCard(cosine, margin, colour, bias, least, page, unknown, same_picture)
    return Fitted(card, judge(trials, said[0]), judge(trials, said[1]))


def with_parts(fitted: Fitted, parts: Trials) -> Fitted:
    """The same card with a threshold for `parts`: searches with things cut out of their pictures, which are right less
    often at the same sum. The coefficients stay."""
    card, features = fitted.card, parts.features.copy()
    features[~np.isfinite(features[:, COLOUR]), COLOUR] = card.colour_unknown
    sums = _sums(features, (np.array([card.cosine, card.margin, card.colour]), card.bias))
    fold, said = _folds(parts.product), np.zeros(len(sums), bool)
    for number in range(FOLDS):
        rows = parts.closed & (fold != number)
        said[fold == number] = sums[fold == number] >= _least(sums, parts, rows, SURE_SEARCH)
    least = min(_least(sums, parts, parts.closed, SURE_SEARCH), NEVER)
    return replace(fitted, card=msgspec.structs.replace(card, least_of_part=least), part=judge(parts, said))


def _held_out(
    features: Floats, trials: Trials, kinds: Sequence[tuple[NDArray[np.bool_], float]]
) -> tuple[Floats, list[NDArray[np.bool_]]]:
    """Sums of each fold by coefficients of the others, and what a threshold of the others says of them: the products
    judged set neither. `kinds`: the rows that a threshold is set on, and how surely."""
    fold = _folds(trials.product)
    sums = np.empty(len(features))
    said = [np.zeros(len(features), bool) for _ in kinds]
    for number in range(FOLDS):
        sums[fold == number] = _sums(features[fold == number], _logistic(features, trials.right, fold != number))
    for number in range(FOLDS):
        for answer, (rows, sure) in zip(said, kinds, strict=True):
            answer[fold == number] = sums[fold == number] >= _least(sums, trials, rows & (fold != number), sure)
    return sums, said


def judge(trials: Trials, said: NDArray[np.bool_]) -> ExactFigures:
    """Figures of any decision on these trials."""
    right, closed = trials.right, trials.closed
    return ExactFigures(
        len(said),
        len(np.unique(trials.product)),
        _share(trials, said & right, said),
        _share(trials, said & right, said & closed),
        _share(trials, said & right, closed),
        _share(trials, said & ~closed, ~closed),
    )


def _logistic(features: Floats, right: NDArray[np.bool_], rows: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weights and bias by Newton's method, with a little ridge."""
    x, y = features[rows], right[rows].astype(float)
    mean, spread = x.mean(0), x.std(0) + 1e-9
    z = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    ridge = RIDGE * len(x) * np.diag([1.0] * (z.shape[1] - 1) + [0.0])
    beta = np.zeros(z.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(z @ beta, -30, 30)))
        curvature = z.T @ (z * (p * (1 - p))[:, None]) + ridge + 1e-9 * np.eye(len(beta))
        beta -= np.linalg.solve(curvature, z.T @ (p - y) + ridge @ beta)
    weights = beta[:-1] / spread
    return weights, float(beta[-1] - weights @ mean)


def _sums(features: Floats, model: tuple[Floats, float]) -> Floats:
    return np.asarray(features @ model[0] + model[1])


def _least(sums: Floats, trials: Trials, rows: NDArray[np.bool_], sure: float) -> float:
    """The least sum from which precision holds: on these rows, and on `sure` of the sets of products drawn anew."""
    order = np.flatnonzero(rows)[np.argsort(-sums[rows], kind="stable")]
    right = trials.right[order].astype(float)
    weights = np.vstack([np.ones(len(order)), _resampled(trials.product[order])])
    precision = np.cumsum(weights * right, 1) / np.maximum(np.cumsum(weights, 1), 1e-9)
    holds = (precision[0] >= TARGET) & ((precision[1:] >= TARGET).mean(0) >= sure)
    enough = np.flatnonzero(holds)
    return float(sums[order[enough[-1]]]) if len(enough) else float("inf")


def _resampled(product: NDArray[np.intp]) -> Floats:
    """How often each row counts when products are drawn with replacement, RESAMPLES times."""
    rng = np.random.default_rng(1)
    known, which = np.unique(product, return_inverse=True)
    drawn = rng.multinomial(len(known), [1 / len(known)] * len(known), RESAMPLES)
    return np.asarray(drawn[:, which], float)


def _share(trials: Trials, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Share:
    if not among.any():
        return Share(float("nan"), float("nan"), float("nan"))
    weights = _resampled(trials.product)
    totals = weights[:, among].sum(1)
    spread = (weights[:, hits].sum(1) / np.maximum(totals, 1e-9))[totals > 0]
    low, high = np.quantile(spread, [0.025, 0.975])
    return Share(float(hits.sum() / among.sum()), float(low), float(high))


def _folds(product: NDArray[np.intp]) -> NDArray[np.intp]:
    """A product and all its searches fall into one fold."""
    known, which = np.unique(product, return_inverse=True)
    return np.asarray((np.random.default_rng(0).permutation(len(known)) % FOLDS)[which])


def measure(shared: Path, models: Path, *, new: bool) -> Fitted:
    """Fit the embedder of a folder, fed as it is when it serves. The photos are those that it did not train on: the
    validation part and held-out products (`new`: these alone)."""
    rng = np.random.default_rng(2)
    found = pictures.gather(shared)
    held_out = [picture for picture in found if picture.source.startswith("photo") and picture.held_out]
    photos = held_out if new else held_out + [p for p in found if p.source == "photo-val" and not p.held_out]
    others = [picture for picture in found if picture.source.startswith("garment")]
    drawn = [photos[i] for i in rng.permutation(len(photos))[:PHOTOS]]
    beside = [others[i] for i in rng.permutation(len(others))[:OTHERS]]
    embedder, detector = Embedder(models / "embedder.onnx", threads=2), Detector(VisionSettings().detector, threads=2)
    studio = _looked_at(embedder, [picture for picture in found if picture.source == "studio"])
    fillers = _looked_at(embedder, beside, colours=False).vectors
    whole = fit(simulate(studio, _looked_at(embedder, drawn), fillers), same_picture_of(studio.vectors, fillers))
    return with_parts(whole, simulate(studio, _looked_at(embedder, drawn, detector), fillers))


def same_picture_of(studio: Vectors, others: Vectors) -> float:
    """A little above the cosine of the two most alike pictures of different things."""
    every = np.concatenate([studio, others])
    likeness = every @ every.T
    np.fill_diagonal(likeness, -1)
    return round(min(0.999, max(0.98, float(likeness.max()) + 0.004)), 4)


def _looked_at(
    embedder: Embedder, chosen: list[pictures.Picture], detector: Detector | None = None, *, colours: bool = True
) -> Pictures:
    """As wholes or, with a detector, the surest thing on each; pictures on which it finds nothing are left out."""
    vectors, names, seen = [], list[str](), list[ColourShares]()
    for picture in chosen:
        pixels = np.ascontiguousarray(pictures.read(picture), np.uint8)
        decoded = Decoded(pixels.shape[1], pixels.shape[0], pixels)
        found = detector.detect(decoded, MIN_SCORE, MOST_OBJECTS) if detector else []
        if detector and not found:
            continue
        boxes = [one.box for one in found] or [WHOLE]
        looks = attributes_in(decoded, boxes, [one.label for one in found] or [None])[0].colours if colours else ()
        vectors.append(embedder.embed(decoded, boxes[:1])[0])
        names.append(picture.name)
        seen.append(tuple((colour.name, colour.share) for colour in looks))
    return Pictures(np.stack(vectors), np.array(names), seen)


def main() -> None:
    """Print the card and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("--data", type=Path, default=REPO_ROOT.parent / "shared" / "data")
    parser.add_argument("--new", action="store_true")
    given = parser.parse_args()
    fitted = measure(given.data, given.models, new=given.new)
    figures = {"search": fitted.search, "part": fitted.part, "page": fitted.page}
    told = {name: asdict(one) for name, one in figures.items() if one}
    print(json.dumps({"exact": msgspec.to_builtins(fitted.card), "figures": told}, indent=2))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
