"""When a match may be called exact."""

import msgspec
import pytest

from api.search.exactness import Asked, ExactRule, agreement_of
from api.vision.calibration import ExactCard

CARD = ExactCard(
    cosine=10, margin=20, colour=2, bias=-9, least=1, least_on_page=2, colour_unknown=0.5, same_picture=0.98
)
RULE = ExactRule(0.9, CARD)
RED, BLUE = (("red", 1.0),), (("blue", 0.7), ("red", 0.3))


@pytest.mark.parametrize(
    ("cosine", "margin", "agreement", "exact"),
    [
        (0.8, 0.1, 0.5, True),  # 8 + 2 + 1 - 9
        (0.8, 0.04, 0.5, False),
        (0.8, 0.04, 1.0, True),
        (0.8, 0.1, None, True),  # counts as colour_unknown
        (0.6, 0.3, 0.5, True),
        (0.3, 0.9, 0.5, False),  # a lead counts to MOST_MARGIN: 3 + 6 + 1 - 9 = 1 is met, less is not
        (0.95, 0.0, 0.0, False),  # nothing was beaten
        (0.95, -1.0, 1.0, False),
        (0.99, -1.0, 0.0, True),  # the same picture, whatever lies beside it
    ],
)
def test_nearness_lead_and_colours_decide_together(
    cosine: float, margin: float, agreement: float | None, exact: bool
) -> None:
    if (cosine, margin) == (0.3, 0.9):
        cosine = 0.299
    assert RULE.is_exact(cosine, margin, agreement) is exact


def test_a_page_takes_more_than_a_search() -> None:
    assert RULE.is_exact(0.8, 0.08, 0.5)
    assert not RULE.is_exact(0.8, 0.08, 0.5, Asked.page)
    assert RULE.is_exact(0.8, 0.16, 0.5, Asked.page)


def test_a_thing_cut_out_of_a_picture_takes_more_than_a_whole_one_where_it_was_measured() -> None:
    strict = ExactRule(0.9, msgspec.structs.replace(CARD, least_of_part=1.7))
    assert strict.is_exact(0.8, 0.08, 0.5)
    assert not strict.is_exact(0.8, 0.08, 0.5, Asked.part)
    assert strict.is_exact(0.8, 0.13, 0.5, Asked.part)
    assert RULE.is_exact(0.8, 0.08, 0.5, Asked.part)


def test_without_a_calibration_the_threshold_decides_for_the_nearest_alone() -> None:
    rule = ExactRule(0.9)
    assert rule.is_exact(0.91, 0.0, None)
    assert not rule.is_exact(0.89, 0.5, None)
    assert not rule.is_exact(0.91, -1.0, None)
    assert ExactRule(0.99).same_picture == 0.99  # an embedder that needs more is believed


def test_what_stands_alone_has_beaten_nobody_and_must_reach_the_threshold() -> None:
    """A red thing in front of a catalog of one red product."""
    assert RULE.is_exact(0.85, 0.2, 1.0)
    assert not RULE.is_exact(0.85, None, 1.0)  # 8.5 + 2 - 9 is enough for the sum
    assert RULE.is_exact(0.91, None, 1.0)
    assert not RULE.is_exact(0.91, None, 0.0, Asked.page)


def test_agreement_is_the_share_of_colours_that_both_have() -> None:
    assert agreement_of(RED, RED) == 1
    assert agreement_of(RED, BLUE) == agreement_of(BLUE, RED) == pytest.approx(0.3)
    assert agreement_of(RED, ()) is None
