"""Plays the contract's calls against a running demo, in the order in which they need each other's answers."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from tests.contract.http.contract import CALLS, LINE_SAMPLES, Call, faults, filled
from tests.running_demo import REPO

WAIT_S = 240.0


class Player:
    """One demo, its line, and the answers so far: each call is made once, whoever needs it."""

    def __init__(self, line: dict[str, Any], photos: Path) -> None:
        self.line = line
        self._photos = photos
        self._http = httpx2.Client(base_url=line["base_url"], timeout=60, follow_redirects=False)
        self._calls = {call.name: call for call in CALLS}
        self._answers: dict[str, httpx2.Response] = {}

    def close(self) -> None:
        self._http.close()

    def answer(self, name: str) -> httpx2.Response:
        """The call's answer; asked again until it says what the file waits for."""
        if name not in self._answers:
            call = self._calls[name]
            for earlier in call.file.get("after", []):
                self.answer(earlier)
            deadline = time.monotonic() + WAIT_S
            while True:
                answer = self._send(call, call.file["request"]["example"], call.file["key"])
                if time.monotonic() > deadline or _arrived(call, answer):
                    break
                time.sleep(0.2)
            self._answers[name] = answer
        return self._answers[name]

    def changed(self, call: Call, change: dict[str, Any]) -> httpx2.Response:
        """The call with parts of its example replaced (null takes a part away)."""
        parts = {**call.file["request"]["example"], **change}
        key = parts.pop("key", call.file["key"])
        return self._send(call, {name: part for name, part in parts.items() if part is not None}, key)

    def _send(self, call: Call, example: dict[str, Any], key: str | None) -> httpx2.Response:
        parts = filled(example, self._values(call))
        headers = dict(parts.get("headers", {}))
        if key:
            headers["Authorization"] = f"Bearer {self.line[key]}"
        body: dict[str, Any] = {}
        if "json" in parts:
            body["json"] = parts["json"]
        if "text" in parts:
            text = parts["text"]
            body["content"] = text if isinstance(text, str) else json.dumps(_expanded(text))
            headers["Content-Type"] = "text/plain"
        if "files" in parts:
            body["files"] = {name: self._file(given) for name, given in parts["files"].items()}
        if "content_type" in parts:
            headers["Content-Type"] = parts["content_type"]
        path = call.path.format(**parts.get("path", {}))
        return self._http.request(call.method, path, params=_params(parts.get("query")), headers=headers, **body)

    def _file(self, given: dict[str, str]) -> tuple[str, bytes, str]:
        if "file" in given:
            path = self._photos / given["file"]
            return path.name, path.read_bytes(), given["content_type"]
        return given.get("name", "file"), given["text"].encode(), given["content_type"]

    def _values(self, call: Call) -> dict[str, Any]:
        sources = call.file.get("placeholders", {})
        return {
            **{name: self.line[name] for name in LINE_SAMPLES},
            **{name: self._value(given["from"]) for name, given in sources.items()},
        }

    def _value(self, source: str) -> Any:
        now = datetime.now(UTC)
        days = {"today": now, "tomorrow": now + timedelta(days=1)}
        if source in days:
            return days[source].date().isoformat()
        if source == "now":
            return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if source in {"demo picture", "demo video"}:
            return f"{self.line['base_url']}/demo/media/{_demo_file(source, self.line['publisher_page'])}"
        name, _, pointer = source.partition("#")
        return pointed(self.answer(name).json(), pointer)


def pointed(value: Any, pointer: str) -> Any:
    """What a JSON Pointer leads to."""
    for part in pointer.strip("/").split("/"):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _arrived(call: Call, answer: httpx2.Response) -> bool:
    waits: dict[str, Any] = call.file.get("until", {})
    return answer.status_code >= 400 or all(
        not faults(wanted, pointed(answer.json(), at)) for at, wanted in waits.items()
    )


def _params(query: dict[str, Any] | None) -> dict[str, Any]:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in (query or {}).items()}


def _expanded(value: Any) -> Any:
    """Large texts are written `{"repeat": "x", "times": n}`."""
    if isinstance(value, dict):
        if value.keys() == {"repeat", "times"}:
            return value["repeat"] * value["times"]
        return {name: _expanded(item) for name, item in value.items()}
    return value


def _demo_file(source: str, page: str) -> str:
    articles = json.loads((REPO / "infra" / "demo" / "articles.json").read_text())
    if source == "demo video":
        return str(next(article["video"]["file"] for article in articles if article["video"]))
    return str(next(a["pictures"][0]["file"] for a in articles if page.endswith(a["slug"])))
