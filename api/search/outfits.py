"""What goes with what: slots of an outfit told from category names. First version: rules by words, no learning.

A product's complements are other slots of the same outfit (shoes and a bag with a dress, never a second dress).
Things that are not worn go with things of other categories that are not worn either. Nothing here looks at pictures:
among the categories chosen here, the search ranks by visual closeness.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache


class Slot(StrEnum):
    top = "top"
    outerwear = "outerwear"
    dress = "dress"
    bottom = "bottom"
    footwear = "footwear"
    bag = "bag"
    eyewear = "eyewear"
    headwear = "headwear"
    belt = "belt"
    scarf = "scarf"
    jewellery = "jewellery"


# Looked for in this order in the last part of a path first: a "shirt dress" is a dress, a "belt bag" is a bag.
WORDS: tuple[tuple[Slot, str], ...] = (
    (Slot.bag, "bag|handbag|backpack|rucksack|tote|clutch|purse|satchel|luggage"),
    (Slot.footwear, "shoe|footwear|sneaker|trainer|boot|sandal|heel|loafer|slipper"),
    (Slot.eyewear, "eyewear|sunglass|spectacle|eyeglass"),
    (Slot.headwear, "hat|cap|beanie|beret|headwear|headband"),
    (Slot.belt, "belt"),
    (Slot.scarf, "scarf|scarve|shawl|foulard"),
    (Slot.jewellery, "jewelry|jewellery|necklace|earring|bracelet|ring|watch"),
    (Slot.dress, "dress|gown|jumpsuit|romper"),
    (Slot.outerwear, "outerwear|jacket|coat|blazer|parka|cardigan|vest|gilet"),
    (Slot.bottom, "pant|trouser|jean|short|skirt|legging|chino|bottom"),
    (Slot.top, "top|shirt|t-shirt|tee|blouse|sweater|jumper|hoodie|sweatshirt|polo|longsleeve|knitwear"),
)
PATTERNS = tuple((slot, re.compile(rf"(?<![\w-])(?:{words})(?:s|es)?(?![\w-])")) for slot, words in WORDS)
# A dress takes the place of both halves.
NEVER_TOGETHER = ({Slot.dress, Slot.top}, {Slot.dress, Slot.bottom})
MAX_CATEGORY = 500


@lru_cache(maxsize=50_000)
def slot_of(category: str) -> Slot | None:
    """The slot that a category names, its last part first; None for what is not worn."""
    parts = [part.strip() for part in category[:MAX_CATEGORY].casefold().split(">")]
    for part in reversed(parts):
        for slot, pattern in PATTERNS:
            if pattern.search(part):
                return slot
    return None


def complementary(category: str, others: Iterable[str]) -> dict[str, frozenset[str]]:
    """Those of `others` that go with `category`, by group: a slot, or a category of things that are not worn."""
    own = slot_of(category)
    groups: dict[str, set[str]] = {}
    for other in others:
        slot = slot_of(other)
        if own is None and slot is None and not _akin(category, other):
            groups.setdefault(other, set()).add(other)
        elif own and slot and slot is not own and {own, slot} not in NEVER_TOGETHER:
            groups.setdefault(slot, set()).add(other)
    return {name: frozenset(members) for name, members in groups.items()}


def _akin(one: str, other: str) -> bool:
    """Whether one category is, or lies above, the other."""
    a, b = one.casefold() + " > ", other.casefold() + " > "
    return a.startswith(b) or b.startswith(a)
