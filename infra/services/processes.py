"""Keeping a server's process: started apart from its parent, remembered by id and start time, stopped only when both
still match. A process id alone may belong to somebody else by now."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_S = 0.05


@dataclass(frozen=True)
class Kept:
    """A process started here. `kept` outlives test sessions: a person started it."""

    pid: int
    born: str
    kept: bool

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        found = _look(self.pid)
        if found is None or found.born != self.born:
            return False
        if found.ended:
            _reap(self.pid)
        return not found.ended


@dataclass(frozen=True)
class _Look:
    born: str
    ended: bool  # a zombie, and the last of its threads: others would still hold its ports


def _look(pid: int) -> _Look | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return _Look(born=f"{boot}:{fields[19]}", ended=fields[0] in "ZX" and threads <= 1)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # some other program's child


def born(pid: int) -> str:
    """When a process was started, unmistakably."""
    found = _look(pid)
    return found.born if found else "ended at once"


def start(
    command: Sequence[str | Path],
    *,
    folder: Path,
    cwd: Path,
    environment: Mapping[str, str],
    user: str | None,
    kept: bool,
) -> Kept:
    """Starts a server in a session of its own with its output in `log`, and writes the pid file."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
    process.returncode = 0  # nobody waits for it here: it outlives this program, else `alive` collects it
    started = Kept(process.pid, born(process.pid), kept)
    remember(folder, started)
    return started


def remember(folder: Path, process: Kept) -> None:
    """Writes the pid file in one step."""
    draft = folder / "pid.json.new"
    draft.write_text(json.dumps(asdict(process)))
    draft.replace(folder / "pid.json")


def running(folder: Path) -> Kept | None:
    """The process of the pid file while it runs; a file about anything else is stale and counts for nothing."""
    try:
        found = Kept(**json.loads((folder / "pid.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.alive else None


def stop(folder: Path, *, ask: signal.Signals, patience_s: float) -> bool:
    """Asks the process to end, and ends its whole group when it will not. False when there was none of ours."""
    process = running(folder)
    if process:
        os.kill(process.pid, ask)
        if not _ended(process, patience_s):
            os.killpg(process.pid, signal.SIGKILL)
            _ended(process, patience_s)
    (folder / "pid.json").unlink(missing_ok=True)
    return process is not None


def _ended(process: Kept, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while process.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def resident_mb(pid: int) -> float:
    """What a process and its descendants hold in memory, in MiB; pages that they share count once."""
    return sum(_proportional_kb(each) for each in [pid, *_descendants(pid)]) / 1024


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _proportional_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
