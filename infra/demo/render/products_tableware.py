"""Loam & Linden: ceramics and glass for the table."""

from __future__ import annotations

from catalog import Product

BOTTLE = [(0.045, 0.002), (0.06, 0.03), (0.064, 0.1), (0.04, 0.165), (0.02, 0.2), (0.018, 0.245), (0.026, 0.262)]
AMPHORA = [(0.05, 0.002), (0.078, 0.05), (0.095, 0.12), (0.082, 0.18), (0.05, 0.215), (0.052, 0.24)]

TABLEWARE = [
    Product(
        "ll-hearth-mug",
        "Hearth Mug, speckled oat",
        "A thrown stoneware mug with a wide ear for two fingers and a foot left bare, so you feel the "
        "clay. 330 ml, safe in the dishwasher.",
        "24.00",
        "Kitchen & Dining > Tableware > Mugs",
        "oat",
        "stoneware",
        "mug",
        {"color": "#e9e1d2", "foot": "#b98a63", "speckle": "#6b5646"},
        (-25, 18),
        tags=frozenset({"small", "table"}),
    ),
    Product(
        "ll-tide-mug",
        "Tide Mug, ink blue",
        "Tall, a little flared and glazed in a blue that breaks lighter on the lip. Made for long "
        "coffees; holds 400 ml.",
        "26.00",
        "Kitchen & Dining > Tableware > Mugs",
        "ink blue",
        "stoneware",
        "mug",
        {"color": "#27476b", "foot": "#d8c7ad", "height": 0.118, "radius": 0.038, "flare": 0.14, "dip": 0.12},
        (-28, 16),
        tags=frozenset({"small", "table"}),
    ),
    Product(
        "ll-ember-espresso",
        "Ember Espresso Cup and Saucer",
        "Eighty millilitres of good morning. Terracotta glaze over red clay, with a saucer deep enough "
        "for the sugar you said you had given up.",
        "22.00",
        "Kitchen & Dining > Tableware > Cups",
        "terracotta",
        "stoneware",
        "espresso",
        {"color": "#c65f3f", "foot": "#efe3cf"},
        (-25, 24),
        tags=frozenset({"small", "table"}),
    ),
    Product(
        "ll-marsh-vase",
        "Marsh Vase, sage",
        "A narrow neck that holds a few branches exactly where you put them. Matt sage glaze, 26 cm, "
        "watertight. Branches not included.",
        "58.00",
        "Home & Garden > Decor > Vases",
        "sage green",
        "stoneware",
        "vase",
        {"color": "#8fa287", "profile": BOTTLE, "rough": 0.55, "stems": "#5f7f63"},
        (0, 8),
        tags=frozenset({"small", "table"}),
    ),
    Product(
        "ll-ridge-vase",
        "Ridge Vase, plum",
        "Twenty ribs, cut by hand while the clay was still leather-hard. The light does the rest. 24 cm high.",
        "74.00",
        "Home & Garden > Decor > Vases",
        "plum",
        "stoneware",
        "vase",
        {"color": "#7b3f4e", "profile": AMPHORA, "ribs": 20, "rib_depth": 0.03, "rough": 0.3},
        (0, 12),
        sale_price="59.00",
        tags=frozenset({"small", "table"}),
    ),
    Product(
        "ll-brook-carafe",
        "Brook Carafe with oak stopper",
        "Mouth-blown glass with the faintest green of river water and a stopper of solid oak. One litre,"
        " and it pours without a drip.",
        "46.00",
        "Kitchen & Dining > Barware > Carafes",
        "pale green",
        "glass, oak",
        "carafe",
        {"color": "#d3ebe0", "stopper": "#b98a5c"},
        (0, 10),
        tags=frozenset({"small", "table"}),
    ),
    Product(
        "ll-amber-tumblers",
        "Amber Tumblers, set of two",
        "Fluted glasses in the colour of late light. Heavy in the base, thin at the rim; they stack and "
        "they survive parties.",
        "28.00",
        "Kitchen & Dining > Tableware > Drinking glasses",
        "amber",
        "glass",
        "tumblers",
        {"color": "#efc07e", "ribs": 18},
        (0, 16),
        tags=frozenset({"small", "table"}),
    ),
    Product(
        "ll-dusk-goblets",
        "Dusk Goblets, set of two",
        "Wine glasses with rosy bowls on clear stems. Generous enough for a Barolo, steady enough for a garden table.",
        "39.00",
        "Kitchen & Dining > Tableware > Wine glasses",
        "rose",
        "glass",
        "goblet",
        {"color": "#f2cccb", "stem": "#f2efe9"},
        (0, 12),
        tags=frozenset({"small", "table"}),
    ),
]
