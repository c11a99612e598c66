"""Moves or restores as its own process, and kills itself with signal 9 when a part has got so far."""

import os
import signal
import sys
from pathlib import Path

from api.settings import Settings
from workers.moving import move, restore

WHAT, SOURCE, TARGET, PART, DONE = sys.argv[1:6]


def tell(part: str, done: int, _: int | None) -> None:
    if part == PART and done >= int(DONE):
        os.kill(os.getpid(), signal.SIGKILL)


target = Settings.model_validate_json(TARGET)
if WHAT == "move":
    move(Settings.model_validate_json(SOURCE), target, tell)
else:
    restore(Path(SOURCE), target, tell)
