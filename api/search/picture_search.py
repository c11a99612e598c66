"""Searching with a picture: objects on it, and for each the products that match. Used by the API and the search box."""

from typing import TYPE_CHECKING

from api.catalog.audience import audience_seen
from api.errors import Unprocessable
from api.kit.ids import new_id
from api.search.exactness import Asked
from api.search.match import Look
from api.search.ranking import VOTERS
from api.search.schemas import MOST_OBJECTS, FilterQuery, MatchRead, ObjectRead, SearchAnswer, SearchQuery
from api.vision.picture import WHOLE, Detection, Picture
from api.vision.schemas import AttributesRead, BoxRead, ImageRead

if TYPE_CHECKING:
    from api.ports import Ports


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
    # a studio picture may show nothing that the detector knows: then the whole of it is searched for
    boxes = [item.box for item in found] or [options.place() or WHOLE]
    seen: list[tuple[str | None, float | None]] = [(item.label, item.score) for item in found] or [(None, None)]
    vectors, attributes = ports.eyes.look(picture, boxes, [label for label, _ in seen])
    looks = [
        Look.of(item, label, Asked.whole if box == WHOLE else Asked.part)
        for item, (label, _), box in zip(attributes, seen, boxes, strict=True)
    ]
    wrong = ports.verdicts.wrong(tenant_id, vectors)
    lines = ports.finder.match(
        vectors, catalog_ids=catalog_ids, k=options.limit, looks=looks, wrong=wrong, **options.filters()
    )
    tokens = ports.verdicts.sealer.seal(tenant_id, query_id, vectors, ports.clock.now())
    return [
        ObjectRead(
            label=label,
            score=score,
            box=BoxRead.of(box),
            attributes=AttributesRead.of(item, audience_seen(label, [near.product.audience for near in line[:VOTERS]])),
            matches=[MatchRead.of(match) for match in line],
            token=token,
        )
        for (label, score), box, item, line, token in zip(seen, boxes, attributes, lines, tokens, strict=True)
    ]
