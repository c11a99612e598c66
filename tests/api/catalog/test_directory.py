"""What the hot paths ask about catalogs: scopes that hold, and no SQL when warm."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from api.ports import Ports
from tests.api.catalog.shop import Brand, Shop, feed


@pytest.fixture
def statements(ports: Ports) -> Iterator[list[str]]:
    """Every SQL statement that is sent from now on."""
    sent: list[str] = []

    def note(*arguments: object) -> None:
        if arguments[2] != "BEGIN":
            sent.append(str(arguments[2]))

    event.listen(ports.database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(ports.database.engine, "before_cursor_execute", note)


def test_cold_products_cost_one_query_and_warm_ones_none(
    brand: Brand, shop: Shop, ports: Ports, statements: list[str]
) -> None:
    brand.imported(feed(*(shop.row(number) for number in range(1, 6))))
    ids = [row["id"] for row in brand.products().values()]
    ports.catalogs.forget()
    statements.clear()
    assert ports.catalogs.peek_products(ids) is None
    assert len(ports.catalogs.products_by_ids([*ids, "prd_none"])) == 5
    assert len(statements) == 1
    assert len(ports.catalogs.products_by_ids([*ids, "prd_none"])) == 5
    assert len(ports.catalogs.peek_products([*ids, "prd_none"]) or {}) == 5
    assert len(statements) == 1


def test_each_tenant_searches_its_own_catalogs_and_the_public_ones(
    client: TestClient, ports: Ports, account, queue
) -> None:
    approved, plain, other = account("brand", approved=True), account("brand"), account("developer")
    public = Brand(client, ports, approved.auth, queue).with_catalog(listed=True).catalog_id
    private = Brand(client, ports, approved.auth, queue).with_catalog().catalog_id
    waiting = Brand(client, ports, plain.auth, queue).with_catalog(listed=True).catalog_id
    assert ports.catalogs.listed_catalog_ids() == {public}
    assert ports.catalogs.searchable_catalog_ids(approved.tenant_id) == {public, private}
    assert ports.catalogs.searchable_catalog_ids(plain.tenant_id) == {public, waiting}
    assert ports.catalogs.searchable_catalog_ids(other.tenant_id) == {public}
    assert ports.catalogs.owner_of(waiting) == plain.tenant_id
    assert ports.catalogs.owner_of("ctg_none") is None
    client.patch(f"/v1/catalogs/{public}", json={"listed": False}, headers=approved.auth)
    assert ports.catalogs.listed_catalog_ids() == frozenset()
