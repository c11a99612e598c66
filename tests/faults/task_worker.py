"""A worker process on the settings of a test, with a folder of its own; to be killed."""

import logging
import sys
import threading
from pathlib import Path

from api.ports import open_ports
from api.settings import Settings
from workers import celery_app
from workers.celery_worker import Worker
from workers.tasks import load_tasks


def main(settings_path: Path, datadir: Path) -> None:
    logging.basicConfig(level=logging.INFO)
    settings = Settings.model_validate_json(settings_path.read_text()).model_copy(update={"datadir": datadir})
    load_tasks()
    ports = open_ports(settings, celery_app.configure(settings))
    ports.eyes.load()
    celery_app.use(ports)
    Worker(settings.queue.threads).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
