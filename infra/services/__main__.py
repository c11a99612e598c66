"""`python3 -m infra.services install|start|stop|status|env [NAME...]`: all services when none is named."""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from infra.services.installable import Installable
from infra.services.problems import ServiceProblem
from infra.services.processes import resident_mb
from infra.services.registry import PROGRAMS, SERVICES, service
from infra.services.service import Service

Kind = TypeVar("Kind", bound=Installable)


def install(names: list[str]) -> int:
    """A few at a time: downloads beside builds."""
    return _each(names, PROGRAMS, lambda one: "installed" if one.install() else "was installed", workers=3)


def start(names: list[str]) -> int:
    """All at once, after everything is installed."""
    failed = install(names)
    return failed or _each(names, SERVICES, lambda one: f"{'serves' if one.start() else 'served'} at {one.address}")


def stop(names: list[str]) -> int:
    """Stops what was started here."""
    return _each(names, SERVICES, lambda one: "stopped" if one.stop() else "was not running")


def status(names: list[str], *, as_json: bool = False) -> int:
    """Zero only when every service serves."""
    with ThreadPoolExecutor(len(names)) as pool:
        found = list(pool.map(_told, map(service, names)))
    for one in found:
        print(json.dumps(one) if as_json else _line(one))
    return int(any(one["problem"] for one in found))


def env(names: list[str], *, shell: bool) -> int:
    """The settings that use what runs."""
    for one in map(service, names):
        if one.process():
            for name, value in one.settings().items():
                print(f"export {name}={shlex.quote(value)}" if shell else f"{name}={value}")
    return 0


def _told(one: Service) -> dict[str, object]:
    problem, process = one.health(), one.process()
    return {
        "name": one.name,
        "problem": problem,
        "address": one.address,
        "pid": process.pid if process else None,
        "memory_mb": round(resident_mb(process.pid)) if process else None,
        "log": str(one.log),
    }


def _line(one: dict[str, object]) -> str:
    state = one["problem"] or f"serves at {one['address']}, {one['memory_mb']} MiB, pid {one['pid']}"
    return f"{one['name']:<11} {state} (log: {one['log']})"


def _each(
    names: list[str], kinds: Mapping[str, type[Kind]], act: Callable[[Kind], str], workers: int = len(SERVICES)
) -> int:
    def timed(name: str) -> int:
        began = time.monotonic()
        try:
            done, failed = act(kinds[name]()), 0
        except ServiceProblem as problem:
            done, failed = f"FAILED: {problem}", 1
        print(f"{name:<11} {done} ({time.monotonic() - began:.1f} s)", file=sys.stderr)
        return failed

    with ThreadPoolExecutor(workers) as pool:
        return max(pool.map(timed, names))


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python3 -m infra.services", description=__doc__)
    parser.add_argument("command", choices=["install", "start", "stop", "status", "env"])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROGRAMS)}; all when none is given")
    parser.add_argument("--shell", action="store_true", help="env: print lines to evaluate in a shell")
    parser.add_argument("--json", action="store_true", help="status: one JSON object a line")
    given = parser.parse_intermixed_args()
    known = PROGRAMS if given.command == "install" else SERVICES
    unknown = sorted(set(given.names) - set(known))
    if unknown:
        parser.error(f"{given.command} knows no {', '.join(unknown)}, but {', '.join(known)}")
    names = given.names or list(known)
    if given.command == "status":
        return status(names, as_json=given.json)
    if given.command == "env":
        return env(names, shell=given.shell)
    return {"install": install, "start": start, "stop": stop}[given.command](names)


if __name__ == "__main__":
    sys.exit(main())
