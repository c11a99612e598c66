"""Running the steps of an installation. A step that fails says what failed and which command tries again."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from infra.services.locks import alone
from infra.services.problems import InstallFailed

STEP_S = 1200
POLICY = Path("/usr/sbin/policy-rc.d")
APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def retry(name: str) -> str:
    """The command that tries an installation again."""
    return f"{sys.executable} -m infra.services install {name}".rstrip()


def step(name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Runs one command of the installation of `name` and returns what it printed."""
    shown = " ".join(map(str, command))
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STEP_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallFailed(f"{shown}: {error}\ntry again with: {retry(name)}") from error
    if done.returncode:
        raise InstallFailed(f"{done.stdout.strip()[-2000:]}\n{shown} failed\ntry again with: {retry(name)}")
    return done.stdout


def debian(name: str, packages: Iterable[str]) -> None:
    """Installs Debian packages, without letting them start their daemons."""
    wanted = sorted(set(packages))
    if not wanted:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise InstallFailed(
            f"{name} needs {' '.join(wanted)}: install them with your package manager, then run: {retry(name)}"
        )
    with alone(Path(tempfile.gettempdir()) / "shoplight-apt.lock"), _daemons_stay_down():
        _update()
        step(name, [*APT, "install", "-y", "--no-install-recommends", *wanted], QUIET)


@cache
def _update() -> None:
    """Once a run: the lists do not change while seven services are installed."""
    step("", [*APT, "update"], QUIET)


@contextmanager
def _daemons_stay_down() -> Iterator[None]:
    """Debian starts what it installs unless this file says no; ours is taken away again, a given one is left alone."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(POLICY.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def is_stamped(folder: Path, version: str) -> bool:
    """Whether this version was installed there to its end."""
    try:
        return (folder / "version").read_text() == version
    except OSError:
        return False


@contextmanager
def fresh(folder: Path, version: str) -> Iterator[Path]:
    """An empty folder to install into; stamped only when everything went well, so a broken download starts over."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    (folder / "version").write_text(version)
