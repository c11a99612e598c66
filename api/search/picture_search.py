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
from api.search.service import POOL
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
        vectors, catalog_ids=catalog_ids, k=max(options.limit, POOL), looks=looks, wrong=wrong, **options.filters()
    )
    tokens = ports.verdicts.sealer.seal(tenant_id, query_id, vectors, ports.clock.now())
    # the nearest of all, not of those that are asked for: what is out of stock stands last
    nearest = [max((match.score for match in line), default=NOTHING) for line in lines]
    answered = in_order(labels, nearest, ports.eyes.similar_floor) if found else [0]
    return [
        ObjectRead(
            label=labels[at],
            score=places[at].score,
            box=BoxRead.of(boxes[at]),
            attributes=AttributesRead.of(
                attributes[at], audience_seen(labels[at], [near.product.audience for near in lines[at][:VOTERS]])
            ),
            matches=[MatchRead.of(match) for match in lines[at][: options.limit]],
            token=tokens[at],
        )
        for at in answered
    ]


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


def in_order(labels: Sequence[str | None], nearest: Sequence[float], floor: float) -> list[int]:
    """Places of those that are answered, what looks most like a product first. The whole picture (no label) leads where
    it looks like something, too, and no part of it clearly more so; else it is left out."""
    parts = sorted((at for at, label in enumerate(labels) if label is not None), key=lambda at: -nearest[at])
    least = max(floor, nearest[parts[0]] - NEARER)
    return [*(at for at, label in enumerate(labels) if label is None and nearest[at] >= least), *parts]
