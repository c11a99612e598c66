"""`shoplight backup` and `shoplight restore`: the whole house of the settings, in either shape, into one file and out
of it. See workers/moving."""

import json
from pathlib import Path
from typing import Annotated

import typer

from api.settings import Settings
from api.settings_check import Role
from workers.cli.moving import bars, or_say_why, settled_words
from workers.cli.processes import settings_for
from workers.cli.remote import AsJson, err, out
from workers.moving.restoring import backup as back_up
from workers.moving.restoring import restore as bring_back

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The data directory of the house; default: SHOPLIGHT_DATADIR.")
]


def backup(
    to: Annotated[Path, typer.Argument(help="The archive to make, or a folder to make it in.")],
    secrets: Annotated[
        bool,
        typer.Option(help="With the keys that open yesterday's tokens and sessions; --no-secrets leaves them out."),
    ] = True,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Back the whole house up into one file. On servers the house may go on; in a data directory it must be stopped."""
    settings = settings_in(data_dir)
    with or_say_why("backup"), bars(quiet=as_json) as tell:
        made = back_up(settings, to, tell, with_keys=secrets)
    if as_json:
        print(json.dumps(made.as_json()))  # noqa: T201 - what --json is for
        return
    items = {part.name.partition("/")[0].removesuffix(".arrow"): 0 for part in made.manifest.parts}
    for part in made.manifest.parts:
        items[part.name.partition("/")[0].removesuffix(".arrow")] += part.items
    counted = f"{items['rows']} rows, {items['events']} events and calls, {items['blobs']} blobs"
    out.print(f"{made.path}: {counted}, {made.bytes / 1e6:.1f} MB ({made.took_ms} ms)", markup=False, soft_wrap=True)
    if made.manifest.holds_secrets:
        err.print("It holds the secrets of the house, and whoever reads it can be anybody: keep it as you keep them.")
    else:
        err.print("It holds no secrets: tags shown and sessions begun before will not be known in a restored house.")


def restore(
    archive: Annotated[Path, typer.Argument(help="An archive that `shoplight backup` made.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Restore an archive into an empty house, rebuild what is derived, compare the counts; status 1 if they differ."""
    settings = settings_in(data_dir)
    with or_say_why("restore"), bars(quiet=as_json) as tell:
        done = bring_back(archive, settings, tell)
    if as_json:
        print(json.dumps(done.as_json()))  # noqa: T201 - what --json is for
    else:
        text = f"The house of {done.made_at} is in {done.target}. {settled_words(done.settled)} ({done.took_ms} ms)"
        out.print(text, markup=False, soft_wrap=True)
    if done.in_doubt:
        err.print(f"{done.in_doubt} meter events may have been sent since; each is cleared up with Stripe first.")
    if not done.keys:
        err.print("The archive held no secrets: people sign in anew, and tags shown before are not known.")
    if done.settled.reconciliation.differences:
        raise typer.Exit(1)


def settings_in(data_dir: Path | None) -> Settings:
    """The environment's settings, in a data directory of the caller's choice."""
    given = settings_for(Role.migrate)  # the keys may come out of the archive
    return given.model_copy(update={"datadir": data_dir.resolve()}) if data_dir else given
