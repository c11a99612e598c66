"""What several processes say of one search at once, and take back meanwhile."""

from functools import partial

import numpy as np

from api.kit.paging import Cursor
from api.ports import Ports
from api.search.models import SearchVerdict
from api.search.verdicts import VerdictService
from tests.conftest import AccountMaker
from tests.races.conftest import at_once


def test_one_word_stands_however_many_say_it(processes: list[Ports], account: AccountMaker) -> None:
    tenant = account("developer").tenant_id
    first = processes[0]
    vectors, now = np.ones((1, first.eyes.dim), np.float32), first.clock.now()

    def rows() -> list[SearchVerdict]:
        with first.database.read() as session:
            return list(VerdictService(session, tenant, now).page(Cursor(None, 50)))

    def say(ports: Ports, token: str, *, right: bool) -> str:
        claims = ports.verdicts.opened(token, tenant, now)
        with ports.database.write() as session:
            return VerdictService(session, tenant, now).say(claims, "prd_a", right=right).id

    def take_back() -> str:
        for row in rows():
            with first.database.write() as session:
                VerdictService(session, tenant, now).take_back(row.id)
        return ""

    for turn in range(5):
        [token] = first.verdicts.sealer.seal(tenant, f"qry_{turn}", vectors, now)
        said = at_once(*(partial(say, ports, token, right=n % 2 == 0) for n, ports in enumerate(processes)))
        assert len(set(said)) == 1
        assert [row.id for row in rows()] == said[:1]
        answers = at_once(*(partial(say, ports, token, right=True) for ports in processes), take_back)
        assert {type(answer) for answer in answers} == {str}
        assert len(rows()) <= 1
        take_back()
