"""Starts and stops the real `shoplight demo` as its own process, the way its users do."""

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from infra.services.ports import is_free

REPO = Path(__file__).resolve().parents[1]
START_S = 240


def free_port() -> int:
    """Below the range that Linux gives to outgoing connections, so that none takes it before its server comes, and
    beside the range of infra/services."""
    while not is_free(port := 12_000 + secrets.randbelow(8_000)):
        pass
    return port


class RunningDemo:
    """One demo process; `line` is what it printed when ready."""

    def __init__(
        self, data_dir: Path, *, port: int | None = None, fetch_allow: str = "", traffic: bool = False
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.log_path = data_dir.with_name(f"{data_dir.name}.log")
        command = [sys.executable, "-m", "workers.cli", "demo", "--no-browser", "--port", str(self.port)]
        command += ["--data-dir", str(data_dir)] + ([] if traffic else ["--no-traffic"])
        started = time.monotonic()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=REPO,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "SHOPLIGHT_FETCH_ALLOW": fetch_allow},
            )
        self.line: dict[str, Any] = json.loads(self._first_line())
        self.ready_after_s = time.monotonic() - started

    def _first_line(self) -> bytes:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if selector.select(START_S):
                line = self.process.stdout.readline()
                if line:
                    return line
        self.kill()
        raise AssertionError(f"the demo did not get ready:\n{self.log_path.read_text()[-4000:]}")

    @property
    def base_url(self) -> str:
        return str(self.line["base_url"])

    def bearer(self, name: str) -> dict[str, str]:
        """Headers with one of the line's secret keys."""
        return {"Authorization": f"Bearer {self.line[name]}"}

    def kill(self) -> None:
        """kill -9, of this process alone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._close()

    def stop(self) -> int:
        """The polite way; its exit status."""
        self.process.terminate()
        try:
            status = self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the demo did not stop within 90 s of SIGTERM") from None
        self._close()
        return status

    def _close(self) -> None:
        if self.process.stdout:
            self.process.stdout.close()
