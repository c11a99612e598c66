"""Two programs may ask for the same service at once: one acts, the other waits and finds it done. Test sessions hold a
lease each, and the last to leave may stop what sessions started."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.services.problems import ServiceProblem

PATIENCE_S = 600.0  # an installation on a slow line


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds a file lock; the kernel lets go of it when this process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + PATIENCE_S
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServiceProblem(f"another program holds {path} for {PATIENCE_S:.0f} s") from None
                time.sleep(0.05)
        yield


class Lease:
    """One user of a running service, for as long as its process lives."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        self._owner = os.getpid()
        fcntl.flock(self._file, fcntl.LOCK_SH)

    @property
    def mine(self) -> bool:
        """Whether this process took it: a forked child inherits the object, not the right to end it."""
        return os.getpid() == self._owner

    def give_up(self) -> bool:
        """Gives the lease back; True when nobody else holds one. Call it while alone with the service."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            self._file.close()
        return True
