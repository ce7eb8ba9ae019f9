"""A shared home is built by one worker, is whole when another gets it, and fails for everybody where it failed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from once import NotBuilt, built_once


class Factory:
    """As much of pytest's factory as is asked of it."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def getbasetemp(self) -> Path:
        return self.base


def nothing(_: Path) -> None:
    pass


@pytest.fixture(params=["alone", "two workers"])
def workers(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Factory]:
    """What each worker has: a folder of its own below that of the session."""
    if request.param == "alone":
        monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
        return [Factory(tmp_path)] * 2
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    for name in ("gw0", "gw1"):
        (tmp_path / name).mkdir()
    return [Factory(tmp_path / name) for name in ("gw0", "gw1")]


def test_one_builds_and_all_get_it_whole(workers: list[Factory]) -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "first").touch()
        time.sleep(0.05)  # long enough for the others to ask meanwhile
        (folder / "last").touch()

    def ask(factory: Factory) -> list[str]:
        return sorted(file.name for file in built_once(factory, "home", build).iterdir())  # type: ignore[arg-type]

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(ask, workers * 2)) == [["first", "last"]] * 4
    assert len(built) == 1


def test_what_failed_fails_for_everybody(workers: list[Factory]) -> None:
    def build(folder: Path) -> None:
        (folder / "first").touch()
        raise AssertionError("no events")

    with pytest.raises(AssertionError, match="no events"):
        built_once(workers[0], "home", build)  # type: ignore[arg-type]
    with pytest.raises(NotBuilt, match=r"(?s)home could not be built:.*no events"):
        built_once(workers[1], "home", nothing)  # type: ignore[arg-type]


def test_what_a_killed_worker_left_is_not_handed_over(workers: list[Factory]) -> None:
    folder = built_once(workers[0], "home", nothing)  # type: ignore[arg-type]
    (folder.parent / "home.whole").unlink()
    with pytest.raises(NotBuilt, match="half built"):
        built_once(workers[1], "home", nothing)  # type: ignore[arg-type]
