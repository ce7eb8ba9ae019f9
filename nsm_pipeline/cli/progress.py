"""One progress bar for everything that takes long, on the terminal's error stream.

What belongs here: showing progress. What does not: what is being done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

Advance = Callable[[str, int, int], None]


@contextmanager
def bar(_title: str) -> Iterator[Advance]:
    """Yields `advance(what, done, total)`: a line per kind of work, gone when all is done. Silent in a pipe."""
    console = Console(file=sys.stderr)  # the one of now: a run keeps its libraries from writing to it
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield advance
