"""Homes that several test files share: built once per session, whichever worker asks first, and read by all workers.

What belongs here: building once, between processes. What does not: the homes themselves (`conftest.py`).
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


class NotBuilt(Exception):
    """A shared home could not be built; says why, in whichever worker asks."""


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` of this session as `build` has filled it, from the first call of any worker on.

    Whoever comes first builds, the others wait. A build that failed is not tried again: it fails wherever it is asked
    for, and so does one whose worker was killed. Read only: other workers read it at the same time.
    """
    mine = factory.getbasetemp()
    shared = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "once"
    shared.mkdir(exist_ok=True)
    folder, whole, failed = shared / name, shared / f"{name}.whole", shared / f"{name}.failed"
    with FileLock(shared / f"{name}.lock"):
        if failed.exists():
            raise NotBuilt(f"{name} could not be built:\n{failed.read_text(encoding='utf-8')}")
        if not whole.exists():
            if folder.exists():
                raise NotBuilt(f"{name} is half built: the worker that built it has died.")
            folder.mkdir()
            try:
                build(folder)
            except BaseException:
                failed.write_text(traceback.format_exc(), encoding="utf-8")
                raise
            whole.touch()
    return folder
