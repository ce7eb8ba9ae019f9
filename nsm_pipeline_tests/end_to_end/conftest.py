"""Homes that the end-to-end tests copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from homes import deliver, here, hold_back
from once import built_once
from small_home import put_first, put_later

LATER = ("2026-04-13", "2026-05-18", "2026-06-16", "2026-06-22", "2026-06-24", "2026-06-25")


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small home that was run while some of its files had not come yet, and to which they have come since."""

    def build(home: Path) -> None:
        zone = put_first(home)
        assert here("run", "--home", home).code == 3
        put_later(zone)

    return built_once(tmp_path_factory, "published-once", build)


@pytest.fixture(scope="session")
def undisturbed(published_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same home after one run that nobody disturbed."""
    return _run(published_once, tmp_path_factory, "undisturbed")


@pytest.fixture(scope="session")
def sample_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `published_once`, of the sample: three use cases, more weeks, incidents."""

    def build(home: Path) -> None:
        aside = tmp_path_factory.mktemp("later")
        assert here("sample", "--home", home, "--weeks", 16, "--accounts", 40, "--events", 6000).code == 0
        folders = sorted((home / "landing" / "usage_events").glob("arrived=*"))
        late = [folder.relative_to(home / "landing").as_posix() for folder in folders if folder.name[8:] in LATER]
        assert len(late) == len(LATER), folders
        hold_back(home, late, aside)
        assert here("run", "--home", home).code in (0, 3)
        deliver(home, aside)

    return built_once(tmp_path_factory, "sample-once", build)


@pytest.fixture(scope="session")
def sample_undisturbed(sample_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `undisturbed`, of the sample."""
    return _run(sample_once, tmp_path_factory, "sample-undisturbed")


def _run(once: Path, factory: pytest.TempPathFactory, name: str) -> Path:
    def build(home: Path) -> None:
        shutil.copytree(once, home, symlinks=True, dirs_exist_ok=True)
        assert here("run", "--home", home).code == 3

    return built_once(factory, name, build)
