"""Whether the nearest product is the very one: a calibrated decision, fitted by workers/training/exact.py.

The cosine alone says little about products that the embedder never saw. How far the next other product lies behind, and
whether the colours agree, say more; both are cheap."""

from dataclasses import dataclass

from api.catalog.schemas import ProductRead
from api.vision.calibration import ExactCard

MOST_MARGIN = 0.3  # a lead beyond it says no more
SAME_PICTURE = 0.98  # where no card says it: no two pictures of different products came nearer than 0.976
ColourShares = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ExactRule:
    """`card` is None for embedders without a calibration: then the cosine must reach `threshold`."""

    threshold: float
    card: ExactCard | None = None

    @property
    def same_picture(self) -> float:
        """The cosine from which two pictures show one thing in one shot, whatever else lies near them."""
        return self.card.same_picture if self.card else max(SAME_PICTURE, self.threshold)

    def is_exact(self, cosine: float, margin: float, agreement: float | None, *, on_page: bool = False) -> bool:
        """`margin`: by how much the product leads the next one that is another; 0 where there is no other, because then
        nothing was beaten. A product that is not the nearest has a negative one.
        `on_page`: the picture is a page's, and may show what no catalog has."""
        if cosine >= self.same_picture:
            return True
        if margin < 0:
            return False
        if self.card is None:
            return cosine >= self.threshold
        least = self.card.least_on_page if on_page else self.card.least
        return logit(self.card, cosine, margin, agreement) >= least


def logit(card: ExactCard, cosine: float, margin: float, agreement: float | None) -> float:
    """The sum that is compared with `least`."""
    colour = card.colour_unknown if agreement is None else agreement
    return card.cosine * cosine + card.margin * min(margin, MOST_MARGIN) + card.colour * colour + card.bias


def agreement_of(one: ColourShares, other: ColourShares) -> float | None:
    """The share of colours that both have, 0..1; None where either's are not known."""
    if not one or not other:
        return None
    shares = dict(other)
    return sum(min(share, shares.get(name, 0.0)) for name, share in one)


def colours_seen(product: ProductRead) -> ColourShares:
    """The colours measured on the product's picture; empty where it was not looked at."""
    return tuple((colour.name, colour.share) for colour in product.seen.colours) if product.seen else ()
