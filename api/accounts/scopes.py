"""What a key may do, and which scopes each kind of tenant can hold."""

from enum import StrEnum


class TenantKind(StrEnum):
    """Who somebody is here."""

    publisher = "publisher"
    brand = "brand"
    developer = "developer"
    operator = "operator"


class Scope(StrEnum):
    """One thing a secret key may be allowed to do."""

    detect = "detect"
    search = "search"
    catalog_read = "catalog:read"
    catalog_write = "catalog:write"
    sites_read = "sites:read"
    sites_write = "sites:write"
    media_read = "media:read"
    media_write = "media:write"
    campaigns_read = "campaigns:read"
    campaigns_write = "campaigns:write"
    reports_read = "reports:read"
    usage_read = "usage:read"
    keys_write = "keys:write"
    moderate = "moderate"


_EVERYBODY = {Scope.detect, Scope.search, Scope.reports_read, Scope.usage_read, Scope.keys_write}
_CATALOG = {Scope.catalog_read, Scope.catalog_write}
_MEDIA = {Scope.media_read, Scope.media_write}

SCOPES_OF: dict[TenantKind, frozenset[Scope]] = {
    TenantKind.publisher: frozenset(_EVERYBODY | _MEDIA | {Scope.sites_read, Scope.sites_write}),
    TenantKind.brand: frozenset(_EVERYBODY | _CATALOG | _MEDIA | {Scope.campaigns_read, Scope.campaigns_write}),
    TenantKind.developer: frozenset(_EVERYBODY | _CATALOG | _MEDIA),
    TenantKind.operator: frozenset(Scope),
}
