"""A brand's shop for tests: a web server with pictures and feeds, and an API client that carries out the hints."""

import csv
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from api.catalog import imports
from api.ports import Ports

COLUMNS = ("id", "title", "link", "image_link", "price", "availability")


def picture(seed: int, size: tuple[int, int] = (120, 90), kind: str = "jpeg") -> bytes:
    """Blocks of colour that differ by seed: a real file that decodes."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize(size, Image.Resampling.NEAREST).save(out, kind)
    return out.getvalue()


def feed(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> bytes:
    """A CSV of these rows."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


class Shop:
    """Serves what is put into `files`; counts what is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.asked.append(self.path)
                body = shop.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def row(self, number: int, **more: str) -> dict[str, str]:
        """A good row whose picture is served."""
        self.files.setdefault(f"/{number}.jpg", picture(number))
        return {
            "id": f"p{number}",
            "title": f"Product {number}",
            "link": f"https://shop.example/{number}",
            "image_link": f"{self.url}/{number}.jpg",
            "price": f"{number}.50 EUR",
            "availability": "in stock",
            **more,
        }


@dataclass
class Brand:
    """A brand at the API."""

    client: TestClient
    ports: Ports
    auth: dict[str, str]
    queue: Any
    catalog_id: str = field(default="")

    def with_catalog(self, *, listed: bool = False) -> "Brand":
        answer = self.client.post("/v1/catalogs", json={"name": "Shop", "listed": listed}, headers=self.auth)
        assert answer.status_code == 201, answer.text
        self.catalog_id = answer.json()["id"]
        return self

    def post(self, data: bytes, name: str = "feed.csv", **options: str) -> dict[str, Any]:
        """Ask for an import; what the 202 said."""
        answer = self.client.post(
            f"/v1/catalogs/{self.catalog_id}/imports", files={"file": (name, data)}, params=options, headers=self.auth
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    def work(self) -> None:
        """Carry out every hint that was sent, as a worker would."""
        tasks = {"catalog.run_import": imports.run_import, "catalog.index_products": imports.index_products}
        while self.queue.sent:
            name, arguments = self.queue.sent.pop(0)
            tasks[name](self.ports, **arguments)

    def imported(self, data: bytes, name: str = "feed.csv", **options: str) -> dict[str, Any]:
        """Import and wait for the end."""
        job = self.post(data, name, **options)
        self.work()
        return self.read(f"/v1/imports/{job['id']}")

    def read(self, path: str, **params: str) -> dict[str, Any]:
        answer = self.client.get(path, params=params, headers=self.auth)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def products(self) -> dict[str, dict[str, Any]]:
        """All products of the catalog by the brand's id."""
        rows = self.read("/v1/products", catalog_id=self.catalog_id, limit="200")["items"]
        return {row["external_id"]: row for row in rows}


def open_shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()
