"""Opens a feed file whatever it is: the format is told from its bytes alone, never from its name or content type."""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from api.catalog.feeds.archive import FeedArchive, open_archive
from api.catalog.feeds.delimited import header_of, read_delimited
from api.catalog.feeds.json_rows import read_json_array, read_jsonl
from api.catalog.feeds.merchant_xml import read_merchant_xml
from api.catalog.feeds.rows import BadRow, FeedRow, FeedUnreadable
from api.catalog.feeds.shopify import ShopifyRows, is_shopify
from api.catalog.feeds.text import FeedText, tell_encoding

_HEAD_BYTES = 64 * 1024
_IDS = {"id", "external_id", "offer_id", "sku", "product_id"}
_TITLES = {"title", "name"}
# what a feed may unpack to, for each byte of it: text packs 5 to 20 times
_MAX_UNPACKED = 8 * 1024**3
_NO_FEED = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"%PDF", b"RIFF", b"\x7fELF", b"SQLite", b"PAR1", b"\xd0\xcf\x11\xe0")


class FeedFormat(StrEnum):
    """What a feed's content says it is."""

    delimited = "csv"
    shopify = "shopify_csv"
    jsonl = "jsonl"
    json_array = "json"
    merchant_xml = "merchant_xml"


@dataclass(frozen=True)
class FeedOptions:
    """What a file cannot say about itself. `shop_url` and `currency` serve Shopify exports and feeds without them."""

    shop_url: str | None = None
    currency: str | None = None
    max_bytes: int = 1024**3


@dataclass
class Feed:
    """An open feed. Iterate `rows` once, to the end; then `remarks()` tells what was done to read it."""

    format: FeedFormat
    rows: Iterable[FeedRow | BadRow]
    text: FeedText
    archive: FeedArchive | None = None
    shopify: ShopifyRows | None = field(default=None)

    def remarks(self) -> list[str]:
        """Sentences for the brand about the feed as a whole."""
        found = []
        if self.text.repaired:
            found.append(f"From line {self.text.repaired} on some text is not UTF-8; it was read as Windows-1252.")
        if self.shopify and self.shopify.unpublished:
            found.append(f"Not published in Shopify, and left out: {self.shopify.unpublished} products.")
        if self.shopify and self.shopify.assumed_currency:
            found.append("Shopify names no currency; prices were taken as USD. Import with currency=… to change it.")
        return found


@contextmanager
def open_feed(path: Path, options: FeedOptions) -> Iterator[Feed]:
    """The feed in the file at `path`; raises FeedUnreadable for what is none, here or while its rows are read."""
    with ExitStack() as stack:
        raw: BinaryIO = stack.enter_context(path.open("rb"))
        magic = raw.read(4)
        raw.seek(0)
        archive = None
        if not magic:
            raise FeedUnreadable("the feed is empty")
        if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            archive = stack.enter_context(open_archive(path))
            name = _choose(archive, options)
            raw = stack.enter_context(archive.open(name, _MAX_UNPACKED))
        elif magic.startswith(b"\x1f\x8b"):
            raw = io.BufferedReader(_Unpacked(stack.enter_context(gzip.GzipFile(fileobj=raw)), options.max_bytes))
        feed = _open_plain(raw, options)
        feed.archive = archive
        yield feed


def _choose(archive: FeedArchive, options: FeedOptions) -> str:
    """The one entry that reads as a feed."""
    names = sorted(archive.candidates(), key=lambda name: (name.count("/"), name))
    fits = []
    for name in names[:50]:
        try:
            with archive.open(name, _MAX_UNPACKED) as stream:
                _open_plain(stream, options)
        except FeedUnreadable:
            continue
        fits.append(name)
    if len(fits) != 1:
        what = "no feed" if not fits else f"{len(fits)} feeds ({', '.join(fits)[:200]})"
        raise FeedUnreadable(f"the ZIP holds {what}; it must hold exactly one, and its pictures")
    archive.set_feed(fits[0])
    return fits[0]


def _open_plain(raw: BinaryIO, options: FeedOptions) -> Feed:
    buffered: io.BufferedReader[Any] = io.BufferedReader(raw, _HEAD_BYTES)
    head = buffered.peek(_HEAD_BYTES)
    if head.startswith(_NO_FEED):
        raise FeedUnreadable("this is no feed: CSV, TSV, JSON, Merchant XML, Shopify CSV or a ZIP of one is expected")
    text = FeedText(buffered, head)
    start = head.decode(tell_encoding(head), "replace").lstrip("\ufeff \t\r\n")
    if not start:
        raise FeedUnreadable("the feed is empty")
    if start.startswith("<"):
        return Feed(FeedFormat.merchant_xml, read_merchant_xml(text.chunks()), text)
    if start.startswith("["):
        return Feed(FeedFormat.json_array, read_json_array(text.chunks()), text)
    if start.startswith("{"):
        return Feed(FeedFormat.jsonl, read_jsonl(text.lines()), text)
    return _open_delimited(start, text, options)


def _open_delimited(start: str, text: FeedText, options: FeedOptions) -> Feed:
    lines = [line for line in start.splitlines() if line.strip()]
    if not lines:
        raise FeedUnreadable("the feed is empty")
    first = lines[1] if len(lines) > 1 and lines[0].lower().startswith("sep=") else lines[0]
    header = header_of(first)
    rows = read_delimited(text.lines())
    if is_shopify(header):
        shopify = ShopifyRows(rows, shop_url=options.shop_url, currency=options.currency)
        return Feed(FeedFormat.shopify, shopify, text, shopify=shopify)
    if not (_IDS & set(header) and _TITLES & set(header)):
        seen = ", ".join(name for name in header if name)[:200]
        raise FeedUnreadable(f"the first line must name the columns, id and title among them; it has: {seen}", 1)
    return Feed(FeedFormat.delimited, rows, text)


class _Unpacked(io.RawIOBase):
    """A gzip stream with a bound on what comes out of it."""

    def __init__(self, packed: gzip.GzipFile, max_bytes: int) -> None:
        self._packed = packed
        self._left = min(_MAX_UNPACKED, max_bytes * 8)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._packed.read(len(buffer))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FeedUnreadable(f"the gzip file is damaged: {error}") from error
        self._left -= len(data)
        if self._left < 0:
            raise FeedUnreadable("the gzip file unpacks to too much")
        buffer[: len(data)] = data
        return len(data)
