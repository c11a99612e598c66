"""JSON feeds: one object a line (JSONL), or one array of objects, streamed."""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from api.catalog.feeds.rows import (
    MAX_FIELD_CHARS,
    MAX_RECORD_CHARS,
    BadRow,
    FeedRow,
    FeedUnreadable,
    RowError,
    column_name,
)

_WHITE = " \t\r\n"
_MAX_LIST = 100
_MAX_NUMBER = 10**30
_THOUSANDTHS = 3


def read_jsonl(numbered: Iterable[tuple[int, str | None]]) -> Iterator[FeedRow | BadRow]:
    """One product a line; blank lines are passed over."""
    for number, line in numbered:
        if line is None:
            yield BadRow(RowError(number, None, f"the line is longer than {MAX_RECORD_CHARS} characters"))
        elif line.strip():
            yield _parsed_line(number, line)


def _parsed_line(number: int, line: str) -> FeedRow | BadRow:
    try:
        item = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        return BadRow(RowError(number, None, f"this line is not valid JSON: {_short(error)}"))
    return row_of(number, item)


def row_of(number: int, item: Any) -> FeedRow | BadRow:
    """A row from a parsed JSON value."""
    if not isinstance(item, dict):
        return BadRow(RowError(number, None, "a row must be a JSON object"))
    values: dict[str, str] = {}
    for key, value in item.items():
        if key == "attributes" and isinstance(value, dict):
            texts = {f"attributes.{name}": _text(inner) for name, inner in value.items()}
            values |= {name: text for name, text in texts.items() if text is not None}
        elif (text := _text(value)) is not None:
            values[column_name(key)] = text
    for name, text in values.items():
        if len(text) > MAX_FIELD_CHARS:
            return BadRow(RowError(number, name, f"longer than {MAX_FIELD_CHARS} characters"), values)
    return FeedRow(number, values)


def _text(value: Any) -> str | None:
    """The text of a JSON scalar or a short list of them; None for what a row cannot hold."""
    if value is None:
        return ""
    if isinstance(value, str):
        # lone surrogates cannot be stored; control characters have no place in a product
        return value.encode("utf-8", "replace").decode().replace("\x00", "")
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, list) and len(value) <= _MAX_LIST:
        return ", ".join(text for item in value if not isinstance(item, list) and (text := _text(item)))
    return None


def _number(value: float) -> str | None:
    """Plain decimal digits. A JSON number's point is a decimal point, even before three digits, where a text's might
    group thousands (`1.299`): a further 0 keeps the two apart."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < _MAX_NUMBER else None
    text = f"{Decimal(repr(value)):f}"
    return text + "0" if len(text.partition(".")[2]) == _THOUSANDTHS else text


def read_json_array(chunks: Iterable[str]) -> Iterator[FeedRow | BadRow]:
    """The objects of one JSON array, without ever holding more than one of them."""
    reader = _ArrayReader(iter(chunks))
    reader.expect("[")
    first = True
    while not reader.at("]"):
        if not first:
            reader.expect(",")
        first = False
        line, item = reader.value()
        yield row_of(line, item)
    reader.expect("]")
    if reader.peek():
        raise FeedUnreadable("there is more after the end of the JSON array", reader.line)


class _ArrayReader:
    """A window on the text that slides from value to value."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self._text = ""
        self._at = 0
        self.line = 1
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                mark = self._text[self._at]
                if mark not in _WHITE:
                    return mark
                self.line += mark == "\n"
                self._at += 1
            if not self._more():
                return ""

    def at(self, mark: str) -> bool:
        """Whether `mark` comes next; the end of the text is an error here."""
        found = self.peek()
        if not found:
            raise FeedUnreadable("the JSON array breaks off", self.line)
        return found == mark

    def expect(self, mark: str) -> None:
        """Step over `mark`."""
        if not self.at(mark):
            raise FeedUnreadable(f"the JSON array is damaged: {mark!r} was expected", self.line)
        self._at += 1

    def value(self) -> tuple[int, Any]:
        """The next value and the line where it starts."""
        self.peek()
        wanted = 4096
        while True:
            try:
                item, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                # either damaged, or not all here yet: read on in doubling steps, so that the work stays linear
                held = len(self._text) - self._at
                hopeless = isinstance(error, RecursionError) or held > MAX_RECORD_CHARS
                if hopeless or not self._fill(max(wanted, held * 2)):
                    raise FeedUnreadable(f"the JSON array is damaged: {_short(error)}", self.line) from error
                wanted = held * 2
                continue
            line = self.line
            self.line += self._text.count("\n", self._at, end)
            self._at = end
            return line, item

    def _fill(self, chars: int) -> bool:
        grew = False
        while len(self._text) - self._at < chars and self._more():
            grew = True
        return grew

    def _more(self) -> bool:
        chunk = next(self._chunks, "")
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return bool(chunk)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _short(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
