"""What sites take and answer; origins and hosts are checked and written in one form here."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.kit.clock import UtcTime
from api.kit.names import one_line

DEFAULT_PORTS = {"http": 80, "https": 443}
HOST = re.compile(r"[a-z0-9_.-]{1,253}")


def normal_origin(text: str) -> str:
    """`https://Example.com:443/` -> `https://example.com`; raises ValueError for anything but an origin."""
    parts = urlsplit(text.strip())
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("an origin is scheme and host, such as https://example.com, without a path")
    if parts.query or parts.fragment or parts.username or "*" in text:
        raise ValueError("an origin has no path, query, user name or wildcard")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else _ascii(parts.hostname)
    port = "" if parts.port in {None, DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def normal_host(text: str) -> str:
    """`CDN.example.com:8080` -> lower case; raises ValueError for anything but a host with an optional port."""
    host = text.strip().lower()
    parts = urlsplit(f"//{host}")
    if not parts.hostname or parts.netloc != host or "@" in host:
        raise ValueError("a media host is a host name such as cdn.example.com, with a port where it needs one")
    if parts.port is not None and parts.port == 0:
        raise ValueError("port 0 is no port")
    return host if ":" in parts.hostname else host.replace(parts.hostname, _ascii(parts.hostname), 1)


def _ascii(host: str) -> str:
    """The name as browsers send it: `bücher.example` -> `xn--bcher-kva.example`."""
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise ValueError("this host name is malformed") from error
    if not HOST.fullmatch(name):
        raise ValueError("this is no host name; write one such as example.com")
    return name


Origin = Annotated[str, Field(max_length=300), AfterValidator(normal_origin)]
SiteName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
MediaHost = Annotated[str, Field(max_length=300), AfterValidator(normal_host)]
Names = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=300), AfterValidator(one_line)]], Field(max_length=1000)
]


class SiteControls(BaseModel):
    """The publisher's say over tags. `review`: tags wait for approval before pages see them. `votes`: shoppers may say
    that a product is not what a picture shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    review: bool = False
    votes: bool = True
    max_tags_image: int = Field(default=5, ge=0, le=20)
    max_tags_video: int = Field(default=3, ge=0, le=10)
    blocked_brands: Names = []
    blocked_categories: Names = []
    blocked_products: Names = []
    blocked_media: Names = []


class SiteCreate(BaseModel):
    """A new site; without media hosts, the hosts of its origins are taken."""

    model_config = ConfigDict(extra="forbid")

    name: SiteName
    origins: list[Origin] = Field(min_length=1, max_length=50)
    media_hosts: list[MediaHost] = Field(default=[], max_length=100)


class SiteUpdate(BaseModel):
    """What may change; absent fields stay."""

    model_config = ConfigDict(extra="forbid")

    name: SiteName | None = None
    origins: list[Origin] | None = Field(default=None, min_length=1, max_length=50)
    media_hosts: list[MediaHost] | None = Field(default=None, max_length=100)
    controls: SiteControls | None = None


class SiteRead(BaseModel):
    """A site with its publishable key."""

    id: str
    key: str
    name: str
    origins: list[str]
    media_hosts: list[str]
    controls: SiteControls
    created_at: UtcTime
