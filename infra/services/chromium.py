"""Chromium, for the browser tests: installed, never started here."""

import shutil

from infra.services.installable import Installable


class Chromium(Installable):
    """chromium of Debian."""

    name = "chromium"

    def missing_packages(self) -> list[str]:
        return [] if self.is_installed() else ["chromium"]

    def is_installed(self) -> bool:
        return shutil.which("chromium") is not None
