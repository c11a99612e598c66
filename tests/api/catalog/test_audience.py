"""For whom a thing is made: what the feed says, what words say, what its kind says, and an honest unknown."""

import pytest

from api.catalog.audience import audience_of, audience_seen
from api.catalog.checking import check_row
from api.catalog.schemas import Audience

ROW = {
    "id": "1",
    "title": "Thing",
    "price": "5 EUR",
    "link": "https://shop.example/1",
    "image_link": "https://a.example/",
}


@pytest.mark.parametrize(
    ("title", "category", "audience"),
    [
        ("Women's running shoes", "Shoes", "women"),
        ("Running shoes", "Women > Shoes", "women"),
        ("Herren Jacke", "Outerwear > Jackets", "men"),
        ("Men’s boots", "", "men"),
        ("Ladies top", "", "women"),
        ("Sneakers for men and women", "Shoes", "unisex"),
        ("Unisex hoodie", "Tops", "unisex"),
        ("Rain boots for boys", "Shoes > Boots", "kids"),
        ("Girls' dress", "Dresses", "kids"),
        ("Toy train", "Kids > Toys", "kids"),
        ("Summer dress", "Dresses", "women"),
        ("Pleated midi", "Clothing > Skirts", "women"),
        ("Dress shirt", "Shirts", "unknown"),
        ("Dress shoes", "Shoes", "unknown"),
        ("Bed skirt", "Bedding", "unknown"),
        ("Canvas sneaker", "Shoes", "unknown"),
        ("Pink Lady", "Apple", "unknown"),
        ("Baby spinach", "Vegetables", "unknown"),
        ("Mandarin", "Fruit", "unknown"),
        ("Salad dressing", "Pantry", "unknown"),
        ("Humane trap", "Garden", "unknown"),
        # colours, cloths, cuts and figures
        ("Baby Blue Dress", "Dresses", "women"),
        ("Baby blue shirt", "Tops", "unknown"),
        ("Baby pink sneaker", "Shoes", "unknown"),
        ("Dress in baby-blue", "Dresses", "women"),
        ("Baby Blue Dress", "Kids > Dresses", "kids"),
        ("Baby blue baby romper", "Clothing", "kids"),
        ("Baby doll dress", "Dresses", "women"),
        ("Babydoll top", "Tops", "women"),
        ("Baby alpaca sweater", "Knitwear", "unknown"),
        ("Kid mohair cardigan", "Cardigans", "unknown"),
        ("Boyfriend jeans", "Jeans", "women"),
        ("Women's boyfriend jeans", "Jeans", "women"),
        ("Girlfriend collar blouse", "Blouses", "women"),
        ("Girlfriend collar shirt", "Shirts", "unknown"),
        ("Mom jeans", "Jeans", "women"),
        ("Mom fit jeans", "Jeans", "women"),
        ("Dad cap", "Caps", "unknown"),
        ("Boy shorts", "Shorts", "unknown"),
        ("Boy shorts", "Underwear > Shorts", "women"),
        ("Baby leather shoes", "Shoes", "kids"),
        ("Baby T-shirt", "Tops", "kids"),
        ("Pink baby dress", "Dresses", "kids"),
        ("One of a kind shirt", "Shirts", "unknown"),
        ("School girls shoes", "Shoes", "kids"),
        ("Boys shorts", "Shorts", "kids"),
        ("Boys' blue shorts", "Shorts", "kids"),
        ("Boy's pink shirt", "Shirts", "kids"),
        ("Girls pink dress", "Dresses", "kids"),
        ("Newsboy cap", "Caps", "unknown"),
        ("Baker boy cap", "Caps", "unknown"),
        ("Iron Man T-shirt", "T-Shirts", "unknown"),
        ("Iron Man T-shirt for boys", "T-Shirts", "kids"),
        # other languages
        ("Robe fille", "Dresses", "kids"),
        ("T-shirt bleu bébé", "T-shirt", "unknown"),
        ("Jeans pour hommes", "Jeans", "men"),
        ("Vestido azul bebé", "Dresses", "women"),
        ("Mädchen Kleid", "Shoes", "kids"),
        ("Zapatos de mujer", "Shoes", "women"),
        ("Scarpe uomo", "Shoes", "men"),
        ("Heren sneakers", "Sneakers", "men"),
    ],
)
def test_words_tell_where_the_feed_does_not(title: str, category: str, audience: str) -> None:
    assert audience_of(Audience.unknown, title, category) == audience


def test_the_feed_has_the_last_word() -> None:
    assert audience_of(Audience.men, "Women's dress", "Women > Dresses") is Audience.men
    told = check_row(ROW | {"title": "Women's dress", "gender": "unisex"}).product
    silent = check_row(ROW | {"title": "Women's dress"}).product
    assert told
    assert silent
    assert (told.audience, silent.audience) == ("unisex", "women")


def test_a_title_of_any_length_is_read_quickly() -> None:
    assert audience_of(Audience.unknown, "wo" * 500_000 + " men", "dress " * 100_000) is Audience.women


@pytest.mark.parametrize(
    ("label", "neighbours", "audience"),
    [
        ("dress", [], "women"),
        ("skirt", ["men"] * 5, "women"),
        ("footwear", ["men", "men", "men", "unknown"], "men"),
        ("footwear", ["men", "men", "women", "women", "kids"], "unknown"),
        ("footwear", ["men", "men"], "unknown"),
        ("footwear", ["unknown"] * 9, "unknown"),
        (None, ["women"] * 4 + ["men"], "women"),
    ],
)
def test_an_object_is_for_those_whom_things_like_it_are_for(label: str, neighbours: list[str], audience: str) -> None:
    assert audience_seen(label, neighbours) == audience
