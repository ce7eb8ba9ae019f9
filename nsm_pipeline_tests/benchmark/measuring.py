"""One process measured, and the homes that are measured.

What belongs here: starting, timing and weighing subprocesses; copying and withholding files. What does not: what is
compared with what (`scenarios`), imports beyond the standard library: a child's peak memory begins with that of the
process that starts it, so this one stays small.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
NSM = str(Path(sys.executable).parent / "nsm")
FINISHED = (0, 3)  # 3: finished, but a week was withheld; the sample has such a week
MIB = 1024 * 1024


@dataclass(frozen=True)
class Measured:
    """What a subprocess took, its own children included, and what it printed."""

    wall: float
    cpu: float
    peak: int
    code: int
    out: str


def measure(*command: object, accept: Sequence[int] = (0,)) -> Measured:
    """Run a command to its end. Raises RuntimeError with the end of what it printed where its code is not accepted."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("NSM_", "DAGSTER_"))}
    mine |= {"DAGSTER_DISABLE_TELEMETRY": "1", "GX_ANALYTICS_ENABLED": "false"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=errors, env=mine)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = code = os.waitstatus_to_exitcode(status)
        said = []
        for stream in (out, errors):
            stream.seek(0)
            said.append(stream.read().decode(errors="replace"))
    if code not in accept:
        raise RuntimeError(
            f"{' '.join(str(part) for part in command)} ended with {code}:\n{(said[0] + said[1])[-3000:]}"
        )
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Measured(wall, usage.ru_utime + usage.ru_stime, peak, code, said[0])


def sample(home: Path, events: int, weeks: int, accounts: int) -> Measured:
    """Write a sample home, in a process of its own."""
    return measure(NSM, "sample", "--home", home, "--weeks", weeks, "--accounts", accounts, "--events", events)


def run(home: Path, as_of: date | None = None) -> Measured:
    """`nsm run` on a home."""
    return measure(NSM, "run", "--home", home, *(("--as-of", as_of) if as_of else ()), accept=FINISHED)


def fresh(home: Path, to: Path) -> Path:
    """A home with the same landing files and playbook, of which nothing is built; landing files are hard links."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home / "landing", to / "landing", copy_function=os.link)
    shutil.copytree(home / "playbook", to / "playbook")
    return to


def saved(home: Path, to: Path) -> Path:
    """A home as it is, so that a run finds what it would find there: files of the lake and the records as hard links,
    which runs replace and never change, and which keep what tells a file from another; the others as copies."""
    fresh(home, to)
    for name in ("lake", "records", "extracts"):
        shutil.copytree(home / name, to / name, symlinks=True, copy_function=os.link)
    shutil.copytree(home / "dagster", to / "dagster", symlinks=True)
    return to


def today(home: Path) -> date:
    """The day that stands for today in a sample home, in its last week."""
    settings = (home / "playbook" / "settings.yaml").read_text(encoding="utf-8")
    return date.fromisoformat(settings.split("as_of:")[1].split()[0])


def last_monday(home: Path) -> date:
    return today(home) - timedelta(days=today(home).weekday())


def last_week(home: Path) -> list[Path]:
    """Folders of landing/ whose files arrived in the last week or are snapshots of it."""
    days = [*(home / "landing").glob("usage_events/arrived=*"), *(home / "landing").glob("accounts/as_of=*")]
    return sorted(folder for folder in days if date.fromisoformat(folder.name.split("=")[1]) >= last_monday(home))


def withhold(home: Path, aside: Path) -> None:
    """Move the last week's deliveries out of a home."""
    for folder in last_week(home):
        target = aside / folder.relative_to(home / "landing")
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)


def deliver(aside: Path, home: Path) -> None:
    """Put deliveries that were withheld into a home."""
    shutil.copytree(aside, home / "landing", copy_function=os.link, dirs_exist_ok=True)
