"""How moving, back-up and restore speak on the command line: bars while they work, one sentence when they are done."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import SQLAlchemyError

from api.errors import ApiError
from api.events.log import LogUnavailable, PartitionLost
from api.events.store import StoreUnavailable
from api.kit.readiness import reason_of
from api.settings import BlobSettings, DatabaseSettings, EventSettings, IndexSettings, QueueSettings, Settings
from workers.cli.remote import err, fail, out
from workers.moving import move, take_back
from workers.moving.arriving import Settled
from workers.moving.parts import Tell, quiet
from workers.moving.problems import MoveRefused


def move_from(folder: Path, *, as_json: bool) -> None:
    """`shoplight migrate --from FOLDER`: a data directory into the house of the settings."""
    _move(embedded(folder), Settings(), as_json=as_json)


def move_into(folder: Path, *, as_json: bool) -> None:
    """`shoplight migrate --into FOLDER`: the house of the settings into a new data directory."""
    _move(Settings(), embedded(folder), as_json=as_json)


def open_again(*, as_json: bool, folder: Path | None = None) -> None:
    """`shoplight migrate --take-back`: the house of the settings, or of a data directory, has not moved after all."""
    with or_say_why("migrate"):
        settings = embedded(folder) if folder else Settings()
        target = take_back(settings)
    if as_json:
        print(json.dumps({"moved_to": target}))  # noqa: T201 - what --json is for
    else:
        out.print(f"This house opens again. What came in at {target} since the move is not in it.", markup=False)


def embedded(folder: Path) -> Settings:
    """The environment's settings, but for the servers: everything lies in a data directory."""
    return Settings().model_copy(
        update={
            "datadir": folder.resolve(),
            "database": DatabaseSettings(),
            "queue": QueueSettings(),
            "events": EventSettings(headless_is_net=Settings().events.headless_is_net),
            "index": IndexSettings(),
            "blobs": BlobSettings(),
        }
    )


@contextmanager
def or_say_why(command: str) -> Iterator[None]:
    """What stops it, for people, and status 1."""
    try:
        yield
    except MoveRefused as error:
        fail(f"{command}: {error}.")
    except (StoreUnavailable, LogUnavailable, PartitionLost, ApiError, SQLAlchemyError, OSError) as error:
        fail(f"{command} was broken off: {reason_of(error)}. The same command starts over.")


@contextmanager
def bars(*, quiet: bool) -> Iterator[Tell]:
    """A bar a part."""
    if quiet:
        yield silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown: dict[str, TaskID] = {}
    with Progress(*columns, console=err) as progress:

        def tell(part: str, done: int, expected: int | None) -> None:
            if expected == 0:
                return  # an empty table is no news
            if part not in shown:
                shown[part] = progress.add_task(part, total=expected)
            progress.update(shown[part], completed=done, total=expected)

        yield tell


silent = quiet


def settled_words(settled: Settled) -> str:
    """What was made anew, and whether the counts agree."""
    found = "" if settled.searchable is None else f", {settled.searchable} products searchable"
    verdict = "; ".join(settled.reconciliation.differences) or "all counts agree"
    return f"{settled.rolled_up} events rolled up{found}; {verdict}."


def _move(source: Settings, target: Settings, *, as_json: bool) -> None:
    with or_say_why("migrate"), bars(quiet=as_json) as tell:
        done = move(source, target, tell)
    if as_json:
        print(json.dumps(done.as_json()))  # noqa: T201 - what --json is for
    else:
        items = sum(done.counts.values())
        text = (
            f"{done.source} has moved to {done.target}: {items} rows, events and blobs. {settled_words(done.settled)} "
            "The old house is as it was, but does not open: `shoplight migrate --take-back` undoes that. "
            f"({done.took_ms} ms)"
        )
        out.print(text, markup=False, soft_wrap=True)
    if done.settled.reconciliation.differences:
        raise typer.Exit(1)
