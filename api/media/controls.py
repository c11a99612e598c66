"""A publisher's controls of a site, made ready for quick questions."""

from dataclasses import dataclass

from api.ads.bids import segments
from api.catalog.schemas import ProductRead
from api.media.urls import BadUrl, normalise
from api.sites.schemas import SiteControls


@dataclass(frozen=True)
class Rules:
    """The controls of one site. Brands and categories are compared without case, products by our id or the brand's."""

    enabled: bool
    review: bool
    max_tags_image: int
    max_tags_video: int
    brands: frozenset[str]
    categories: frozenset[str]
    products: frozenset[str]
    media: frozenset[str]

    def allows(self, product: ProductRead) -> bool:
        """Whether the product may stand on this site's tags."""
        if not (self.products or self.brands or self.categories):
            return True
        if product.id in self.products or product.external_id in self.products:
            return False
        if (product.brand or "").strip().casefold() in self.brands:
            return False
        path = " > ".join(part.strip() for part in (product.category or "").casefold().split(">"))
        return path not in self.categories and self.categories.isdisjoint(segments(product.category))


def rules_of(controls: SiteControls) -> Rules:
    """From the form they are stored in."""
    return Rules(
        controls.enabled,
        controls.review,
        controls.max_tags_image,
        controls.max_tags_video,
        frozenset(brand.strip().casefold() for brand in controls.blocked_brands),
        frozenset(" > ".join(part.strip() for part in c.casefold().split(">")) for c in controls.blocked_categories),
        frozenset(controls.blocked_products),
        frozenset(map(_one_spelling, controls.blocked_media)),
    )


def _one_spelling(url: str) -> str:
    try:
        return normalise(url).text
    except BadUrl:
        return url
