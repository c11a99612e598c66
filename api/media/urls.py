"""Addresses of media as pages name them: one spelling each, http(s) alone."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

MAX_URL_CHARS = 4096
DEFAULT_PORTS = {"http": 80, "https": 443}


class BadUrl(Exception):
    """Not an address of a picture or video; the text says why."""


@dataclass(frozen=True)
class MediaUrl:
    """A normalised address; `host` is as a site lists it (IPv6 in brackets), `port` is always stated."""

    text: str
    host: str
    port: int

    @property
    def hash(self) -> str:
        """What it is stored and looked up by."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def normalise(url: str) -> MediaUrl:
    """Lower-case scheme and host, no default port, no fragment; raises BadUrl."""
    if len(url) > MAX_URL_CHARS:
        raise BadUrl(f"longer than {MAX_URL_CHARS} characters")
    # a WHATWG URL has none of these left in it; the standard library would drop some and keep others
    if any(character <= " " or character == "\x7f" for character in url):
        raise BadUrl("it has spaces or control characters")
    try:
        url.encode()  # a lone surrogate cannot be stored
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadUrl("this is not a URL") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise BadUrl("only http and https URLs can be tagged")
    if not parts.hostname or "\\" in parts.netloc:
        raise BadUrl("it has no host")
    if parts.username is not None or parts.password is not None:
        raise BadUrl("it has a user name or password")
    if port == 0:
        raise BadUrl("port 0 is no port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port in {None, DEFAULT_PORTS[parts.scheme]} else f":{port}"
    text = urlunsplit((parts.scheme, f"{host}{shown}", parts.path or "/", parts.query, ""))
    return MediaUrl(text, host, port or DEFAULT_PORTS[parts.scheme])
