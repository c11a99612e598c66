"""Asks a running house over fresh connections until each of its API processes has answered as it should: where several
share a port, the kernel gives a connection to any of them, and only /proc tells to which."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from tests.running_demo import RunningDemo
from tests.running_scale_out import RunningScaleOut

House = RunningDemo | RunningScaleOut
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
PAUSE_S, PATIENCE_S, LASTS = 0.02, 240.0, 4
_REMOTE, _LOCAL, _INODE = 2, 1, 9  # columns of /proc/net/tcp


def api_processes(house: House) -> dict[int, str]:
    """Those that answer HTTP: process id and name."""
    if isinstance(house, RunningDemo):
        return {house.process.pid: "demo"}
    return {one.process.pid: name for name, one in house.processes.items() if one.role == "serve"}


def fresh(house: House, method: str, path: str, **more: Any) -> tuple[str, httpx2.Response]:
    """The answer to one call on a connection of its own, and who gave it. A 5xx is never right here."""
    with httpx2.Client(base_url=house.base_url, timeout=60) as client:
        answer = client.request(method, path, **more)
        port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
        process = _other_end(api_processes(house), house.port, port)
    assert answer.status_code < 500, f"{method} {path} of {process}: {answer.status_code} {answer.text[:500]}"
    return process, answer


def call(house: House, method: str, path: str, key: str, **more: Any) -> Any:
    """What a call with one of the house's keys, or a secret, answers; it must succeed."""
    headers = house.bearer(key) if key in house.line else {"Authorization": f"Bearer {key}"}
    _, answer = fresh(house, method, path, headers=headers, **more)
    assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
    return answer.json() if answer.content else None


def everywhere(
    house: House,
    ask: Callable[[], tuple[str, httpx2.Response]],
    right: Callable[[httpx2.Response], bool],
    within_s: float,
) -> dict[str, float]:
    """Ask until every API process has answered right, and some times more: nobody may fall back. Who is asked later
    than `within_s` must be right; how long a busy machine takes over the answer does not count.

    Returns after how many seconds each did so first."""
    began, waiting = time.monotonic(), set(api_processes(house).values())
    since: dict[str, float] = {}
    lasting = LASTS
    while waiting or lasting:
        after_s = time.monotonic() - began
        process, answer = ask()
        if right(answer):
            since.setdefault(process, after_s)
            lasting -= not waiting
            waiting.discard(process)
        else:
            told = f"{process} after {after_s:.2f} s ({since}): {answer.status_code} {answer.text[:1000]}"
            assert process not in since, f"it was right before: {told}"
            assert after_s < within_s, f"not right within {within_s} s: {told}"
        assert after_s < within_s + PATIENCE_S, f"{waiting} never answered"
        time.sleep(PAUSE_S)
    return since


def _other_end(processes: dict[int, str], server_port: int, client_port: int) -> str:
    """Which of the processes holds the server's end of a connection."""
    wanted = f":{server_port:04X}", f":{client_port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    [inode] = [row[_INODE] for row in rows if (row[_LOCAL][8:], row[_REMOTE][8:]) == wanted]
    for process_id, name in processes.items():
        for handle in Path(f"/proc/{process_id}/fd").iterdir():
            try:
                if os.readlink(handle) == f"socket:[{inode}]":  # noqa: PTH115 - it links to no path
                    return name
            except FileNotFoundError:
                continue  # closed meanwhile
    raise AssertionError(f"no API process of {processes} holds the connection from port {client_port}")
