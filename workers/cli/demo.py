"""`shoplight demo`: the whole house in one process, seeded through its own public API."""

import json
import logging
import os
import signal
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Annotated, TextIO

import typer

from api.settings import EventSettings, FetchSettings, HttpSettings, LimitSettings, Settings
from workers.cli.embedded import AddressInUse, EmbeddedHouse, listening_socket
from workers.cli.seed import Seeder, write_private
from workers.cli.traffic import Traffic

log = logging.getLogger(__name__)
HOST = "127.0.0.1"


def demo(
    port: Annotated[int, typer.Option(help="Port to serve on; 0 takes a free one.", min=0, max=65535)] = 8000,
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("data"),
    browser: Annotated[bool, typer.Option(help="Open the publisher's page when ready.")] = True,
    traffic: Annotated[bool, typer.Option(help="Let simulated shoppers look around.")] = True,
) -> None:
    """Run everything in one process: two publishers, two brands, a developer, and live traffic."""
    out = _stdout_for_the_line_alone()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    # kombu says at each connection that the in-memory broker has no host name
    logging.getLogger("kombu.connection").setLevel(logging.ERROR)
    for noisy in ("httpx2", "httpcore2", "celery", "kombu", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        listener = listening_socket(HOST, port)
    except AddressInUse as error:
        typer.echo(f"shoplight demo: {error}. Choose another with --port N, or --port 0 for any free one.", err=True)
        raise typer.Exit(1) from error
    settings = demo_settings(data_dir, listener.getsockname()[1])
    house = EmbeddedHouse(settings, listener)
    stop = threading.Event()

    def when_started() -> None:
        line = Seeder(house.ports).run()
        write_private(data_dir / "demo.json", line)
        print(json.dumps(line), file=out, flush=True)
        if browser:
            webbrowser.open(str(line["publisher_page"]))
        if traffic:
            Traffic(line, stop).start()

    signal.signal(signal.SIGTERM, lambda *_: house.stop())
    house.serve(when_started)
    stop.set()
    if not (data_dir / "demo.json").exists():
        raise typer.Exit(1)


def demo_settings(data_dir: Path, port: int) -> Settings:
    """The environment's settings, with the demo's own address fetchable and its limits out of the way."""
    given = Settings()
    own = f"{HOST}:{port},localhost:{port}"
    allow = f"{given.fetch.allow},{own}" if given.fetch.allow else own
    return given.model_copy(
        update={
            "datadir": data_dir.resolve(),
            "http": HttpSettings(host=HOST, port=port, base_url=given.http.base_url),
            "fetch": FetchSettings(**{**given.fetch.model_dump(), "allow": allow}),
            # whoever looks at a demo with a headless browser is its developer, and wants to see the count move
            "events": EventSettings(**{**given.events.model_dump(), "headless_is_net": True}),
            "limits": LimitSettings(**{**given.limits.model_dump(), "media_per_site_per_day": 1_000_000}),
        }
    )


def _stdout_for_the_line_alone() -> TextIO:
    """The real standard output for us; whatever else prints there goes to standard error, C libraries included."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return out
