"""Lists page by cursor: the cursor is the last id seen, opaque to callers."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

from api.errors import Unprocessable

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None


class Cursor:
    """Where a page starts (`after` an id, None for the first) and how long it is."""

    def __init__(self, after: str | None, limit: int) -> None:
        self.after = after
        self.limit = limit


def _cursor(
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Cursor:
    if cursor is None:
        return Cursor(None, limit)
    try:
        after = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        after = ""
    if not after.isprintable() or not after:
        raise Unprocessable("This cursor is not one of ours; start without it.", pointer="?cursor")
    return Cursor(after, limit)


CursorParams = Annotated[Cursor, Depends(_cursor)]


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], str]) -> Page[T]:
    """Make a page of up to `limit` of `rows`; fetch limit + 1 so that the end is known."""
    items = list(rows[:limit])
    more = len(rows) > limit
    token = base64.urlsafe_b64encode(key(items[-1]).encode()).decode().rstrip("=") if more else None
    return Page[T](items=items, next_cursor=token)
