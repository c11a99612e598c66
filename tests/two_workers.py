"""Which tests two workers (`pytest -n 2`) may run side by side. A file stays whole, and all that look at the shared
running houses stay together, because each worker that asks for a house starts one of its own."""

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

HOUSES = ("tests/e2e/", "tests/contract/http/test_demo.py", "tests/workers/cli/test_running_demo.py")
SHORT = ("tests/api/", "tests/dashboard/", "tests/rules/")


class WholeFiles(LoadScopeScheduling):
    """Hands out files in the order of collection; all that look at the houses count as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "houses" if file.startswith(HOUSES) else file


def put_in_order(items: list[pytest.Item]) -> None:
    """What is short comes last: no worker begins something long when the other is about to end."""
    for item in items:
        if "publisher_port" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(HOUSES):
            raise pytest.UsageError(f"{item.nodeid} looks at a running house: name its file in {__name__}.HOUSES")
    items.sort(key=lambda item: (not item.nodeid.startswith(HOUSES), item.nodeid.startswith(SHORT)))
