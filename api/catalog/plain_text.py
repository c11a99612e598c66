"""HTML of feeds -> plain text, in one pass: titles and descriptions are kept as text, never as markup."""

import html
import re

_SKIPPED = ("script", "style")
_BLOCKS = {
    "p", "br", "li", "ul", "ol", "div", "tr", "td", "th", "table", "hr", "section", "h1", "h2", "h3", "h4", "h5", "h6",
}  # fmt: skip
_TAG_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9]*)")
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def plain_text(source: str) -> str:
    """Text without tags, comments, scripts and invisible or direction-changing characters; entities decoded once; white
    space collapsed. `a < b` stays. The standard library's HTML parser takes minutes for hostile input of this size."""
    text = _without_tags(source) if "<" in source else source
    if "&" in text:
        text = html.unescape(text)
    return " ".join(_INVISIBLE.sub("", text).split())


def _without_tags(source: str) -> str:
    head, *parts = source.split("<")
    kept = [head]
    inside: str | None = None  # what swallows everything up to its own end: a comment, a script, a style
    for part in parts:
        if inside is not None:
            _, mark, rest = part.partition("-->" if inside == "!--" else ">")
            if mark and (inside == "!--" or part[: len(inside) + 1].lower() == f"/{inside}"):
                kept.append(rest)
                inside = None
            continue
        if part.startswith("!--"):
            _, closed, rest = part.partition("-->")
            kept.append(rest)
            inside = None if closed else "!--"
            continue
        name = _TAG_NAME.match(part)
        attributes, closed, rest = part.partition(">")
        if not closed or not (name or part.startswith(("!", "?"))):
            kept.append("<" + part)  # a sign of comparison, not a tag
            continue
        tag = name[1].lower() if name else ""
        if tag in _SKIPPED and not part.startswith("/") and not attributes.endswith("/"):
            inside = tag
        kept.append(("\n" if tag in _BLOCKS else "") + rest if not inside else "")
    return "".join(kept)
