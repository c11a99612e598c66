"""Links of feeds: http and https only, in one written form that fits a Location header."""

from urllib.parse import quote, urlsplit, urlunsplit

MAX_URL = 2000
_PATH = "/%:@!$&'()*+,;=~-._"
_QUERY = _PATH + "?[]"


class LinkError(ValueError):
    """Why a text is no link; worded for the brand."""


def parse_link(text: str) -> str:
    """The link in ASCII: host in IDNA, everything else percent-encoded. Raises LinkError."""
    link = text.strip()
    if not link:
        raise LinkError("is missing")
    if len(link) > MAX_URL:
        raise LinkError(f"is longer than {MAX_URL} characters")
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError as error:
        raise LinkError("is no link") from error
    if parts.scheme.lower() not in {"http", "https"}:
        raise LinkError("must be an http or https link")
    host = parts.hostname or ""
    if not host or "\\" in link or any(mark.isspace() for mark in parts.netloc):
        raise LinkError("has no valid host")
    if parts.username is not None or parts.password is not None:
        raise LinkError("must not hold a user name or password")
    netloc = _host(host) + (f":{port}" if port is not None else "")
    path, query, fragment = quote(parts.path, _PATH), quote(parts.query, _QUERY), quote(parts.fragment, _QUERY)
    written = urlunsplit((parts.scheme.lower(), netloc, path, query, fragment))
    if len(written) > MAX_URL * 2:
        raise LinkError(f"is longer than {MAX_URL} characters")
    return written


def _host(host: str) -> str:
    if ":" in host:
        return f"[{host}]"
    try:
        name = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as error:
        raise LinkError("has no valid host") from error
    if not all(mark.isalnum() or mark in "-._" for mark in name) or name.startswith((".", "-")):
        raise LinkError("has no valid host")
    return name
