"""The rows of sites."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from api.kit.db import TenantRepository
from api.sites.models import Site


class SiteRepository(TenantRepository):
    """One publisher's sites."""

    def add(self, site: Site) -> None:
        """Store a new site."""
        self.session.add(site)

    def get(self, site_id: str) -> Site | None:
        """One site that was not deleted."""
        query = select(Site).where(Site.id == site_id, Site.tenant_id == self.tenant_id)
        return self.session.exec(query.where(col(Site.deleted_at).is_(None))).one_or_none()

    def page(self, after: str | None, limit: int) -> Sequence[Site]:
        """Sites, oldest first, one more than the page holds."""
        query = select(Site).where(Site.tenant_id == self.tenant_id, col(Site.deleted_at).is_(None))
        if after:
            query = query.where(Site.id > after)
        return self.session.exec(query.order_by(col(Site.id)).limit(limit + 1)).all()


class SitesAcrossTenants:
    """A publishable key says by itself whose site it is."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def by_key(self, key: str) -> Site | None:
        """The site of a publishable key."""
        query = select(Site).where(Site.key == key, col(Site.deleted_at).is_(None))
        return self.session.exec(query).one_or_none()
