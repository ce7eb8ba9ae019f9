"""Homes that the end-to-end tests copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import copy, deliver, here, hold_back

LATER = ("2026-04-13", "2026-05-18", "2026-06-16", "2026-06-22", "2026-06-24", "2026-06-25")


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample home that was run while some of its files had not come yet, and to which they have come since."""
    home, aside = tmp_path_factory.mktemp("once") / "home", tmp_path_factory.mktemp("later")
    assert here("sample", "--home", home, "--weeks", 16, "--accounts", 40, "--events", 6000).code == 0
    folders = sorted((home / "landing" / "usage_events").glob("arrived=*"))
    late = [folder.relative_to(home / "landing").as_posix() for folder in folders if folder.name[8:] in LATER]
    assert len(late) == len(LATER), folders
    hold_back(home, late, aside)
    assert here("run", "--home", home).code in (0, 3)
    deliver(home, aside)
    return home


@pytest.fixture(scope="session")
def undisturbed(published_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same home after one run that nobody disturbed."""
    home = copy(published_once, tmp_path_factory.mktemp("undisturbed") / "home")
    assert here("run", "--home", home).code == 3
    return home
