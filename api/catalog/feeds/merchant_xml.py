"""Google Merchant XML, RSS 2.0 or Atom with `g:` fields, as a stream: one item is held at a time; depth, text and token
size are bounded; entities are never declared, expanded or fetched."""

from collections.abc import Iterable, Iterator
from typing import NoReturn
from xml.parsers import expat

from api.catalog.feeds.rows import MAX_COLUMNS, MAX_FIELD_CHARS, BadRow, FeedRow, FeedUnreadable, RowError, column_name

_MAX_DEPTH = 24
# what expat may hold back because a token has not ended (a tag, an attribute, a comment)
_MAX_TOKEN_BYTES = 1024 * 1024
_ITEMS = {"item", "entry"}
_ROOTS = {"rss", "feed", "rdf"}
_REPEATED = {"additional_image_link"}


class _Refused(Exception):
    """Something that no product feed needs and an attacker does."""


class _Items:
    """Collects the elements right below each item; what lies deeper (shipping, tax) is passed over."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self._parser = parser
        self._depth = 0
        self._item_depth = 0
        self._line = 0
        self._values: dict[str, str] = {}
        self._name: str | None = None
        self._text: list[str] = []
        self._chars = 0
        self._too_long: str | None = None
        self.ready: list[FeedRow | BadRow] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Refused(f"elements are nested more than {_MAX_DEPTH} deep")
        name = _local(tag)
        if self._depth == 1 and name not in _ROOTS:
            raise _Refused(f"<{name[:40]}> is neither RSS nor Atom")
        if not self._item_depth:
            if name in _ITEMS:
                self._item_depth, self._line = self._depth, self._parser.CurrentLineNumber
                self._values, self._too_long = {}, None
        elif self._depth == self._item_depth + 1:
            self._name, self._text, self._chars = name, [], 0
            if name == "link" and "href" in attributes and attributes.get("rel", "alternate") == "alternate":
                self.text(attributes["href"])

    def text(self, data: str) -> None:
        if self._name is None or self._depth != self._item_depth + 1:
            return
        self._chars += len(data)
        if self._chars > MAX_FIELD_CHARS:
            self._too_long = self._too_long or self._name
        else:
            self._text.append(data)

    def end(self, _tag: str) -> None:
        if self._item_depth and self._depth == self._item_depth + 1 and self._name:
            self._keep(self._name, "".join(self._text).strip())
            self._name = None
        elif self._depth == self._item_depth:
            self._item_depth = 0
            self.ready.append(self._finished())
        self._depth -= 1

    def _keep(self, name: str, text: str) -> None:
        held = self._values.get(name)
        if held and name in _REPEATED and len(held) < MAX_FIELD_CHARS:
            self._values[name] = f"{held}, {text}"
        elif not held and len(self._values) < MAX_COLUMNS:
            self._values[name] = text

    def _finished(self) -> FeedRow | BadRow:
        if self._too_long:
            reason = f"longer than {MAX_FIELD_CHARS} characters"
            return BadRow(RowError(self._line, self._too_long, reason), self._values)
        return FeedRow(self._line, self._values)


def _local(tag: str) -> str:
    return column_name(tag.rpartition(":")[2])


def _refuse(*_: object) -> NoReturn:
    raise _Refused("it declares entities, which product feeds do not need")


def read_merchant_xml(chunks: Iterable[str]) -> Iterator[FeedRow | BadRow]:
    """The items of the feed. Raises FeedUnreadable where the XML is damaged: what follows cannot be told."""
    parser = expat.ParserCreate(encoding="utf-8")
    parser.buffer_text = True
    items = _Items(parser)
    parser.StartElementHandler = items.start
    parser.EndElementHandler = items.end
    parser.CharacterDataHandler = items.text
    parser.EntityDeclHandler = _refuse
    parser.UnparsedEntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    fed = 0
    try:
        for chunk in chunks:
            data = chunk.encode("utf-8", "replace")
            fed += len(data)
            parser.Parse(data, False)  # noqa: FBT003 - expat's own signature
            if fed - parser.CurrentByteIndex > _MAX_TOKEN_BYTES + len(data):
                raise _Refused("a tag or comment is too long")
            yield from items.ready
            items.ready.clear()
        parser.Parse(b"", True)  # noqa: FBT003 - the same
    except expat.ExpatError as error:
        raise FeedUnreadable(f"the XML is damaged: {expat.ErrorString(error.code)}", error.lineno) from error
    except _Refused as error:
        raise FeedUnreadable(f"the XML is refused: {error}", parser.CurrentLineNumber) from error
    yield from items.ready
