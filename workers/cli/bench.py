"""`shoplight bench`: runs the benchmarks of a source checkout; they are not part of an installed Shoplight."""

import subprocess
import sys
from typing import Annotated

import typer

from api.settings import REPO_ROOT
from workers.cli.remote import AsJson, fail

MODULE = "tests.bench"


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all without any.")] = None, as_json: AsJson = False
) -> None:
    """Measure the hot paths, as ratios against a peer or a limit in the same run; under two minutes."""
    if not (REPO_ROOT / "tests" / "bench" / "__main__.py").is_file():
        fail("The benchmarks are in the source checkout of Shoplight, and this is not one.")
    arguments = [*(names or []), *(["--json"] if as_json else [])]
    command = [sys.executable, "-m", MODULE, *arguments]
    raise typer.Exit(subprocess.run(command, cwd=REPO_ROOT, check=False).returncode)  # noqa: S603 - our own program
