"""For whom a thing is made, as far as anything says so: a product's feed, else words of its title and category, else
what things of its kind nearly always are; for an object on a picture its kind, else the products that look like it."""

import re
from collections import Counter
from collections.abc import Iterable

from api.catalog.schemas import Audience
from api.search.outfits import Slot, slot_of

# Whole words: "women" holds "men". Shops of several languages sell here (English, German, French, Spanish, Italian,
# Dutch); words that mean something else in another of them are left out.
WORDS: tuple[tuple[Audience, str], ...] = (
    (
        Audience.kids,
        """kid child children boy girl baby babies toddler infant newborn junior youth kinder mädchen jungs enfant
        bébé bébés fille fillette garçon garçons bambino bambina bambini neonato ragazza ragazzo ragazzi niño niña
        niños niñas bebé bebés infantil meisje meisjes jongen jongens""",
    ),
    (Audience.unisex, "unisex genderless all-gender gender-neutral"),
    (
        Audience.women,
        """women woman ladies lady female damen dame dames frauen femme donna donne mujer mujeres señora vrouwen
        maternity""",
    ),
    (Audience.men, "men man gentlemen male herren männer homme uomo uomini hombre hombres caballero heren mannen"),
)
_AUDIENCE_OF = {word: audience for audience, words in WORDS for word in words.split()}
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# Words of an audience that name a colour, a cloth, a cut, a figure or a thing instead.
_COLOUR = "blue|pink|rose|rosa|yellow|lilac|lavender|purple|green|mint|powder|blau|bleu|azul|celeste"
NO_AUDIENCE = re.compile(
    r"(?<![\w-])(?:"
    rf"(?:baby|bébé|bebe|bebé)[ -](?:{_COLOUR}|alpaca|llama|camel|cashmere|corduroy|cord|rib|doll|tee)"
    rf"|(?:{_COLOUR})[ -](?:bébé|bebe|bebé)|kid[ -](?:mohair|silk|suede|leather|lamb)"
    r"|(?:boy|girl)[ -]?friend|(?:news|baker|paper|cow|play|tom)[ -]?(?:boy|girl)s?"
    r"|boy[ -]?(?:shorts?|fit|cut|leg|brief)|girl[ -]boss|pink[ -]lady|lady[ -]?(?:bird|bug)|man[ -]?made"
    r"|(?:iron|bat|super|spider|ant|wonder|cat|x)[ -]?(?:man|men|woman)"
    r")(?![\w-])"
)
# Cuts that are named after whose clothes they look like, and sold to women.
CUTS_FOR_WOMEN = re.compile(
    r"(?<![\w-])(?:(?:mom|mum|boyfriend|girlfriend)(?:[ -](?:fit|cut|style))?"
    r" (?:jeans?|shorts?|trousers?|pants?|chinos?|blazer|shirt)"
    r"|baby[ -]?dolls?|boy[ -]?shorts? (?:brief|pant(?:y|ies)|underwear))(?![\w-])"
)
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
    dressed = slot in {Slot.dress, Slot.bottom, Slot.top} and FOR_WOMEN.search(text) and not NOT_ONLY.search(text)
    return Audience.women if dressed or (slot and CUTS_FOR_WOMEN.search(text)) else Audience.unknown


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
    words = (word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(NO_AUDIENCE.sub(" ", text)))
    return {found for word in words if (found := _AUDIENCE_OF.get(word) or _AUDIENCE_OF.get(word.removesuffix("s")))}
