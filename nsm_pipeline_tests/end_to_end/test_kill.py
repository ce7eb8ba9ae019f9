"""SIGKILL at random moments: a second run ends with the bytes of an undisturbed one, readers never notice."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from homes import broken_extract, copy, differences, everything, finish, here, published
from loaded import loaded, start_loaded


@dataclass
class Reader(threading.Thread):
    """Reads the current extract as a BI tool would: whenever it has become another, and every tenth of a second; keeps
    what it found wrong."""

    home: Path
    reads: int = 0
    broken: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        link, last, due = self.home / "extracts" / "current", Path(), 0.0
        while not self.over.is_set():
            now, seen = time.monotonic(), link.readlink()
            if seen != last or now >= due:
                self.versions.add(seen.name)
                if wrong := broken_extract(self.home):
                    self.broken.append(wrong)
                self.reads += 1
                last, due = seen, now + 0.1
            self.over.wait(0.002)

    def __enter__(self) -> Reader:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def working_time(published_once: Path, home: Path) -> tuple[float, float]:
    """Seconds after which a run that nobody disturbs first touches the home, and after which it ends."""
    copy(published_once, home)
    loaded()
    before, began = _newest(home), time.monotonic()
    process, first = start_loaded("run", "--home", home), None
    while process.poll() is None:
        if first is None and _newest(home) != before:
            first = time.monotonic() - began
        time.sleep(0.05)
    assert finish(process).code == 3
    assert first is not None
    return first, time.monotonic() - began


def _newest(home: Path) -> int:
    return max(folder.stat().st_mtime_ns for folder in (home, home / "lake", home / "lake" / "landed_events"))


def _kill_and_run_again(published_once: Path, wanted: dict[str, str], moment: float, home: Path) -> tuple[bool, Reader]:
    """Whether the kill came in time, and what a reader saw meanwhile."""
    copy(published_once, home)
    with Reader(home) as reader:
        process = start_loaded("run", "--home", home)
        time.sleep(moment)
        killed = process.poll() is None
        if killed:
            os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        after_kill = broken_extract(home)
        again = here("run", "--home", home)
    assert again.code == 3, again
    assert after_kill is None
    assert reader.reads > 10
    assert not reader.broken, reader.broken[:3]
    assert not differences(everything(home), wanted)
    shutil.rmtree(home)
    return killed, reader


def _moments(working_time: tuple[float, float], count: int, seed: int) -> Iterator[float]:
    """Random moments from just before a run first touches the home until it ends, one in each of `count` stretches."""
    chance, (first, last) = random.Random(seed), working_time
    begin = 0.9 * first
    for number in range(count):
        yield begin + (last - begin) * (number + chance.random()) / count


@pytest.mark.slow
def test_five_kills(published_once: Path, undisturbed: Path, tmp_path: Path) -> None:
    wanted = everything(undisturbed)
    assert published(undisturbed) != published(published_once)
    seconds = working_time(published_once, tmp_path / "measured")
    outcomes = [
        _kill_and_run_again(published_once, wanted, moment, tmp_path / f"home-{number}")
        for number, moment in enumerate(_moments(seconds, 5, seed=20260622))
    ]
    assert sum(killed for killed, _ in outcomes) >= 3, seconds
    assert any(len(reader.versions) == 2 for _, reader in outcomes)  # readers were there when it switched


@pytest.mark.soak
def test_two_hundred_kills(sample_once: Path, sample_undisturbed: Path, tmp_path: Path) -> None:
    wanted = everything(sample_undisturbed)
    seconds = working_time(sample_once, tmp_path / "measured")
    killed = 0
    for number, moment in enumerate(_moments(seconds, 200, seed=time.time_ns())):
        in_time, _ = _kill_and_run_again(sample_once, wanted, moment, tmp_path / f"home-{number}")
        killed += in_time
    assert killed >= 150, seconds
