"""The shop of the search tests and the page of the event tests."""

from tests.api.events.conftest import page
from tests.api.search.conftest import add_product, shop

__all__ = ["add_product", "page", "shop"]
