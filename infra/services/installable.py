"""What can be installed: Debian packages, then what is built or downloaded. Done once, stamped when complete."""

from abc import ABC, abstractmethod
from typing import ClassVar

from infra.services import install
from infra.services.locks import alone
from infra.services.place import Place
from infra.services.problems import InstallFailed


class Installable(ABC):
    """One program of one place."""

    name: ClassVar[str]

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or Place.default()

    def missing_packages(self) -> list[str]:
        """Debian packages that are still to be installed."""
        return []

    @abstractmethod
    def is_installed(self) -> bool:
        """Whether everything is there to start it."""

    def build(self) -> None:  # noqa: B027  most need nothing more
        """What is installed beyond Debian packages."""

    def install(self) -> bool:
        """Installs what is missing; False when nothing was."""
        with alone(self.place.installed / f"{self.name}.lock"):
            if self.is_installed():
                return False
            install.debian(self.name, self.missing_packages())
            self.build()
            if not self.is_installed():
                raise InstallFailed(f"{self.name} is still incomplete; try again with: {install.retry(self.name)}")
            return True
