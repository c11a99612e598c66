"""The demo's people are the demo's: an account that somebody else made under such an address stays theirs."""

from pathlib import Path

import pytest

from api.accounts.scopes import TenantKind
from api.accounts.service import AccountsDesk
from api.ports import Ports
from workers.cli.seed import Seeder, SeedingFailed


def test_an_account_that_the_demo_did_not_make_is_left_alone(ports: Ports, tmp_path: Path) -> None:
    with ports.database.write() as session:
        desk = AccountsDesk(session, ports.clock.now())
        tenant, _ = desk.sign_up(TenantKind.developer, "Early", "developer@demo.example", "long enough")
        tenant_id = tenant.id
    seeder = Seeder(ports)
    with pytest.raises(SeedingFailed, match=r"developer@demo\.example"):
        seeder._member(TenantKind.developer, "developer", "Demo developer")
    with ports.database.read() as session:
        found = AccountsDesk(session, ports.clock.now()).by_email("developer@demo.example")
        assert found is not None
        _, tenant = found
        assert (tenant.id, tenant.unlimited) == (tenant_id, False)
