"""`nsm verify` while runs write: no false alarm, and no run is disturbed."""

from __future__ import annotations

from pathlib import Path

import pytest
from flipping import verify
from homes import copy, deliver, differences, everything, finish, here, hold_back, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LATER = ("2026-05-18", "2026-06-22", "2026-06-24")


def verified_until_done(home: Path, *arguments: object) -> int:
    """How often a home was verified while a command worked on it; every time, nothing may be refuted."""
    process, rounds = start(*arguments), 0
    while process.poll() is None:
        said = verify(home, "--json", "--sample", rounds % 2)
        assert said.code == 0, (said.json["refuted"], said.json["unproven"])
        rounds += 1
    assert finish(process).code == 3
    return rounds


def test_beside_a_backfill(published_home: Path, tmp_path: Path) -> None:
    home = copy(published_home, tmp_path / "home")
    before = everything(home)
    assert verified_until_done(home, "backfill", "--home", home, "--weeks", "2026-03-09..2026-06-22") >= 3
    assert not differences(everything(home), before)


def test_beside_a_run_that_lands_builds_and_publishes(published_home: Path, tmp_path: Path) -> None:
    home, aside = tmp_path / "home", tmp_path / "aside"
    home.mkdir()
    for name in ("landing", "playbook"):
        copy(published_home / name, home / name)
    folders = [f"usage_events/arrived={day}" for day in LATER]
    hold_back(home, folders, aside)
    assert here("run", "--home", home).code in (0, 3)
    deliver(home, aside)
    assert verified_until_done(home, "run", "--home", home) >= 3
    assert verify(home, "--json").code == 0
