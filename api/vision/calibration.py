"""What an embedder's card says of the cosine of its vectors beyond thresholds; api/search decides with it."""

import msgspec


class ExactCard(msgspec.Struct, frozen=True):
    """`exact` of embedder.json, fitted by workers/training/exact.py: coefficients of a logistic model over cosine,
    margin to the next other product and colour agreement, and the least sum at which a match is called exact:
    `least` of a search with a whole picture, `least_of_part` of one for a thing cut out of a picture (None: the same),
    `least_on_page` where nobody says that a catalog has what the picture shows.
    `colour_unknown` stands in where either side's colours are not known; `same_picture` is the cosine of two copies of
    one picture."""

    cosine: float
    margin: float
    colour: float
    bias: float
    least: float
    least_on_page: float
    colour_unknown: float
    same_picture: float = 0.98
    least_of_part: float | None = None
