"""Tells how far long work has come, on standard error: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

QUIET_S = 20.0

Tick = Callable[..., None]


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


class Teller:
    """`say` a line, or `track` work whose length is known."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def say(self, text: str) -> None:
        # Off a terminal a line is a record: nothing may break it in two.
        self.console.print(text, markup=False, highlight=False, soft_wrap=not self.console.is_terminal)

    @contextmanager
    def track(self, name: str, total: int) -> Iterator[Tick]:
        """Gives `tick(done, note="")`."""
        if self.console.is_terminal:
            with self._bar() as bar:
                task = bar.add_task(name, total=total, note="")
                yield lambda done, note="": bar.update(task, completed=done, note=note)
        else:
            yield self._lines(name, total)

    def _bar(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        return Progress(*columns, TextColumn("{task.fields[note]}"), console=self.console, transient=True)

    def _lines(self, name: str, total: int) -> Tick:
        told_at = time.monotonic()

        def tick(done: int, note: str = "") -> None:
            nonlocal told_at
            if time.monotonic() - told_at >= QUIET_S:
                told_at = time.monotonic()
                self.say(f"{name}: {done} of {total} {note}".rstrip())

        return tick
