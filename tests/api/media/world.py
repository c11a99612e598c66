"""A publisher's site whose pictures are on a web server, and brands whose listed catalogs hold real garments."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from sqlmodel import select

from api.catalog.models import Catalog, Product, ProductVector
from api.kit.ids import new_id
from api.media.boxes import Xywh
from api.media.models import Media, MediaKind, MediaState, Tag
from api.media.urls import normalise
from api.ports import Ports
from api.search.rebuild import index_row
from api.vision.picture import Box
from workers import media as media_tasks
from workers import video as video_tasks

ORIGIN = "https://magazine.example"


class Web:
    """Serves what is put into `files`, or parts of it (none of what is `whole_only`); `broken` paths answer 503,
    `moved` ones redirect."""

    def __init__(self, port: int = 0) -> None:
        self.files: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.whole_only: set[str] = set()
        self.moved: dict[str, str] = {}
        self.asked: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                body = web.files.get(self.path, b"")
                part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                if self.path in web.moved:
                    self.send_response(302)
                    self.send_header("Location", web.moved[self.path])
                elif part and self.path in web.files and self.path not in web.whole_only:
                    first, last = int(part[1]), int(part[2])
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
                    body = body[first : last + 1]
                else:
                    self.send_response(503 if self.path in web.broken else 200 if self.path in web.files else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def open_web() -> Iterator[Web]:
    web = Web()
    try:
        yield web
    finally:
        web.close()


@dataclass
class World:
    """What a test of tags needs, through the real API where there is one."""

    client: TestClient
    ports: Ports
    queue: Any
    web: Web
    publisher: Any
    site: dict[str, Any]
    account: Callable[..., Any]
    brands: dict[str, Any] = field(default_factory=dict)

    def tags(self, *urls: str, origin: str | None = ORIGIN, key: str | None = None, **item: Any) -> Any:
        """The answer to a page with these media."""
        body = {"key": key or self.site["key"], "media": [{"url": url, **item} for url in urls]}
        headers = {"Origin": origin} if origin else {}
        return self.client.post("/v1/tags", json=body, headers=headers)

    def media(self, *urls: str, **item: Any) -> list[dict[str, Any]]:
        answer = self.tags(*urls, **item)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["media"]
        return found

    def url(self, path: str) -> str:
        return f"http://{self.web.host}{path}"

    def put(self, path: str, data: bytes) -> str:
        self.web.files[path] = data
        return self.url(path)

    def work(self) -> int:
        """Carry out the hints that wait, as a worker would."""
        tasks = {
            "media.analyse": media_tasks.analyse,
            "media.analyse_video": video_tasks.analyse_video,
            "media.sweep": media_tasks.sweep,
        }
        done = 0
        while self.queue.sent:
            name, arguments = self.queue.sent.pop(0)
            tasks[name](self.ports, **arguments)
            done += 1
        return done

    def forget(self) -> None:
        """What 5 seconds do: every memory of this process is as old as that."""
        self.ports.tags.forget()
        self.ports.auction.forget()
        self.ports.sites.forget()
        self.ports.catalogs.forget()

    def controls(self, **controls: Any) -> None:
        answer = self.client.patch(
            f"/v1/sites/{self.site['id']}", json={"controls": controls}, headers=self.publisher.auth
        )
        assert answer.status_code == 200, answer.text
        self.forget()

    def catalog(self, *, listed: bool = True, approved: bool = True, name: str = "Garments") -> Catalog:
        brand = self.account("brand", approved=approved)
        catalog = Catalog(
            id=new_id("ctg"), tenant_id=brand.tenant_id, name=name, listed=listed, created_at=self.ports.clock.now()
        )
        self.brands[catalog.id] = brand
        with self.ports.database.write() as session:
            session.add(catalog)
        return catalog

    def product(self, catalog: Catalog, vector: np.ndarray, **columns: Any) -> Product:
        """A product with this vector, stored and indexed as an import would leave it."""
        now = self.ports.clock.now()
        product_id = new_id("prd")
        filled = {
            "title": "A <b>thing</b>", "brand": "Acme", "category": "", "price_micros": 19_900_000, "currency": "EUR",
            "url": f"https://shop.example/{product_id}", "availability": "in_stock", **columns,
        }  # fmt: skip
        product = Product(
            id=product_id, tenant_id=catalog.tenant_id, catalog_id=catalog.id, external_id=product_id[-8:],
            description="", image_link="https://shop.example/p.jpg", audience="unknown", mpn="", row_hash="",
            index_state="indexed", created_at=now, updated_at=now, **filled,
        )  # fmt: skip
        row = ProductVector(
            product_id=product_id, tenant_id=catalog.tenant_id, catalog_id=catalog.id,
            embedder_version=self.ports.eyes.embedder_version, vector=vector.astype(np.float32).tobytes(),
        )  # fmt: skip
        with self.ports.database.write() as session:
            session.add(product)
            session.flush()
            session.add(row)
        self.ports.index.put(catalog.id, [index_row(product, vector.astype(np.float32))])
        return product

    def vector_of(self, photo: bytes, box: Xywh | None = None) -> np.ndarray:
        picture = self.ports.eyes.decode(photo)
        return self.ports.eyes.embed(picture, [Box(*box)] if box else None)[0]

    def ready(self, path: str, *matches: tuple[Product, float], kind: str = "image", **columns: Any) -> tuple[str, str]:
        """A medium with one tag on which these products match, as an analysis would have left it: (url, tag id)."""
        url, now = normalise(self.url(path)), self.ports.clock.now()
        media = Media(
            id=new_id("med"), tenant_id=self.publisher.tenant_id, site_id=self.site["id"], kind=MediaKind(kind),
            url=url.text, url_hash=url.hash, state=MediaState.ready, due_at=now, created_at=now,
        )  # fmt: skip
        with self.ports.database.write() as session:
            session.add(media)
            session.flush()
            tag = self.tag_row(media, *matches, **columns)
            session.add(tag)
        return url.text, tag.id

    def tag_row(self, media: Media, *matches: tuple[Product, float], **columns: Any) -> Tag:
        now = self.ports.clock.now()
        rows = [{"product_id": p.id, "score": score, "match_type": "similar"} for p, score in matches]
        filled = {"x": 0.1, "y": 0.2, "w": 0.3, "h": 0.4, "label": "bag", "score": 0.9, **columns}
        return Tag(
            id=new_id("tag"), tenant_id=media.tenant_id, media_id=media.id, matches=rows,
            vectors=np.eye(self.ports.eyes.dim, dtype=np.float32)[0].tobytes(),
            embedder_version=self.ports.eyes.embedder_version, created_at=now, updated_at=now, **filled,
        )  # fmt: skip

    def row(self, url: str) -> Media:
        with self.ports.database.read() as session:
            return session.exec(select(Media).where(Media.url == url)).one()

    def rows(self, table: type[Any] = Tag) -> list[Any]:
        with self.ports.database.read() as session:
            return list(session.exec(select(table)).all())


def unit(*numbers: float, dim: int) -> np.ndarray:
    """A unit vector that starts with these numbers."""
    vector = np.zeros(dim, np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


def open_world(client: TestClient, ports: Ports, queue: Any, web: Web, account: Callable[..., Any]) -> World:
    publisher = account("publisher")
    site = {"name": "Magazine", "origins": [ORIGIN], "media_hosts": [web.host]}
    answer = client.post("/v1/sites", json=site, headers=publisher.auth)
    assert answer.status_code == 201, answer.text
    return World(client, ports, queue, web, publisher, answer.json(), account)


def street_photo(shared_data: Path, number: int) -> bytes:
    """One of the real street photographs."""
    return sorted((shared_data / "streetstyle").rglob("*.jpg"))[number].read_bytes()
