"""What every server has in common: start, stop, health, loans. A module beside this one for each says how."""

import shutil
import signal
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import TimeoutExpired
from typing import ClassVar

from infra.services import ports, processes
from infra.services.installable import Installable
from infra.services.locks import Lease, alone
from infra.services.place import Place
from infra.services.problems import NotServing, StartFailed

LOG_TAIL = 3000


class Service(Installable):
    """One server in one place."""

    # what `check` asks, as a pattern that the health check of the same server in infra/compose.yaml has to match
    asks: ClassVar[str | None] = None
    port_names: ClassVar[tuple[str, ...]] = ("main",)
    start_s: ClassVar[float] = 60  # on two busy cores, with an empty disk cache
    stop_s: ClassVar[float] = 10
    ask_to_stop: ClassVar[signal.Signals] = signal.SIGTERM
    user: str | None = None

    def __init__(self, place: Place | None = None) -> None:
        super().__init__(place)
        self.folder = self.place.of(self.name)

    # how it runs

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The command line of the server, in the foreground."""

    def prepare(self) -> None:
        """Writes configuration and an empty store where they are missing."""

    def environment(self) -> Mapping[str, str]:
        """What is added to the environment of the server."""
        return {}

    @abstractmethod
    def check(self) -> None:
        """Asks the server for real work; raises OSError or NotServing when it does none."""

    def after_start(self) -> None:
        """What clients take for granted, such as a bucket."""

    # how it is reached

    @property
    @abstractmethod
    def address(self) -> str:
        """In the form the settings of Shoplight take."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """The SHOPLIGHT_* settings that use it."""

    @property
    def data(self) -> Path:
        """Where it keeps its data."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Its log."""
        return self.folder / "log"

    @property
    def port(self) -> int:
        """Its main port."""
        return self.ports["main"]

    @property
    def ports(self) -> dict[str, int]:
        """Its ports by name."""
        return ports.remembered(self.folder, self.port_names)

    # what one does with it

    def start(self, *, kept: bool = True) -> bool:
        """Starts it unless it runs, and returns when it really serves; False when it did already."""
        self.install()
        with alone(self.folder / "lock"):
            return self._start(kept=kept)

    def stop(self) -> bool:
        """Stops it if it was started here; False when there was nothing to stop."""
        with alone(self.folder / "lock"):
            return self._stop()

    def remove(self) -> None:
        """Stops it and removes its data, wherever that is; what is installed stays."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def health(self) -> str | None:
        """None while it serves, else what is wrong."""
        if not processes.running(self.folder):
            return "not running"
        try:
            self.check()
        except (OSError, NotServing, ValueError, TimeoutExpired) as error:
            return f"runs, but does not serve: {error}"
        return None

    def process(self) -> processes.Kept | None:
        """Its process, while it runs."""
        return processes.running(self.folder)

    def lend(self) -> "Loan":
        """Starts it if need be, until the last borrower gives it back."""
        self.install()
        with alone(self.folder / "lock"):
            lease = Lease(self.folder / "users")
            try:
                self._start(kept=False)
            except BaseException:
                lease.give_up()
                raise
        return Loan(self, lease)

    def give_back(self, lease: Lease) -> None:
        """Ends a loan; what loans started ends with the last of them."""
        with alone(self.folder / "lock"):
            last = lease.give_up()
            process = self.process()
            if last and process and not process.kept:
                self._stop()

    def _start(self, *, kept: bool) -> bool:
        process = self.process()
        if process:
            if kept and not process.kept:
                processes.remember(self.folder, processes.Kept(process.pid, process.born, kept=True))
            if not self.health():
                return False
            if self._comes_to_serve():
                self.after_start()
                return True
            # it was on its way out, and another takes its place
        ports.demand_free(self.folder, self.ports)
        self.prepare()
        processes.start(
            self.command(),
            folder=self.folder,
            cwd=self.data,
            environment=self.environment(),
            user=self.user,
            kept=kept,
        )
        if not self._comes_to_serve():
            raise StartFailed(f"{self.name} ended at once. {self.log} ends with:\n{self._tail()}")
        self.after_start()
        return True

    def _stop(self) -> bool:
        return processes.stop(self.folder, ask=self.ask_to_stop, patience_s=self.stop_s)

    def _comes_to_serve(self) -> bool:
        """Waits until it serves; False when it ends before. One that only hangs is stopped, and that is an error."""
        deadline = time.monotonic() + self.start_s
        while trouble := self.health():
            if not self.process():
                return False
            if time.monotonic() > deadline:
                self._stop()
                raise StartFailed(f"{self.name} did not come to serve ({trouble}). See {self.log}:\n{self._tail()}")
            time.sleep(processes.POLL_S)
        return True

    def _tail(self) -> str:
        try:
            return self.log.read_bytes()[-LOG_TAIL:].decode(errors="replace")
        except OSError:
            return ""


class Loan:
    """A service on loan to this process."""

    def __init__(self, service: Service, lease: Lease) -> None:
        self._service = service
        self._lease = lease

    def give_back(self) -> None:
        """Ends the loan, unless this is a forked child of the borrower."""
        if self._lease.mine:
            self._service.give_back(self._lease)
