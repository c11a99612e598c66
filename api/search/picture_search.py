"""Searching with a picture: objects on it, and for each the products that match. Used by the API and the search box."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.catalog.audience import audience_seen
from api.errors import Unprocessable
from api.kit.ids import new_id
from api.search.exactness import Asked
from api.search.match import Look
from api.search.ranking import VOTERS
from api.search.schemas import MOST_OBJECTS, FilterQuery, MatchRead, ObjectRead, SearchAnswer, SearchQuery
from api.vision.picture import WHOLE, Box, Detection, Picture
from api.vision.schemas import AttributesRead, BoxRead, ImageRead
from api.vision.shot import Shot, shot_of

if TYPE_CHECKING:
    from api.ports import Ports

# A close-up is often found in parts, or as something else (infra/decisions/0016 has the figures of these two).
FILLING = 0.5  # of the picture: something found that is this large stands for all of it
NEARER = 0.06  # of cosine: a part says clearly more than the whole picture
NOTHING = -1.0  # the cosine of no match


def search_picture(ports: "Ports", tenant_id: str, data: bytes, options: SearchQuery) -> SearchAnswer:
    """Blocks for decoding and inference: run it on `ports.eyes.work`. Raises PictureError and Unprocessable."""
    catalog_ids = catalogs_asked_for(ports.catalogs.searchable_catalog_ids(tenant_id), options)
    picture, place = ports.eyes.decode(data), options.place()
    found = ports.eyes.detect(picture, options.min_score, MOST_OBJECTS) if place is None else []
    query_id = new_id("qry")
    objects = _objects(ports, tenant_id, query_id, picture, found, options, catalog_ids)
    return SearchAnswer(query_id=query_id, image=ImageRead.of(picture, found), objects=objects)


def catalogs_asked_for(visible: frozenset[str], options: FilterQuery) -> frozenset[str]:
    """The catalogs to search: those asked for, else all the caller may see."""
    asked = frozenset(options.catalog_ids)
    if foreign := sorted(asked - visible):
        detail = f"{foreign[0]} is neither one of your catalogs nor a listed one."
        raise Unprocessable(detail, pointer="?catalog_ids", code="catalog_not_found")
    return asked or visible


def _objects(
    ports: "Ports",
    tenant_id: str,
    query_id: str,
    picture: Picture,
    found: list[Detection],
    options: SearchQuery,
    catalog_ids: frozenset[str],
) -> list[ObjectRead]:
    places = places_of(found, options.place())
    boxes, labels = [place.box for place in places], [place.label for place in places]
    vectors, attributes = ports.eyes.look(picture, boxes, labels)
    looks = [
        Look.of(item, label, Asked.whole if box == WHOLE else Asked.part)
        for item, label, box in zip(attributes, labels, boxes, strict=True)
    ]
    wrong = ports.verdicts.wrong(tenant_id, vectors)
    lines = ports.finder.match(
        vectors, catalog_ids=catalog_ids, k=options.limit, looks=looks, wrong=wrong, **options.filters()
    )
    tokens = ports.verdicts.sealer.seal(tenant_id, query_id, vectors, ports.clock.now())
    objects = [
        ObjectRead(
            label=place.label,
            score=place.score,
            box=BoxRead.of(place.box),
            attributes=AttributesRead.of(
                item, audience_seen(place.label, [near.product.audience for near in line[:VOTERS]])
            ),
            matches=[MatchRead.of(match) for match in line],
            token=token,
        )
        for place, item, line, token in zip(places, attributes, lines, tokens, strict=True)
    ]
    return in_order(objects, ports.eyes.similar_floor) if found else objects


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look; `label` and `score` are the detector's, if it named the place."""

    box: Box
    label: str | None = None
    score: float | None = None


def places_of(found: Sequence[Detection], asked: Box | None) -> list[Place]:
    """What was found, and after it the whole picture, unless somebody dressed is on it or something found takes most of
    it anyway."""
    if not found:
        return [Place(asked or WHOLE)]
    places = [Place(item.box, item.label, item.score) for item in found]
    several = shot_of(found) in {Shot.full, Shot.half}
    return places if several or any(item.box.w * item.box.h >= FILLING for item in found) else [*places, Place(WHOLE)]


def in_order(objects: list[ObjectRead], floor: float) -> list[ObjectRead]:
    """Those that look most like a product first. The whole picture (no label) leads where it looks like something, too,
    and no part of it clearly more so; else it is left out."""
    nearest = [max((match.score for match in item.matches), default=NOTHING) for item in objects]
    parts = [(near, item) for near, item in zip(nearest, objects, strict=True) if item.label is not None]
    parts.sort(key=lambda one: -one[0])
    wholes = [(near, item) for near, item in zip(nearest, objects, strict=True) if item.label is None]
    leading = [item for near, item in wholes if near >= max(floor, parts[0][0] - NEARER)]
    return [*leading, *(item for _, item in parts)]
