"""`nsm` as a process of its own that need not load its libraries first: forked from one that has loaded them.

What belongs here: starting such a process and hearing how it ended. It runs the same entry point, has a group of its
own and can be killed at any moment; a start with a new interpreter (`homes.start`) costs seconds more, and at least one
test of every kind begins that way.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from multiprocessing import get_context, set_start_method
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from homes import clean_environment

LIBRARIES = ("nsm_pipeline.cli.main", "nsm_pipeline.definitions", "nsm_pipeline.certification.judging")


class Loaded:
    """A process as `subprocess.Popen` shows it."""

    def __init__(self, process: ForkServerProcess, said: tempfile.TemporaryDirectory[str]) -> None:
        self.process, self.said = process, said
        assert process.pid is not None
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired("nsm", timeout or 0)
        out, err = (Path(self.said.name, name).read_text(encoding="utf-8") for name in ("out", "err"))
        return out, err


def start_loaded(*arguments: object) -> Loaded:
    """`nsm …` as a process of its own, in a group of its own, with its libraries loaded."""
    said = tempfile.TemporaryDirectory(prefix="nsm-said-")
    process = loaded().Process(target=_run, args=([*map(str, arguments)], clean_environment(), Path(said.name)))
    process.start()
    return Loaded(process, said)


@cache
def loaded() -> ForkServerContext:
    """The process to fork from, once it has loaded everything."""
    context = get_context("forkserver")
    context.set_forkserver_preload([*LIBRARIES])
    first = context.Process(target=_nothing)
    first.start()
    first.join()
    assert first.exitcode == 0
    return context


def _nothing() -> None:
    assert set(LIBRARIES) <= set(sys.modules)


def _run(arguments: list[str], environment: Mapping[str, str], folder: Path) -> None:
    from nsm_pipeline.cli.main import main

    os.setsid()
    set_start_method("fork", force=True)  # what a process has that nobody has forked
    os.environ.clear()
    os.environ.update(environment)
    for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
        with (folder / name).open("wb") as file, contextlib.suppress(ValueError):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["nsm", *arguments]
    main(arguments)
