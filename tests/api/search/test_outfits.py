"""What goes with what, by the names of categories."""

import pytest

from api.search.index import category_key
from api.search.outfits import Slot, complementary, slot_of


@pytest.mark.parametrize(
    ("category", "slot"),
    [
        ("Apparel > Shirts & Tops", Slot.top),
        ("Clothing > T-Shirts", Slot.top),
        ("Women > Dresses > Shirt dresses", Slot.dress),
        ("Accessories > Belt bags", Slot.bag),
        ("Accessories > Belts", Slot.belt),
        ("Shoes > Boots", Slot.footwear),
        ("Shoes", Slot.footwear),
        ("Apparel > Pants", Slot.bottom),
        ("shorts", Slot.bottom),
        ("Apparel & Accessories > Sunglasses", Slot.eyewear),
        ("Apparel > Outerwear > Coats & Jackets", Slot.outerwear),
        ("Home > Lamps", None),
        ("Home > Carpets", None),  # no cap in it
        ("Kitchen > Mugs", None),
        ("", None),
    ],
)
def test_slots_are_told_from_the_most_precise_name(category: str, slot: Slot | None) -> None:
    assert slot_of(category) is slot


def test_an_outfit_is_completed_and_never_doubled() -> None:
    others = map(category_key, ["Dresses", "Tops", "Pants", "Shoes", "Shoes > Boots", "Bags", "Lamps"])
    assert complementary("Dresses", list(others)) == {
        "footwear": {"shoes", "shoes > boots"},
        "bag": {"bags"},
    }


def test_things_for_the_home_go_with_other_things_for_the_home() -> None:
    others = map(category_key, ["Home > Lamps", "Home > Lamps > Desk", "Home", "Home > Chairs", "Shoes"])
    assert complementary("home > lamps", list(others)) == {"home > chairs": {"home > chairs"}}
