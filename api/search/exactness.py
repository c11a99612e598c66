"""Whether the nearest product is the very one: a calibrated decision, fitted by workers/training/exact.py.

The cosine alone says little about products that the embedder never saw. How far the next other product lies behind, and
whether the colours agree, say more; both are cheap."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from api.vision.calibration import ExactCard

MOST_MARGIN = 0.3  # a lead beyond it says no more
SAME_PICTURE = 0.98  # where no card says it: no two pictures of different products came nearer than 0.976
ColourShares = tuple[tuple[str, float], ...]


class Asked(StrEnum):
    """With what a catalog is searched: a whole picture, a thing cut out of one, or a thing met on a page, whose picture
    may show what no catalog has."""

    whole = "whole"
    part = "part"
    page = "page"


@dataclass(frozen=True, slots=True)
class ExactRule:
    """`card` is None for embedders without a calibration: then the cosine must reach `threshold`."""

    threshold: float
    card: ExactCard | None = None

    @property
    def same_picture(self) -> float:
        """The cosine from which two pictures show one thing in one shot, whatever else lies near them."""
        return self.card.same_picture if self.card else max(SAME_PICTURE, self.threshold)

    def is_exact(
        self, cosine: float, margin: float | None, agreement: float | None, asked: Asked = Asked.whole
    ) -> bool:
        """`margin`: by how much the product leads the next one that is another; one that is not the nearest has a
        negative one. None where there is no other, because then nothing was beaten, and the cosine alone must reach the
        threshold, too."""
        if cosine >= self.same_picture:
            return True
        if margin is not None and margin < 0:
            return False
        if self.card is None or (margin is None and cosine < self.threshold):
            return cosine >= self.threshold
        return logit(self.card, cosine, margin or 0.0, agreement) >= least_of(self.card, asked)


def least_of(card: ExactCard, asked: Asked) -> float:
    """The least sum at which a match is exact."""
    if asked is Asked.page:
        return card.least_on_page
    return card.least if asked is Asked.whole or card.least_of_part is None else card.least_of_part


def logit(card: ExactCard, cosine: float, margin: float, agreement: float | None) -> float:
    """The sum that is compared with `least`."""
    colour = card.colour_unknown if agreement is None else agreement
    return card.cosine * cosine + card.margin * min(margin, MOST_MARGIN) + card.colour * colour + card.bias


def agreement_of(one: ColourShares, other: ColourShares | Mapping[str, float]) -> float | None:
    """The share of colours that both have, 0..1; None where either's are not known."""
    if not one or not other:
        return None
    shares = other if isinstance(other, Mapping) else dict(other)
    return sum(min(share, shares.get(name, 0.0)) for name, share in one)
