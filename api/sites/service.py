"""The rules of sites: a publisher's list of them, and who may call with a publishable key from which page."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlmodel import Session

from api.accounts.service import AccountService
from api.errors import Forbidden, NotFound, Unauthorized
from api.kit.cache import FreshCache
from api.kit.db import Database
from api.kit.ids import new_id
from api.kit.paging import Cursor
from api.sites.models import Site
from api.sites.repository import SiteRepository, SitesAcrossTenants
from api.sites.schemas import SiteControls, SiteCreate, SiteRead, SiteUpdate

REFRESH_S, EXPIRE_S = 1.5, 4.0
MAX_KEY = 64


@dataclass(frozen=True)
class SiteView:
    """What the hot paths need to know of a site."""

    site_id: str
    tenant_id: str
    origins: frozenset[str]
    media_hosts: frozenset[str]
    controls: SiteControls

    def takes_media_of(self, host: str, port: int | None) -> bool:
        """Whether pictures of that host may be analysed; an entry without a port covers every port."""
        return host in self.media_hosts or (port is not None and f"{host}:{port}" in self.media_hosts)


class SiteDirectory:
    """From publishable key and Origin to the site, from memory when warm."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sites: FreshCache[str, SiteView | None] = FreshCache(
            self._load, refresh_after_s=REFRESH_S, expire_after_s=EXPIRE_S
        )

    def is_warm(self, key: str) -> bool:
        """Whether `resolve` answers from memory; otherwise call it from a thread."""
        return not _looks_right(key) or self._sites.peek(key)[0]

    def resolve(self, key: str, origin: str | None) -> SiteView:
        """The site; 401 for a key that is none, 403 for a page that is not one of its origins."""
        site = self._sites.get(key) if _looks_right(key) else None
        if site is None:
            raise Unauthorized("Unknown publishable key; copy it from your site's page.", pointer="#/key")
        if origin is None or origin.lower() not in site.origins:
            raise Forbidden(
                f"The origin {origin or '(none)'} is not listed for this site; add it to the site's origins.",
                code="origin_not_listed",
                pointer="@Origin",
            )
        return site

    def forget(self) -> None:
        """Drop what is remembered, after a change in this process."""
        self._sites.clear()

    def _load(self, key: str) -> SiteView | None:
        with self._database.read() as session:
            site = SitesAcrossTenants(session).by_key(key)
        if site is None:
            return None
        return SiteView(
            site.id,
            site.tenant_id,
            frozenset(site.origins),
            frozenset(site.media_hosts),
            SiteControls.model_validate(site.controls),
        )


def _looks_right(key: str) -> bool:
    return key.startswith("pk_") and len(key) <= MAX_KEY


class SiteService:
    """One publisher's sites."""

    def __init__(self, session: Session, tenant_id: str, actor: str, now: datetime) -> None:
        self._rows = SiteRepository(session, tenant_id)
        self._account = AccountService(session, tenant_id, actor, now)
        self._tenant_id = tenant_id
        self._now = now

    def create(self, data: SiteCreate) -> SiteRead:
        """A new site with its publishable key."""
        hosts = data.media_hosts or [urlsplit(origin).netloc for origin in data.origins]
        site = Site(
            id=new_id("sit"),
            tenant_id=self._tenant_id,
            name=data.name,
            key=f"pk_{secrets.token_urlsafe(18)}",
            origins=_unique(data.origins),
            media_hosts=_unique(hosts),
            controls=SiteControls().model_dump(),
            created_at=self._now,
        )
        self._rows.add(site)
        self._account.record("site.created", site.id)
        return _read(site)

    def page(self, cursor: Cursor) -> Sequence[SiteRead]:
        """The sites, one more than the page holds."""
        return [_read(site) for site in self._rows.page(cursor.after, cursor.limit)]

    def get(self, site_id: str) -> SiteRead:
        """One site."""
        return _read(self._row(site_id))

    def update(self, site_id: str, data: SiteUpdate) -> SiteRead:
        """Change what is given."""
        site = self._row(site_id)
        if data.name is not None:
            site.name = data.name
        if data.origins is not None:
            site.origins = _unique(data.origins)
        if data.media_hosts is not None:
            site.media_hosts = _unique(data.media_hosts)
        if data.controls is not None:
            site.controls = data.controls.model_dump()
        self._account.record("site.updated", site.id)
        return _read(site)

    def delete(self, site_id: str) -> None:
        """End a site: its key stops within 5 s; what was counted stays."""
        self._row(site_id).deleted_at = self._now
        self._account.record("site.deleted", site_id)

    def _row(self, site_id: str) -> Site:
        site = self._rows.get(site_id)
        if site is None:
            raise NotFound("No such site.")
        return site


def _read(site: Site) -> SiteRead:
    return SiteRead.model_validate(site, from_attributes=True)


def _unique(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))
