"""Names that people give to their things: one line that every store takes and every page can show; and what any text
must do without to be stored."""

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # no NUL in PostgreSQL's texts, no lone surrogates in UTF-8
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # PostgreSQL refuses NUL in a text; the others break lines of logs


def one_line(text: str) -> str:
    """The name without white space around it; ValueError when nothing is left or it has control characters."""
    name = text.strip()
    if not name:
        raise ValueError("write at least one character")
    if _CONTROL.search(name):
        raise ValueError("control characters are not taken")
    return name


def storable(text: str) -> str:
    """The text without what no store takes: for words of others that are kept only to be told again."""
    return _UNSTORABLE.sub("", text)
