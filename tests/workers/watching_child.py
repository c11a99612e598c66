"""A worker in a process of its own that watches half of a video and goes no further, so that a test can kill it there:
`python -m tests.workers.watching_child <data directory> <database> <video id> <host:port that may be fetched>`."""

import sys
import threading
from pathlib import Path
from typing import Any

from api.kit.clock import FixedClock
from api.media.frames import Frame
from api.media.watching import Watch
from api.ports import open_ports
from api.settings import DatabaseSettings, FetchSettings, Settings
from tests.conftest import NOON
from workers import video

HALF_MS = 4000


class NoQueue:
    def send(self, name: str, **_: Any) -> None:
        """Nobody is there to be told."""


def main() -> None:
    datadir, database, video_id, allow = sys.argv[1:]
    settings = Settings(
        datadir=Path(datadir), database=DatabaseSettings(url=database), fetch=FetchSettings(allow=allow)
    )
    ports = open_ports(settings, NoQueue(), FixedClock(NOON))
    take = Watch.take

    def half(self: Watch, eyes: Any, frame: Frame, keep: Any) -> None:
        if frame.ms >= HALF_MS:
            threading.Event().wait()
        take(self, eyes, frame, keep)

    video.KEEP_MS, video.KEEP_S = 1000, 0.0
    Watch.take = half  # type: ignore[method-assign]
    video.analyse_video(ports, video_id)


if __name__ == "__main__":
    main()
