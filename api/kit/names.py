"""Names that people give to their things: one line that every store takes and every page can show."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # PostgreSQL refuses NUL in a text; the others break lines of logs


def one_line(text: str) -> str:
    """The name without white space around it; ValueError when nothing is left or it has control characters."""
    name = text.strip()
    if not name:
        raise ValueError("write at least one character")
    if _CONTROL.search(name):
        raise ValueError("control characters are not taken")
    return name
