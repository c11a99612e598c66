"""What a product's title and declared attributes say about being the same thing as another: words, colours, numbers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_TITLE = 200  # of a title's characters; what stands behind them must be the same in all
LEAST_LETTERS = 3  # of a word that names something: the t of a T-shirt does not
# accents that stand alone, and scripts whose vowels are no letters of their own (Devanagari to Sinhala, Thai, Lao)
_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff])"
WORD = re.compile(rf"{_LETTER}+|\d+(?:[.,]\d+)?")
_SIZES = "xxs xs s m l xl xxl xxxl small medium large size grösse größe taille"
_FILLERS = "the a an of for and with in by new der die das und für mit le la les de du et pour"
_COLOURS = """black white grey gray silver gold golden beige cream ivory sand camel tan brown chocolate cognac red
burgundy bordeaux wine orange coral rust yellow mustard green khaki olive mint sage turquoise teal petrol blue navy
denim indigo sky purple violet lilac lavender pink rose rosa fuchsia magenta multicolour multicolor nude taupe
anthracite charcoal schwarz weiss weiß grau braun rot gelb grün blau lila noir blanc gris marron rouge jaune vert
bleu"""
SIZES, FILLERS, COLOURS = (frozenset(words.split()) for words in (_SIZES, _FILLERS, _COLOURS))
# Google Merchant's names, and how shops write them
COLOUR_NAMES = ("color", "colour", "colour_name", "color_name", "farbe")
MATERIAL_NAMES = ("material", "fabric")
PATTERN_NAMES = ("pattern",)
GROUP_NAMES = ("item_group_id", "item group id")


@dataclass(frozen=True, slots=True)
class TitleWords:
    """`words` without colours, numbers and fillers, and without sizes where they are a garment's: medium fat milk and
    large eggs are things of their own. `numbers` sorted, each as often as it is said: a shelf of 40 x 40 x 80
    is none of 40 x 80 x 80."""

    words: frozenset[str]
    colours: frozenset[str]
    numbers: tuple[str, ...]

    @property
    def naming(self) -> int:
        """How many words name something."""
        return sum(len(word) >= LEAST_LETTERS for word in self.words)


def words_of(title: str, brand: str | None, *, worn: bool) -> TitleWords:
    """A title taken apart; the brand's own words are left out, because some sellers write them and some do not."""
    own = frozenset(WORD.findall((brand or "").casefold()))
    without = own | FILLERS | SIZES if worn else own | FILLERS
    kept = [word for word in WORD.findall(title[:MAX_TITLE].casefold()) if word not in without]
    words = {word for word in kept if not word[0].isdigit() and word not in COLOURS}
    if rest := title[MAX_TITLE:].casefold().strip():
        words.add(f"{hash(rest):x}")
    return TitleWords(
        frozenset(words),
        frozenset(word for word in kept if word in COLOURS),
        tuple(sorted(word.replace(",", ".") for word in kept if word[0].isdigit())),
    )


def same_title(a: TitleWords, b: TitleWords) -> bool:
    """The same words, whatever their order; titles without any word say nothing."""
    return bool(a.words) and a == b


def longer_title(a: TitleWords, b: TitleWords) -> bool:
    """One has all that the other says, which names the thing by two words at least, and no other number."""
    if a.numbers != b.numbers or min(a.naming, b.naming) < 2:
        return False
    one, other = a.words | a.colours, b.words | b.colours
    return one <= other or other <= one


def declared(attributes: Mapping[str, str], names: tuple[str, ...]) -> frozenset[str]:
    """The words of the first of these attributes that the feed gives."""
    value = next((value for name in names if (value := attributes.get(name))), "")
    return frozenset(WORD.findall(value[:MAX_TITLE].casefold()))


def agree(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether what is said leaves room for one thing."""
    return not a or not b or not a.isdisjoint(b)
