"""`shoplight demo`: the whole house in one process, seeded through its own public API."""

import atexit
import json
import logging
import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, TextIO

import typer

from api.kit import logs, tracing
from api.settings import EventSettings, FetchSettings, HttpSettings, LimitSettings, Settings
from api.settings_check import Role
from workers.cli.embedded import EmbeddedHouse, HouseMoved
from workers.cli.ending import Ending
from workers.cli.processes import settings_for
from workers.cli.seed import Seeder, write_private
from workers.cli.traffic import Traffic
from workers.cli.web import AddressInUse, listening_socket

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
    given = settings_for(Role.demo)
    logs.configure(given.telemetry)
    tracing.start(given.telemetry, Role.demo)
    atexit.register(tracing.stop)
    try:
        listener = listening_socket(HOST, port)
    except AddressInUse as error:
        typer.echo(f"shoplight demo: {error}. Choose another with --port N, or --port 0 for any free one.", err=True)
        raise typer.Exit(1) from error
    settings = demo_settings(given, data_dir, listener.getsockname()[1])
    ending = Ending()
    try:
        house = EmbeddedHouse(settings, listener)
    except HouseMoved as moved:
        typer.echo(f"shoplight demo: {moved}", err=True)
        raise typer.Exit(1) from moved
    ending.then(house.server.stop)

    def when_started() -> None:
        house.wait_until_seen(ending.asked)
        if ending.asked.is_set():
            return
        line = Seeder(house.ports).run()
        write_private(data_dir / "demo.json", line)
        print(json.dumps(line), file=out, flush=True)
        if browser:
            webbrowser.open(str(line["publisher_page"]))
        if traffic:
            Traffic(line, ending.asked).start()

    house.serve(when_started)
    if not (data_dir / "demo.json").exists():
        raise typer.Exit(1)


def demo_settings(given: Settings, data_dir: Path, port: int) -> Settings:
    """The environment's settings, with the demo's own address fetchable and its limits out of the way."""
    own = f"{HOST}:{port},localhost:{port}"
    allow = f"{given.fetch.allow},{own}" if given.fetch.allow else own
    return given.model_copy(
        update={
            "datadir": data_dir.resolve(),
            "http": HttpSettings(**{**given.http.model_dump(), "host": HOST, "port": port}),
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
