"""What reports can be grouped and filtered by: names outside, columns inside. Nothing else reaches a query as text."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from api.errors import FieldError, Unprocessable

MAX_FILTER_VALUES = 100
_VALUE = re.compile(r"[A-Za-z0-9_.:-]{0,64}")

# name in group_by -> field of the answer and of filters (both names are understood)
DIMENSIONS = {
    "product": "product_id",
    "site": "site_id",
    "campaign": "campaign_id",
    "creative": "creative_id",
    "arm": "arm",
    "media": "media_id",
    "media_kind": "media_kind",
    "tag": "tag_id",
    "publisher": "publisher_id",
    "brand": "brand_id",
    "currency": "currency",
}
ALIASES = {"placement": "media", "experiment": "arm"}
PERIODS = ("day", "hour")
# one picture can show several of these at once, so pictures are counted per product there
OFFER_LEVEL = frozenset({"product_id", "campaign_id", "creative_id", "arm", "tag_id", "currency"})


@dataclass(frozen=True)
class Grouping:
    """Columns in the order asked for; at most one of the periods."""

    fields: tuple[str, ...]

    @property
    def period(self) -> str | None:
        """`day`, `hour` or None."""
        return next((field for field in self.fields if field in PERIODS), None)

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that are columns of the roll-up."""
        return tuple(field for field in self.fields if field not in PERIODS)


def parse_grouping(names: Sequence[str]) -> Grouping:
    """`product,day` or repeated parameters. Unknown names are refused with the list of known ones."""
    wanted = [name.strip() for text in names for name in text.split(",") if name.strip()]
    fields = []
    for name in wanted:
        field = name if name in PERIODS else _field(name)
        if field is None:
            known = ", ".join([*DIMENSIONS, *ALIASES, *PERIODS])
            raise Unprocessable(f"Unknown dimension {name[:40]!r}; known are {known}.", pointer="?group_by")
        if field not in fields:
            fields.append(field)
    if set(PERIODS) <= set(fields):
        raise Unprocessable("Group by day or by hour, not by both.", pointer="?group_by")
    return Grouping(tuple(fields))


def parse_filters(texts: Sequence[str]) -> dict[str, list[str]]:
    """`site_id:sit_1`; the same field twice means either, different fields mean both."""
    filters: defaultdict[str, list[str]] = defaultdict(list)
    for text in texts:
        name, colon, value = text.partition(":")
        field = _field(name.strip())
        if not colon or field is None or not _VALUE.fullmatch(value):
            known = ", ".join(DIMENSIONS.values())
            detail = f"Write field:value with an id as the value; fields are {known}."
            raise Unprocessable(detail, errors=[FieldError("?filter", f"{text[:80]!r}: {detail}")])
        filters[field].append(value)
    if sum(map(len, filters.values())) > MAX_FILTER_VALUES:
        raise Unprocessable(f"At most {MAX_FILTER_VALUES} filters.", pointer="?filter")
    return dict(filters)


def _field(name: str) -> str | None:
    name = ALIASES.get(name, name)
    return DIMENSIONS.get(name) or (name if name in DIMENSIONS.values() else None)
