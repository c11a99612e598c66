"""Colours: every word of the vocabulary, and garments drawn in known colours on grounds of all kinds."""

import numpy as np
import pytest

from api.vision.attributes import attributes_in
from api.vision.colours import EXAMPLES, NAMES, Colour, colours_of, lab_of, name_of
from api.vision.picture import Box, Picture
from workers.training.drawn_garments import Drawing, Tint, drawn

WHITE, BLACK, RED, NAVY = (250, 250, 250), (14, 14, 14), (200, 25, 30), (22, 30, 66)
BLUE, GREEN, YELLOW, PINK = (40, 90, 200), (40, 130, 60), (240, 210, 40), (240, 130, 170)
SKIN = (205, 150, 125)


def colours_in(pixels: np.ndarray, boxes: list[Box] | None = None, label: str | None = None) -> tuple[Colour, ...]:
    picture = Picture(pixels.shape[1], pixels.shape[0], pixels)
    return attributes_in(picture, boxes, [label])[0].colours


def shares(colours: tuple[Colour, ...]) -> dict[str, float]:
    return {colour.name: colour.share for colour in colours}


@pytest.mark.parametrize("name", NAMES)
def test_each_example_has_its_name(name: str) -> None:
    for code in EXAMPLES[name].split():
        pixel = np.array([[[int(code[i : i + 2], 16) for i in (0, 2, 4)]]], np.uint8)
        lightness, a, b = lab_of(pixel)[0, 0].tolist()
        assert name_of((lightness, a, b)) == name, code


# names of CSS, which nobody here chose
@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("000000", "black"),
        ("ffffff", "white"),
        ("808080", "grey"),
        ("ff0000", "red"),
        ("8b0000", "red"),
        ("ffa500", "orange"),
        ("ffd700", "yellow"),
        ("ffff00", "yellow"),
        ("008000", "green"),
        ("32cd32", "green"),
        ("808000", "olive"),
        ("40e0d0", "turquoise"),
        ("008080", "turquoise"),
        ("0000ff", "blue"),
        ("4169e1", "blue"),
        ("add8e6", "blue"),
        ("000080", "navy"),
        ("191970", "navy"),
        ("800080", "purple"),
        ("dda0dd", "purple"),
        ("ffc0cb", "pink"),
        ("ff69b4", "pink"),
        ("f5f5dc", "beige"),
        ("d2b48c", "beige"),
        ("8b4513", "brown"),
        ("a0522d", "brown"),
    ],
)
def test_well_known_colours_have_the_name_that_people_use(code: str, name: str) -> None:
    pixel = np.array([[[int(code[i : i + 2], 16) for i in (0, 2, 4)]]], np.uint8)
    lightness, a, b = lab_of(pixel)[0, 0].tolist()
    assert name_of((lightness, a, b)) == name


@pytest.mark.parametrize(
    ("cloth", "ground", "name"),
    [
        (RED, WHITE, "red"),
        (RED, (60, 130, 70), "red"),
        (WHITE, RED, "white"),
        (WHITE, (120, 90, 60), "white"),
        (BLACK, (170, 140, 100), "black"),
        (NAVY, (200, 200, 200), "navy"),
        (GREEN, (210, 40, 120), "green"),
        (PINK, (120, 120, 120), "pink"),
        (YELLOW, BLUE, "yellow"),
        (BLUE, YELLOW, "blue"),
        (WHITE, WHITE, "white"),
        ((244, 244, 244), (255, 255, 255), "white"),
        (BLACK, BLACK, "black"),
        ((30, 30, 32), (8, 8, 8), "black"),
    ],
)
def test_a_garment_has_its_own_colour_and_not_its_grounds(cloth: Tint, ground: Tint, name: str) -> None:
    for outline in (0, 1, 2):
        seen = shares(colours_in(drawn(Drawing("plain", cloth, ground=ground, outline=outline, folds=0.15))))
        assert next(iter(seen)) == name
        assert seen[name] >= 0.9


def test_two_colours_come_with_their_shares() -> None:
    what = Drawing("striped", RED, WHITE, ground=(90, 120, 160), period=40, share=0.5, folds=0.05)
    seen = shares(colours_in(drawn(what)))
    assert set(seen) == {"red", "white"}
    assert seen["red"] == pytest.approx(0.5, abs=0.12)
    few = shares(colours_in(drawn(Drawing("striped", NAVY, YELLOW, ground=(230, 230, 230), period=40, share=0.2))))
    assert list(few)[:2] == ["navy", "yellow"]
    assert 0.08 < few["yellow"] < 0.3


def test_shares_are_of_the_whole_and_in_order() -> None:
    seen = colours_in(drawn(Drawing("print", BLUE, PINK, ground=WHITE, period=30)))
    assert [colour.share for colour in seen] == sorted((colour.share for colour in seen), reverse=True)
    assert 0.85 <= sum(colour.share for colour in seen) <= 1.001


def test_skin_is_no_colour_of_what_is_worn() -> None:
    """A dress between bare arms and legs, before a street."""
    pixels = np.full((300, 200, 3), (120, 125, 130), np.uint8)
    pixels[:, 40:160] = SKIN
    pixels[70:220, 60:140] = GREEN
    box = Box(0.2, 0.15, 0.6, 0.75)
    worn = shares(colours_in(pixels, [box], "dress"))
    assert next(iter(worn)) == "green"
    assert worn["green"] > 0.9


def test_a_coat_of_the_colour_of_skin_keeps_its_colour() -> None:
    pixels = np.full((300, 200, 3), (90, 95, 100), np.uint8)
    pixels[60:260, 50:150] = (190, 160, 125)
    seen = colours_in(pixels, [Box(0.25, 0.2, 0.5, 0.67)], "outerwear")
    assert seen[0].name in {"beige", "brown"}


def test_a_bag_in_front_is_no_colour_of_the_dress_behind_it() -> None:
    pixels = np.full((300, 200, 3), (150, 150, 150), np.uint8)
    pixels[30:270, 50:150] = BLUE
    pixels[120:200, 60:140] = RED
    dress, bag = Box(0.25, 0.1, 0.5, 0.8), Box(0.3, 0.4, 0.4, 0.27)
    picture = Picture(200, 300, pixels)
    seen_dress, seen_bag = attributes_in(picture, [dress, bag], ["dress", "bag"])
    assert shares(seen_dress.colours)["blue"] > 0.75
    assert seen_bag.colours[0].name == "red"


def test_the_same_pixels_have_the_same_colours() -> None:
    pixels = drawn(Drawing("print", RED, GREEN, ground=WHITE, seed=5))
    assert colours_in(pixels) == colours_in(pixels.copy())


def test_nothing_to_weigh_has_no_colours() -> None:
    lab = lab_of(np.zeros((4, 4, 3), np.uint8))
    assert colours_of(lab, np.zeros((4, 4), np.float32)) == ()
