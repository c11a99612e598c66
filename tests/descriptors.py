"""How many files, sockets and pipes the tests' own process holds open.

chdb keeps three files of /proc open for each of its threads, and leaves five threads behind whenever a store is closed.
A house opens its store once; the tests open hundreds."""

import gc
import re
import resource
from collections import Counter
from contextlib import suppress
from pathlib import Path

AT_MOST, CHDB_NEEDS = 100, 8192


def allow_what_chdb_needs() -> None:
    """Shells allow 1,024 by default."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CHDB_NEEDS if most == resource.RLIM_INFINITY else min(CHDB_NEEDS, most)
    if resource.RLIM_INFINITY != allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def left_open() -> Counter[str]:
    """Which there are, but for chdb's, where there are too many; else nothing."""
    if _opened().total() > AT_MOST:
        gc.collect()
    found = _opened()
    return found if found.total() > AT_MOST else Counter()


def _opened() -> Counter[str]:
    names = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the listing itself
            names.append(re.sub(r"\[\d+\]", "", str(path.readlink())))
    return Counter(name for name in names if not name.startswith("/proc/"))
