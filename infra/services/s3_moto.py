"""moto's S3 with a memory. moto itself forgets everything when it ends; here each object is also a file, written before
the answer is given and read back at the start. Runs in the project's environment: `s3_moto.py PORT FOLDER`."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import FakeKey, s3_backends
from werkzeug.serving import run_simple

REGION = "us-east-1"
# changes of something about an object that is not kept: a part of an upload that is not complete, tags, rights
ASIDE = {"partNumber", "uploads", "tagging", "acl", "retention", "legal-hold"}


_etag = FakeKey.etag


def _alone(key: FakeKey) -> str:
    """moto goes through an object for its ETag, when it is first asked for, in the very file from which others read it
    at that moment: they were given what was left of it."""
    with key.lock:
        return str(_etag.fget(key))


FakeKey.etag = property(_alone)


class Remembering:
    """A WSGI application around moto's. What is kept is the state after a change, for requests come in many forms."""

    def __init__(self, inner: Callable[..., Iterable[bytes]], folder: Path) -> None:
        self._inner = inner
        self._store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._folder = folder
        self._lock = Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        told: list[Any] = []
        body = list(self._inner(environ, lambda *answer: told.append(answer)))
        if environ["REQUEST_METHOD"] in {"PUT", "POST", "DELETE"} and told[0][0].startswith("2"):
            asked = set(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True))
            bucket, _, key = environ["PATH_INFO"].encode("latin-1").decode().lstrip("/").partition("/")
            if not asked & ASIDE:
                with self._lock:
                    self._keep(bucket, key)
        start_response(*told[0])
        return iter(body)

    def _keep(self, bucket: str, key: str) -> None:
        folder = self._folder / bucket
        if bucket not in self._store.buckets:
            if folder in self._folder.iterdir():  # a request may name anything, "..", too
                shutil.rmtree(folder)
            return
        folder.mkdir(exist_ok=True)
        # without a key many objects may be gone: a request that deletes a list of them
        for each in [key] if key else [_head_of(path)["key"] for path in folder.iterdir()]:
            self._keep_object(bucket, each)

    def _keep_object(self, bucket: str, key: str) -> None:
        path = self._folder / bucket / hashlib.sha256(key.encode()).hexdigest()
        found = self._store.get_object(bucket, key)
        if found is None:
            path.unlink(missing_ok=True)
            return
        draft = path.with_suffix(".new")
        head = {"key": key, "metadata": dict(found.metadata)}
        draft.write_bytes(json.dumps(head).encode() + b"\n" + found.value)
        draft.replace(path)

    def recall(self) -> None:
        """Puts everything back that was kept."""
        for bucket in self._folder.iterdir():
            self._store.create_bucket(bucket.name, REGION)
            for path in bucket.iterdir():
                if path.suffix == ".new":
                    path.unlink()  # the process ended while it wrote this
                    continue
                head, body = _head_of(path), path.read_bytes().partition(b"\n")[2]
                self._store.put_object(bucket.name, head["key"], body).set_metadata(head["metadata"])


def _head_of(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        head: dict[str, Any] = json.loads(file.readline())
    return head


def main() -> None:
    """Serves on loopback until it is stopped."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    app = Remembering(DomainDispatcherApplication(create_backend_app), folder)
    app.recall()
    run_simple("127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
