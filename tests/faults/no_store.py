"""For sinks whose steps touch no store: anything asked of it is a mistake of the test."""

from typing import Any


class NoStore:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody should have asked the store to {name}")


NO_STORE: Any = NoStore()
