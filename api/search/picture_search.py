"""Searching with a picture: objects on it, and for each the products that match. Used by the API and the search box."""

from typing import TYPE_CHECKING

from api.errors import Unprocessable
from api.kit.ids import new_id
from api.search.schemas import MOST_OBJECTS, FilterQuery, MatchRead, ObjectRead, SearchAnswer, SearchQuery
from api.vision.picture import WHOLE, Picture
from api.vision.schemas import BoxRead

if TYPE_CHECKING:
    from api.ports import Ports


def search_picture(ports: "Ports", tenant_id: str, data: bytes, options: SearchQuery) -> SearchAnswer:
    """Blocks for decoding and inference: run it on `ports.eyes.work`. Raises PictureError and Unprocessable."""
    catalog_ids = catalogs_asked_for(ports.catalogs.searchable_catalog_ids(tenant_id), options)
    objects = _objects(ports, ports.eyes.decode(data), options, catalog_ids)
    return SearchAnswer(query_id=new_id("qry"), objects=objects)


def catalogs_asked_for(visible: frozenset[str], options: FilterQuery) -> frozenset[str]:
    """The catalogs to search: those asked for, else all the caller may see."""
    asked = frozenset(options.catalog_ids)
    if foreign := sorted(asked - visible):
        detail = f"{foreign[0]} is neither one of your catalogs nor a listed one."
        raise Unprocessable(detail, pointer="?catalog_ids", code="catalog_not_found")
    return asked or visible


def _objects(ports: "Ports", picture: Picture, options: SearchQuery, catalog_ids: frozenset[str]) -> list[ObjectRead]:
    place = options.place()
    found = ports.eyes.detect(picture, options.min_score, MOST_OBJECTS) if place is None else []
    # a studio picture may show nothing that the detector knows: then the whole of it is searched for
    boxes = [item.box for item in found] or [place or WHOLE]
    vectors = ports.eyes.embed(picture, boxes)
    lines = ports.finder.match(vectors, catalog_ids=catalog_ids, k=options.limit, **options.filters())
    seen: list[tuple[str | None, float | None]] = [(item.label, item.score) for item in found]
    return [
        ObjectRead(label=label, score=score, box=BoxRead.of(box), matches=[MatchRead.of(match) for match in line])
        for (label, score), box, line in zip(seen or [(None, None)], boxes, lines, strict=True)
    ]
