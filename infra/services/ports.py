"""Ports: free ones are chosen at the first start and remembered, so that an address stays the same."""

import json
import random
import socket
from pathlib import Path

from infra.services.problems import StartFailed

# below the range that Linux gives to outgoing connections, so that none of those sits on a remembered port
LOWEST, HIGHEST = 20_000, 32_000


def remembered(folder: Path, names: tuple[str, ...]) -> dict[str, int]:
    """The ports of a service by name; chosen now when this is the first time."""
    path = folder / "ports.json"
    if path.exists():
        known: dict[str, int] = json.loads(path.read_text())
        if set(known) == set(names):
            return known
    chosen: dict[str, int] = {}
    while len(chosen) < len(names):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311  two services that start at once must not walk in step
        if port not in chosen.values() and is_free(port):
            chosen[names[len(chosen)]] = port
    path.write_text(json.dumps(chosen))
    return chosen


def demand_free(folder: Path, ports: dict[str, int]) -> None:
    """A remembered port that another program has taken since is an error, not a silent change of address."""
    for name, port in ports.items():
        if not is_free(port):
            raise StartFailed(
                f"port {port} ({name}) is taken by another program; remove {folder / 'ports.json'} to choose others"
            )


def is_free(port: int) -> bool:
    """Whether a server could listen there, on any address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104  bound for a moment, never listened on
        except OSError:
            return False
    return True
