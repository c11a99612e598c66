"""From a feed's bytes to lines of text: the encoding told by content, line ends unified, lines bounded."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from api.catalog.feeds.rows import MAX_RECORD_CHARS, FeedUnreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SAMPLE_BYTES = 4096


def tell_encoding(head: bytes) -> str:
    """The codec's name from a byte order mark, an XML declaration or the pattern of NUL bytes; UTF-8 otherwise."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    sample = head[: _SAMPLE_BYTES - _SAMPLE_BYTES % 2]
    if sample[1::2].count(0) > len(sample) // 4:
        return "utf-16-le"
    if sample[0::2].count(0) > len(sample) // 4:
        return "utf-16-be"
    if declared := _DECLARED.match(head):
        return _known_codec(declared[1].decode("ascii"))
    return "utf-8"


def _known_codec(name: str) -> str:
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    # a file without NUL pairs cannot be what its declaration says; and Latin-1 in the wild is Windows-1252
    if codec.startswith(("utf-16", "utf-32")):
        return "utf-8"
    if codec in {"iso8859-1", "ascii", "latin-1"}:
        return "cp1252"
    texts = ("utf-8", "cp125", "iso8859", "koi8", "shift_jis", "euc", "gb", "big5")
    return codec if codec.startswith(texts) else "utf-8"


class FeedText:
    """The text of a feed. Bytes that are no UTF-8 are read as Windows-1252, what spreadsheets still write; `repaired`
    is the first line (1-based) where that happened. NUL and other control characters are dropped."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        self.encoding = tell_encoding(head)
        self.repaired: int | None = None
        errors = "surrogateescape" if self.encoding.startswith("utf-8") else "replace"
        self._text = io.TextIOWrapper(stream, encoding=self.encoding, errors=errors, newline=None)

    def lines(self) -> Iterator[tuple[int, str | None]]:
        """(line number, line with its `\\n`); None instead of a line that is longer than a whole record may be."""
        number = 0
        while line := self._read_line():
            number += 1
            if len(line) < MAX_RECORD_CHARS or line.endswith("\n"):
                yield number, self._clean(line, number)
                continue
            while line and not line.endswith("\n"):
                line = self._read_line()
            yield number, None

    def chunks(self) -> Iterator[str]:
        """The text in pieces of up to 64 Ki characters, for parsers that keep their own place."""
        number = 1
        while chunk := self._text.read(64 * 1024):
            yield self._clean(chunk, number)
            number += chunk.count("\n")

    def _read_line(self) -> str:
        try:
            return self._text.readline(MAX_RECORD_CHARS)
        except UnicodeError as error:
            raise FeedUnreadable(f"the text is not {self.encoding}") from error

    def _clean(self, text: str, number: int) -> str:
        if text.isascii():
            return _CONTROLS.sub("", text) if _CONTROLS.search(text) else text
        if _NOT_UTF8.search(text):
            self.repaired = self.repaired or number
            text = _NOT_UTF8.sub(lambda found: bytes([ord(found[0]) - 0xDC00]).decode("cp1252", "replace"), text)
        return _CONTROLS.sub("", text)
