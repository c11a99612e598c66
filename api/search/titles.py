"""What a product's title and declared attributes say about being the same thing as another: words, colours, numbers."""

import re
from dataclasses import dataclass
from functools import lru_cache

from api.catalog.schemas import ProductRead

MAX_TITLE = 200  # of a title's characters; what makes things differ stands in front
MAX_WORDS = 24
LEAST_LETTERS = 3  # of a word that names something: the t of a T-shirt does not
LOOSE = 0.5  # share of all their words that two titles of one thing have in common at least
WORD = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)?")
_SIZES = "xxs xs s m l xl xxl xxxl small medium large size grösse größe taille"
_FILLERS = "the a an of for and with in by new der die das und für mit le la les de du et pour"
_COLOURS = """black white grey gray silver gold golden beige cream ivory sand camel tan brown chocolate cognac red
burgundy bordeaux wine orange coral rust yellow mustard green khaki olive mint sage turquoise teal petrol blue navy
denim indigo sky purple violet lilac lavender pink rose rosa fuchsia magenta multicolour multicolor nude taupe
anthracite charcoal schwarz weiss weiß grau braun rot gelb grün blau lila noir blanc gris marron rouge jaune vert
bleu"""
SIZES, FILLERS, COLOURS = (frozenset(words.split()) for words in (_SIZES, _FILLERS, _COLOURS))
COLOUR_NAMES = ("color", "colour", "colour_name", "color_name", "farbe")
GROUP_NAMES = ("item_group_id", "item group id")


@dataclass(frozen=True, slots=True)
class TitleWords:
    """`words` without colours, numbers, sizes and fillers."""

    words: frozenset[str]
    colours: frozenset[str]
    numbers: frozenset[str]


@lru_cache(maxsize=50_000)
def words_of(title: str, brand: str | None) -> TitleWords:
    """A title taken apart; the brand's own words are left out, because some sellers write them and some do not."""
    own = frozenset(WORD.findall((brand or "").casefold()))
    found = WORD.findall(title[:MAX_TITLE].casefold())[:MAX_WORDS]
    kept = [word for word in found if word not in own and word not in SIZES and word not in FILLERS]
    return TitleWords(
        frozenset(word for word in kept if not word[0].isdigit() and word not in COLOURS),
        frozenset(word for word in kept if word in COLOURS),
        frozenset(word.replace(",", ".") for word in kept if word[0].isdigit()),
    )


def same_title(a: TitleWords, b: TitleWords) -> bool:
    """The same words, whatever their order; titles without any word say nothing."""
    return bool(a.words) and a == b


def like_title(a: TitleWords, b: TitleWords) -> bool:
    """Half of the words in common, no other number ("1.5 %" is not "3 %") and no other colour."""
    common = len(a.words & b.words)
    every = len(a.words) + len(b.words) - common
    return bool(common) and common >= LOOSE * every and a.numbers == b.numbers and _agree(a.colours, b.colours)


def declared_colours(product: ProductRead) -> frozenset[str]:
    """The words of the colour that the feed gives."""
    for name in COLOUR_NAMES:
        if value := product.attributes.get(name):
            return frozenset(WORD.findall(value[:MAX_TITLE].casefold()))
    return frozenset()


def family_of(product: ProductRead) -> tuple[str, ...] | None:
    """What all variants of one thing share: the feed's own group, else brand and title without colours; None for what
    is named in less than two words, which may be anything."""
    for name in GROUP_NAMES:
        if value := product.attributes.get(name):
            return (product.catalog_id, value)
    return _named_family(product.title, product.brand, product.catalog_id)


@lru_cache(maxsize=50_000)
def _named_family(title: str, brand: str | None, catalog_id: str) -> tuple[str, ...] | None:
    words = words_of(title, brand)
    if sum(len(word) >= LEAST_LETTERS for word in words.words) < 2:
        return None
    owner = (brand or catalog_id).casefold()
    return (owner, *sorted(words.words), *sorted(words.numbers))


def colours_agree(a: ProductRead, b: ProductRead) -> bool:
    """Whether what the feeds declare leaves room for one colour."""
    return _agree(declared_colours(a), declared_colours(b))


def _agree(a: frozenset[str], b: frozenset[str]) -> bool:
    return not a or not b or not a.isdisjoint(b)
