"""What the tests' S3 has to do better than moto does, or tests of ours fail for it."""

import threading
from typing import Any

from moto.s3.models import FakeKey

from infra.services import s3_moto
from tests.patience import HANGS_S

BODY = b"x" * 1000


class Watched:
    """An object's file; whoever goes to its beginning as a reader lets the other one go first, if that one may."""

    def __init__(self, inner: Any, other: threading.Thread) -> None:
        self._inner, self._other = inner, other

    def seek(self, at: int) -> None:
        self._inner.seek(at)
        if threading.current_thread() is not self._other:
            self._other.start()
            self._other.join(0.2)

    def read(self, *given: int) -> bytes:
        return bytes(self._inner.read(*given))

    def close(self) -> None:
        self._inner.close()


def test_an_object_is_read_whole_while_somebody_asks_for_its_etag_first() -> None:
    assert s3_moto.Remembering  # what it changes of moto is changed
    key = FakeKey("a", BODY, "123456789012", "us-east-1")
    tags: list[str] = []
    other = threading.Thread(target=lambda: tags.append(key.etag))
    key._value_buffer = Watched(key._value_buffer, other)
    assert key.value == BODY
    other.join(HANGS_S)
    assert tags == [key.etag]
    key.dispose()
