"""`POST /v1/detect`: who may call, which picture is taken from where, and what each bad one is told."""

import http.server
import json
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.accounts.scopes import Scope
from api.settings import FetchSettings, Settings
from tests.api.vision import pictures, profiles
from tests.conftest import AccountMaker

BOUNDARY = "----frontier"


@pytest.fixture
def auth(account: AccountMaker) -> dict[str, str]:
    return account("developer").auth


def send(client: TestClient, auth: dict[str, str], picture: bytes, name: str = "a.jpg", **query: Any) -> Any:
    return client.post("/v1/detect", params=query, files={"image": (name, picture)}, headers=auth)


def assert_problem(answer: Any, status: int, pointer: str, code: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert code is None or answer.json()["code"] == code


def size_of(answer: Any) -> dict[str, int]:
    assert answer.status_code == 200, answer.text
    return {side: answer.json()["image"][side] for side in ("width", "height")}


def test_who_may_call(client: TestClient, account: AccountMaker) -> None:
    assert send(client, {}, b"x").status_code == 401
    assert send(client, {"Authorization": "Bearer sk_wrong"}, b"x").status_code == 401
    assert send(client, account("developer", scopes=[Scope.search]).auth, b"x").status_code == 403


def test_a_photo_is_answered_in_the_contracts_form(client: TestClient, auth: dict[str, str], shared_data: Path) -> None:
    path = sorted((shared_data / "streetstyle" / "images").glob("*.jpg"))[0]
    answer = send(client, auth, path.read_bytes(), min_score=0.001, limit=300)
    assert answer.status_code == 200
    with Image.open(path) as original:
        assert size_of(answer) == {"width": original.width, "height": original.height}
    found = answer.json()["detections"]
    assert 0 < len(found) <= 300
    assert set(found[0]) == {"label", "score", "box", "attributes"}
    assert set(found[0]["box"]) == {"x", "y", "w", "h"}
    assert [item["score"] for item in found] == sorted((item["score"] for item in found), reverse=True)
    assert send(client, auth, path.read_bytes(), min_score=0.001, limit=2).json()["detections"] == found[:2]


def test_the_size_is_that_of_the_upright_picture(client: TestClient, auth: dict[str, str]) -> None:
    answer = send(client, auth, pictures.oriented_jpeg(6))
    assert size_of(answer) == {"width": 48, "height": 32}


def test_the_content_tells_the_format_and_not_the_name(client: TestClient, auth: dict[str, str]) -> None:
    files = {"image": ("notes.txt", pictures.encoded(pictures.quarters(), "PNG"), "text/plain")}
    assert client.post("/v1/detect", files=files, headers=auth).status_code == 200


def test_bad_pictures_are_told_apart(client: TestClient, auth: dict[str, str]) -> None:
    jpeg = pictures.encoded(pictures.noise(), "JPEG")
    cases = [
        (b"", 422, "picture_empty"),
        (jpeg[: len(jpeg) // 2], 422, "picture_truncated"),
        (b"<html></html>", 422, "picture_unsupported"),
        (b"<svg/>", 422, "picture_unsupported"),
        (pictures.png(50_000, 50_000, b"x"), 413, "picture_too_large"),
        (pictures.black_png(11_000, 10_000), 413, "picture_too_large"),
        (pictures.png(10, 10, b"this is no zlib stream"), 422, "picture_corrupt"),
        (pictures.many_scans(4000, 500), 422, "picture_too_slow"),
        (b"GIF89a/*" + b"\0" * 40 + b"*/=1;alert(1)", 422, None),
        (b"PK\x03\x04" + jpeg, 422, "picture_unsupported"),
        (jpeg[:2000] + b"\xff\xc4\0\3\0" + jpeg[2000:], 422, "picture_corrupt"),
    ]
    for data, status, code in cases:
        assert_problem(send(client, auth, data), status, "#/image", code)
    assert send(client, auth, jpeg).status_code == 200


@pytest.mark.parametrize("size", [(1, 1), (50_000, 1), (2, 50_000)])
def test_extreme_shapes_are_seen(client: TestClient, auth: dict[str, str], size: tuple[int, int]) -> None:
    answer = send(client, auth, pictures.encoded(Image.new("RGB", size), "PNG"), min_score=0.001)
    assert size_of(answer) == {"width": size[0], "height": size[1]}
    assert all(
        0 <= item["box"]["x"] <= item["box"]["x"] + item["box"]["w"] <= 1.000001 for item in answer.json()["detections"]
    )


def test_awkward_pictures_are_seen(client: TestClient, auth: dict[str, str]) -> None:
    frames = [Image.new("RGB", (48, 32))]
    for data in (
        pictures.encoded(pictures.quarters().convert("CMYK"), "JPEG"),
        pictures.encoded(Image.new("I;16", (48, 32), 40_000), "PNG"),
        pictures.encoded(pictures.quarters(), "GIF", save_all=True, append_images=frames),
        pictures.encoded(pictures.quarters(), "WEBP", save_all=True, append_images=frames),
        pictures.encoded(pictures.quarters(), "JPEG") + b"PK\x03\x04<script>",
        pictures.encoded(pictures.quarters(), "JPEG", icc_profile=profiles.of_primaries(profiles.ADOBE_RGB, 2.2)),
        pictures.deep_png(),
        pictures.interlaced_png(),
        pictures.with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 5_000_000)),
    ):
        assert size_of(send(client, auth, data)) == {"width": 48, "height": 32}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"min_score": 0}, "?min_score"),
        ({"min_score": 1.01}, "?min_score"),
        ({"min_score": "high"}, "?min_score"),
        ({"limit": 0}, "?limit"),
        ({"limit": 301}, "?limit"),
        ({"threshold": 0.5}, "?threshold"),
    ],
)
def test_a_wrong_option_is_named(client: TestClient, auth: dict[str, str], query: dict[str, Any], pointer: str) -> None:
    assert_problem(send(client, auth, pictures.oriented_jpeg(1), **query), 422, pointer)


def test_exactly_one_picture_is_taken(client: TestClient, auth: dict[str, str]) -> None:
    def form(**more: Any) -> Any:
        return client.post("/v1/detect", headers=auth, **more)

    picture = pictures.oriented_jpeg(1)
    assert_problem(form(files={"picture": ("a.jpg", picture)}), 422, "#/picture")
    assert_problem(form(files={"image": ("a.jpg", picture)}, data={"image_url": "https://a.example/"}), 422, "#/image")
    assert_problem(form(files=[("image", ("a.jpg", picture)), ("image", ("b.jpg", picture))]), 422, "#/image")
    assert_problem(form(files={"other": (None, "x")}), 422, "#/other")
    assert_problem(form(files={"image": (None, "plain text")}), 422, "#/image")
    assert_problem(form(json={}), 422, "#/image_url")
    assert_problem(form(json={"image_url": 7}), 422, "#/image_url")
    assert_problem(form(json={"image_url": "https://a.example/", "image": "x"}), 422, "#/image")
    assert_problem(form(json={"image_url": "https://a.example/", "limit": 3}), 422, "#/limit")
    assert_problem(form(json=["https://a.example/"]), 422, "#")
    assert_problem(raw(client, auth, b"{", "application/json"), 400, "#")


def raw(client: TestClient, auth: dict[str, str], body: bytes, content_type: str) -> Any:
    return client.post("/v1/detect", content=body, headers={**auth, "Content-Type": content_type})


def test_other_content_types_are_refused(client: TestClient, auth: dict[str, str]) -> None:
    for content_type in ("image/jpeg", "text/plain", "application/x-www-form-urlencoded", ""):
        assert_problem(raw(client, auth, pictures.oriented_jpeg(1), content_type), 415, "@Content-Type")


def test_broken_multipart_bodies_are_bad_requests(client: TestClient, auth: dict[str, str]) -> None:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nabc'.encode()
    multipart = f"multipart/form-data; boundary={BOUNDARY}"
    assert_problem(raw(client, auth, part, multipart), 400, "#")  # never ended
    assert_problem(raw(client, auth, b"no boundary at all", multipart), 400, "#")
    assert_problem(raw(client, auth, part, "multipart/form-data"), 400, "#")
    assert_problem(raw(client, auth, b"", multipart), 400, "#")
    nested = b'{"image_url":' + b"[" * 8000
    assert_problem(raw(client, auth, nested, "application/json"), 400, "#")


def test_too_many_bytes_are_refused_while_they_come(client: TestClient, auth: dict[str, str]) -> None:
    def long() -> Iterator[bytes]:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'.encode()
        for _ in range(20 * 8 + 4):  # half a megabyte too many, and no length told beforehand
            yield b"\0" * (1024**2 // 8)

    multipart = {**auth, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    assert_problem(client.post("/v1/detect", content=long(), headers=multipart), 413, "#/image")
    assert_problem(send(client, auth, b"\0" * (20 * 1024**2 + 1)), 413, "#/image")
    assert_problem(raw(client, auth, b'{"image_url":"' + b"a" * 20_000 + b'"}', "application/json"), 413, "#")


class TestImageUrl:
    """Pictures are fetched by our fetcher alone, under its rules."""

    @pytest.fixture
    def host(self) -> Iterator[http.server.ThreadingHTTPServer]:
        served = {"/a.jpg": pictures.oriented_jpeg(6), "/page": b"<!doctype html>", "/big": b"\0" * (20 * 1024**2 + 1)}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = served.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        server.server_close()
        thread.join()

    @pytest.fixture
    def settings(self, settings: Settings, host: http.server.ThreadingHTTPServer) -> Settings:
        return settings.model_copy(update={"fetch": FetchSettings(allow=f"127.0.0.1:{host.server_port}")})

    def ask(self, client: TestClient, auth: dict[str, str], url: str) -> Any:
        return client.post("/v1/detect", json={"image_url": url}, headers=auth)

    def test_a_fetched_picture_is_seen(
        self, client: TestClient, auth: dict[str, str], host: http.server.ThreadingHTTPServer
    ) -> None:
        base = f"http://127.0.0.1:{host.server_port}"
        assert size_of(self.ask(client, auth, f"{base}/a.jpg")) == {"width": 48, "height": 32}
        assert_problem(self.ask(client, auth, f"{base}/none"), 422, "#/image_url", "fetch_failed")
        assert_problem(self.ask(client, auth, f"{base}/page"), 422, "#/image_url", "picture_unsupported")
        assert_problem(self.ask(client, auth, f"{base}/big"), 413, "#/image_url")

    @pytest.mark.parametrize(
        "url",
        ["http://127.0.0.1:1/a.jpg", "http://169.254.169.254/", "file:///etc/passwd", "ftp://a.example/", "a.jpg"],
    )
    def test_other_addresses_are_refused(self, client: TestClient, auth: dict[str, str], url: str) -> None:
        assert_problem(self.ask(client, auth, url), 422, "#/image_url", "address_refused")


def test_the_calls_stand_in_the_api_description(client: TestClient) -> None:
    paths = json.loads(client.get("/openapi.json").content)["paths"]
    for path in ("/v1/detect", "/v1/search"):
        assert set(paths[path]["post"]["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    names = {parameter["name"] for parameter in paths["/v1/search"]["post"]["parameters"]}
    assert {"detect", "box", "limit", "min_score", "catalog_ids", "brand", "category", "price_min_micros"} <= names
