"""Full shot or half shot, from the parts that were found."""

import pytest

from api.vision.picture import Box, Detection
from api.vision.shot import Shot, shot_of


def found(*labels: str, score: float = 0.8) -> list[Detection]:
    return [Detection(label, score, Box(0.2, 0.1 * n, 0.4, 0.1)) for n, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("labels", "shot"),
    [
        (["top", "pants", "footwear"], Shot.full),
        (["dress", "footwear"], Shot.full),
        (["outerwear", "skirt", "bag", "footwear", "headwear"], Shot.full),
        (["top", "pants"], Shot.half),
        (["dress", "bag"], Shot.half),
        (["outerwear", "eyewear"], Shot.half),
        (["pants", "footwear"], Shot.half),
        (["footwear"], Shot.detail),
        (["bag", "belt"], Shot.detail),
        (["top"], Shot.unknown),
        (["dress"], Shot.unknown),
        (["product", "product"], Shot.unknown),
        ([], Shot.unknown),
    ],
)
def test_the_parts_tell_the_shot(labels: list[str], shot: Shot) -> None:
    assert shot_of(found(*labels)) is shot


def test_a_weak_detection_is_no_evidence() -> None:
    assert shot_of([*found("top", "pants"), *found("footwear", score=0.2)]) is Shot.half
    assert shot_of(found("top", "pants", "footwear", score=0.1)) is Shot.unknown
