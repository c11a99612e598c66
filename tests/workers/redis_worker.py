"""A worker process for tests: tasks that leave a line each in a file, and wait to be let go by another."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from celery import Celery

from api.settings import QueueSettings
from workers.celery_app import configuration
from workers.celery_worker import Worker


def main(url: str, folder: Path, threads: int, patience_s: float, visibility_s: int) -> None:
    app = Celery("bench")
    app.conf.update(configuration(QueueSettings(broker_url=url)))
    app.conf.broker_transport_options["visibility_timeout"] = visibility_s
    lock = threading.Lock()

    def ran(text: str = "") -> None:
        with lock, (folder / "ran").open("a") as file:
            file.write(f"{text}\n")

    @app.task(name="test.hold")
    def hold() -> None:
        ran("held")
        while not (folder / "let-go").exists():
            time.sleep(0.02)

    app.task(ran, name="test.note")
    worker = Worker(threads, patience_s=patience_s, app=app)
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    worker.start()
    while not asked.wait(0.05):
        partial = folder / "status.new"
        partial.write_text(json.dumps({"consuming": worker.status().consuming}))
        partial.replace(folder / "status")
    clean = worker.stop()
    (folder / "stopped").write_text(json.dumps({"clean": clean}))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
