"""Commands that work through the HTTP API of a running Shoplight: `import`, `search` and `analyze`."""

import json
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx2
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

out = Console()
err = Console(stderr=True)
VIDEOS = {".mp4", ".mov", ".webm", ".mkv", ".m4v", ".avi", ".m3u8"}
POLL_S = 0.25

Url = Annotated[str, typer.Option("--url", help="Where Shoplight runs; default: the demo of --data-dir.")]
Key = Annotated[str, typer.Option("--key", envvar="SHOPLIGHT_KEY", help="A secret key; default: the demo's.")]
DataDir = Annotated[Path, typer.Option("--data-dir", help="The data directory of a running demo.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@dataclass(frozen=True)
class Remote:
    """A running Shoplight and a key for it."""

    http: httpx2.Client

    def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The answer's JSON; a problem ends the command with its text."""
        try:
            answer = self.http.request(method, path, **more)
        except httpx2.HTTPError as error:
            fail(f"{self.http.base_url} does not answer ({error}). Is it running? Start it with: shoplight demo")
        if answer.status_code >= 400:
            problem = answer.json() if "json" in answer.headers.get("content-type", "") else {"detail": answer.text}
            fail(f"{answer.status_code}: {problem.get('detail', 'no reason given')}")
        result: dict[str, Any] = answer.json()
        return result


def fail(message: str) -> NoReturn:
    """End the command with a message for people and status 1."""
    err.print(message, markup=False)
    raise typer.Exit(1)


@contextmanager
def remote(url: str, key: str, data_dir: Path, key_name: str) -> Iterator[Remote]:
    """The named server, or the demo that runs on `data_dir`."""
    kept = data_dir / "demo.json"
    line = json.loads(kept.read_text()) if kept.exists() and not (url and key) else {}
    url, key = url or line.get("base_url", ""), key or line.get(key_name, "")
    if not url or not key:
        fail(f"No demo has been started on {data_dir}; give --url and --key, or start one with: shoplight demo")
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=120) as http:
        yield Remote(http)


def import_feed(
    feed: Annotated[
        Path, typer.Argument(exists=True, help="A feed (CSV, TSV, JSONL, XML), a ZIP, or a folder of both.")
    ],
    catalog: Annotated[str, typer.Option(help="Catalog id, or the name of one to make.")],
    mode: Annotated[str, typer.Option(help="full removes what the feed no longer has; merge keeps it.")] = "full",
    url: Url = "",
    key: Key = "",
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Import a feed into a catalog and wait until every row is searchable or explained."""
    with remote(url, key, data_dir, "brand_key") as server, _one_file(feed) as path, path.open("rb") as file:
        catalog_id = catalog if catalog.startswith("ctg_") else _catalog_named(server, catalog)
        started = server.call(
            "POST", f"/v1/catalogs/{catalog_id}/imports", params={"mode": mode}, files={"file": (path.name, file)}
        )
        state = _watch_import(server, started["id"], quiet=as_json)
    if as_json:
        print(json.dumps(state))  # noqa: T201 - what --json is for
    else:
        _print_import(state)
    if state["state"] == "failed":
        raise typer.Exit(1)


def search(
    picture: Annotated[str, typer.Argument(help="A picture's path or URL.")],
    detect: Annotated[bool, typer.Option(help="Find the objects first; without it the whole picture is one.")] = True,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Matches an object.")] = 5,
    url: Url = "",
    key: Key = "",
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Find products that look like what is in a picture."""
    with remote(url, key, data_dir, "developer_key") as server:
        found = _post_picture(server, "/v1/search", picture, {"detect": detect, "limit": limit})
    if as_json:
        print(json.dumps(found))  # noqa: T201 - what --json is for
        return
    for item in found["objects"]:
        table = Table(title=item["label"] or "the picture", title_justify="left")
        for column in ("score", "match", "product", "brand", "price"):
            table.add_column(column)
        for match in item["matches"]:
            product = match["product"]
            price = f"{product['price_micros'] / 1e6:.2f} {product['currency']}"
            table.add_row(f"{match['score']:.2f}", match["match_type"], product["title"], product["brand"] or "", price)
        out.print(table)
    if not found["objects"]:
        out.print("Nothing was found; --no-detect searches for the picture as a whole.")


def analyze(
    source: Annotated[str, typer.Argument(help="A picture or video, by path or URL.")],
    url: Url = "",
    key: Key = "",
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """What is in a picture, or in a video and when."""
    with remote(url, key, data_dir, "developer_key") as server:
        if Path(source.split("?")[0]).suffix.lower() in VIDEOS:
            found = _analyze_video(server, source, quiet=as_json)
        else:
            found = _post_picture(server, "/v1/detect", source, {})
    if as_json:
        print(json.dumps(found))  # noqa: T201 - what --json is for
        return
    table = Table("label", "score", "where", "product")
    for item in found.get("detections", []):
        where = ", ".join(f"{side} {value:.2f}" for side, value in item["box"].items())
        table.add_row(item["label"], f"{item['score']:.2f}", where, "")
    for tag in found.get("tags", []):
        when = f"{tag['from_ms'] / 1000:.1f}–{tag['to_ms'] / 1000:.1f} s"
        product = tag["products"][0]
        table.add_row(tag["label"], f"{product['score']:.2f}", when, product["title"])
    out.print(table)


def _post_picture(server: Remote, path: str, picture: str, params: dict[str, Any]) -> dict[str, Any]:
    if picture.startswith(("http://", "https://")):
        return server.call("POST", path, params=params, json={"image_url": picture})
    file = Path(picture)
    if not file.is_file():
        fail(f"There is no file {picture}.")
    return server.call("POST", path, params=params, files={"image": (file.name, file.read_bytes())})


def _analyze_video(server: Remote, source: str, *, quiet: bool) -> dict[str, Any]:
    if source.startswith(("http://", "https://")):
        job = server.call("POST", "/v1/videos", json={"url": source})
    elif not Path(source).is_file():
        fail(f"There is no file {source}.")
    else:
        with Path(source).open("rb") as file:
            job = server.call("POST", "/v1/videos", files={"file": (Path(source).name, file)})
    with Progress(TextColumn("watching"), BarColumn(), console=err, disable=quiet) as progress:
        bar = progress.add_task("", total=1.0)
        while job["state"] in {"queued", "running"}:
            time.sleep(POLL_S)
            job = server.call("GET", f"/v1/videos/{job['id']}")
            progress.update(bar, completed=job["progress"])
    if job["state"] == "failed":
        fail(f"The video could not be analysed: {job.get('error')}")
    if job["truncated"]:
        seen_s = (job["duration_ms"] or 0) / 1000
        why = job["error"] or "that is the limit, or it was stopped"
        err.print(f"Only the first {seen_s:.1f} s were looked at: {why}", markup=False)
    return {**job, **server.call("GET", f"/v1/videos/{job['id']}/tags")}


def _catalog_named(server: Remote, name: str) -> str:
    for item in server.call("GET", "/v1/catalogs", params={"limit": 200})["items"]:
        if item["name"] == name:
            return str(item["id"])
    return str(server.call("POST", "/v1/catalogs", json={"name": name, "listed": False})["id"])


def _watch_import(server: Remote, import_id: str, *, quiet: bool) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, disable=quiet) as progress:
        bar = progress.add_task("reading", total=None)
        while True:
            state = server.call("GET", f"/v1/imports/{import_id}")
            counts = state["counts"]
            progress.update(bar, description=state["state"], total=counts["read"] or None, completed=counts["indexed"])
            if state["state"] in {"done", "failed"}:
                return state
            time.sleep(POLL_S)


def _print_import(state: dict[str, Any]) -> None:
    out.print(", ".join(f"{count} {name}" for name, count in state["counts"].items()))
    for error in state["errors"][:20]:
        out.print(f"line {error['line']}: {error['field']}: {error['reason']}", markup=False)


@contextmanager
def _one_file(path: Path) -> Iterator[Path]:
    """A folder is zipped for the way; a file goes as it is."""
    if path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "feed.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted(item for item in path.rglob("*") if item.is_file()):
                archive.write(file, file.relative_to(path))
        yield packed
