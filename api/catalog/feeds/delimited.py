"""CSV and TSV: the delimiter told from the header line, rows streamed, damaged quotes confined to their own row."""

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from api.catalog.feeds.rows import (
    MAX_COLUMNS,
    MAX_FIELD_CHARS,
    MAX_RECORD_CHARS,
    BadRow,
    FeedRow,
    FeedUnreadable,
    RowError,
    column_name,
)

DELIMITERS = ",;\t|"
UNCLOSED = "a quote is opened and not closed, or the row has more columns than the header"


class _DamagedRecord(Exception):
    """The record being read cannot end well."""


class _Lines:
    """Hands lines to the csv reader and remembers those of the record under way, so that they can be read again."""

    def __init__(self, lines: Iterator[tuple[int, str | None]]) -> None:
        self._source = lines
        self._again: deque[tuple[int, str | None]] = deque()
        self.taken: list[tuple[int, str | None]] = []
        self._chars = 0

    def begin(self) -> None:
        """A new record starts."""
        self.taken = []
        self._chars = 0

    def rewind_to_second(self) -> None:
        """Give up the first line of the record alone; the rest is read as records of their own."""
        self._again.extendleft(reversed(self.taken[1:]))

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        item = self._again.popleft() if self._again else next(self._source, None)
        if item is None:
            if self.taken:  # the reader wants more, and there is none: it is inside a quote
                raise _DamagedRecord
            raise StopIteration
        self.taken.append(item)
        line = item[1]
        if line is None:
            raise _DamagedRecord
        self._chars += len(line)
        if self._chars > MAX_RECORD_CHARS:
            raise _DamagedRecord
        return line


def tell_delimiter(header: str) -> str:
    """The delimiter that cuts the header line into the most columns."""
    counts = {mark: len(_cells(header, mark)) for mark in DELIMITERS}
    return max(counts, key=lambda mark: counts[mark])


def header_of(line: str) -> list[str]:
    """The column names of a header line, in their one form."""
    return [column_name(cell) for cell in _cells(line, tell_delimiter(line))]


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
    except csv.Error:
        return []


def read_delimited(numbered: Iterable[tuple[int, str | None]]) -> Iterator[FeedRow | BadRow]:
    """Rows of a feed whose first line that is not blank names the columns."""
    source = iter(numbered)
    header_line = _first_line(source)
    delimiter = tell_delimiter(header_line)
    header = header_of(header_line)
    if len(header) > MAX_COLUMNS:
        raise FeedUnreadable(f"the header has more than {MAX_COLUMNS} columns", 1)
    lines = _Lines(source)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _DamagedRecord):
            yield _after_damage(lines, header, delimiter)
            # a strict reader that failed keeps no state, but its line iterator may be spent: start it anew
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        if not any(cells):
            continue
        if len(lines.taken) > 1 and len(cells) != len(header):
            yield _after_damage(lines, header, delimiter)
            continue
        yield _row(lines.taken[0][0], header, cells)


def _first_line(source: Iterator[tuple[int, str | None]]) -> str:
    for number, line in source:
        if line is None:
            raise FeedUnreadable("the header line is too long", number)
        if line.strip() and not line.lower().startswith("sep="):  # a spreadsheet's hint, not a header
            return line
    raise FeedUnreadable("the feed is empty")


def _after_damage(lines: _Lines, header: Sequence[str], delimiter: str) -> FeedRow | BadRow:
    """A damaged record: on one line it is read leniently (`"24" screen"`); else only its first line is lost."""
    number, line = lines.taken[0]
    if line is None:
        return BadRow(RowError(number, None, f"the line is longer than {MAX_RECORD_CHARS} characters"))
    lines.rewind_to_second()
    cells = _cells(line, delimiter)
    if len(lines.taken) == 1 and len(cells) == len(header):
        return _row(number, header, cells)
    return BadRow(RowError(number, None, UNCLOSED), dict(zip(header, cells, strict=False)))


def _row(number: int, header: Sequence[str], cells: list[str]) -> FeedRow | BadRow:
    values: dict[str, str] = {}
    for name, cell in zip(header, cells, strict=False):
        if name and not values.get(name):
            values[name] = cell
    if any(cells[len(header) :]):
        reason = f"the row has {len(cells)} columns, the header {len(header)}: a comma or quote is not quoted"
        return BadRow(RowError(number, None, reason), values)
    for name, cell in values.items():
        if len(cell) > MAX_FIELD_CHARS:
            return BadRow(RowError(number, name, f"longer than {MAX_FIELD_CHARS} characters"), values)
    return FeedRow(number, values)
