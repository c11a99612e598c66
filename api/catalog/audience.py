"""For whom a thing is made, as far as anything says so: a product's feed, else words of its title and category, else
what things of its kind nearly always are; for an object on a picture its kind, else the products that look like it."""

import re
from collections import Counter
from collections.abc import Iterable

from api.catalog.schemas import Audience
from api.search.outfits import Slot, slot_of

# Whole words: "women" holds "men". Shops of several languages sell here.
WORDS: tuple[tuple[Audience, str], ...] = (
    (Audience.kids, "kid child children boy girl baby babies toddler infant newborn junior kinder enfant bambino"),
    (Audience.unisex, "unisex genderless all-gender gender-neutral"),
    (Audience.women, "women woman ladies lady female damen femme femmes donna mujer maternity"),
    (Audience.men, "men man gentlemen male herren homme hommes uomo hombre"),
)
_AUDIENCE_OF = {word: audience for audience, words in WORDS for word in words.split()}
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# Made for women with few exceptions; no other kind of thing says it by itself.
FOR_WOMEN = re.compile(r"(?<![\w-])(?:dress(?:es)?|skirts?|gowns?|blouses?|bras?|leggings)(?![\w-])")
NOT_ONLY = re.compile(r"(?<!\w)(?:shirts?|socks?|shoes?|code|bed)(?!\w)")  # a dress shirt, a bed skirt
LABELS_FOR_WOMEN = frozenset({"dress", "skirt"})
MAX_TEXT = 1000
LEAST_VOTES, MAJORITY = 3, 0.7


def audience_of(declared: Audience, title: str, category: str) -> Audience:
    """Of a product. Words of a title count for what is worn alone: a Pink Lady is an apple."""
    if declared is not Audience.unknown:
        return declared
    category, title = category[:MAX_TEXT].casefold(), title[:MAX_TEXT].casefold()
    slot = slot_of(category) or slot_of(title)
    told = _told(category) | (_told(title) if slot else set())
    if Audience.kids in told:
        return Audience.kids
    if len(told) > 1:
        return Audience.unisex
    if told:
        return told.pop()
    text = f"{title} {category}"
    for_women = slot in {Slot.dress, Slot.bottom, Slot.top} and FOR_WOMEN.search(text) and not NOT_ONLY.search(text)
    return Audience.women if for_women else Audience.unknown


def audience_seen(label: str | None, neighbours: Iterable[str]) -> Audience:
    """Of an object on a picture: `neighbours` are the audiences of the products that look like it."""
    if label in LABELS_FOR_WOMEN:
        return Audience.women
    votes = Counter(vote for vote in neighbours if vote != Audience.unknown)
    if sum(votes.values()) < LEAST_VOTES:
        return Audience.unknown
    winner, count = min(votes.items(), key=lambda vote: (-vote[1], vote[0]))
    return Audience(winner) if count >= MAJORITY * sum(votes.values()) else Audience.unknown


def _told(text: str) -> set[Audience]:
    words = (word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text))
    return {found for word in words if (found := _AUDIENCE_OF.get(word) or _AUDIENCE_OF.get(word.removesuffix("s")))}
