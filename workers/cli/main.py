"""The `shoplight` command. Each sub-command is a module of this folder."""

import sys

import typer

from workers.cli import (
    backup,
    beat,
    bench,
    demo,
    evaluating,
    migrate,
    operations,
    remote,
    seeding,
    serve,
    sink,
    training,
    worker,
)

app = typer.Typer(
    name="shoplight",
    help="Turns the pictures and videos of the web into shop windows, and counts what happens there exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("sink")(sink.sink)
app.command("beat")(beat.beat)
app.command("migrate")(migrate.migrate)
app.command("seed")(seeding.seed)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("import")(remote.import_feed)
app.command("search")(remote.search)
app.command("analyze")(remote.analyze)
app.command("reindex")(operations.reindex)
app.command("rollup")(operations.rollup)
app.command("reconcile")(operations.reconcile)
app.add_typer(training.train, name="train")
app.command("evaluate")(evaluating.evaluate)
app.command("bench")(bench.bench)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
