"""Texts without secrets, for logs and `/readyz`: addresses lose their passwords, paths the tokens in them."""

import re
from collections.abc import Collection

MAX_SEGMENT_CHARS = 48
_USERINFO = re.compile(r"://[^/@\s]*@")
_NAMED = re.compile(r"(?i)\b(password|passwd|pwd|secret|token|api_key)(\s*[=:]\s*)[^\s,;)'\"]+")
_KEYS = re.compile(r"\b((?:sk|whsec|rk)_)[A-Za-z0-9_-]{8,}")


def scrubbed(text: str, hide: Collection[str] = ()) -> str:
    """Without passwords of addresses, values that are called a secret, secret keys, and what is in `hide`."""
    for secret in hide:
        text = text.replace(secret, "…")
    return _KEYS.sub(r"\1…", _NAMED.sub(r"\1\2…", _USERINFO.sub("://…@", text)))


def shown_path(path: str) -> str:
    """A request's path for the log. Long parts (a click's token) are cut, and nothing in it starts a new line."""
    parts = (part if len(part) <= MAX_SEGMENT_CHARS else f"{part[:8]}…" for part in path.split("/"))
    return "".join(char if char.isprintable() else "�" for char in "/".join(parts))[:512]
