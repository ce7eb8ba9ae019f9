"""Fixtures that several rooms share."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path

import pytest
from homes import Said, finish, here, start
from hypothesis import HealthCheck, settings
from landing_zone import Zone
from once import built_once
from two_use_cases import two_use_cases

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DEVSECOPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "devsecops"

QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
# The same examples in every `make test`, so that what fails fails again, and nothing fails that nobody touched; other
# ones in every `make soak`.
settings.register_profile("test", deadline=None, suppress_health_check=QUIET, derandomize=True)
settings.register_profile("soak", deadline=None, suppress_health_check=QUIET)
settings.load_profile("test")


LONGEST = ("test_a_year.py", "test_dagster_dev.py", "test_kill.py", "test_devsecops_home.py", "test_disk_full.py")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: to look for garbage among it, now and in every test, takes seconds and finds none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: begun last, one of them would keep one core busy while the other has nothing to do."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(LONGEST)))


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    """An empty home with the shop playbook."""
    return Zone(tmp_path / "home")


@pytest.fixture
def new_zone(tmp_path: Path) -> Callable[..., Zone]:
    """A further empty home per call."""
    count = iter(range(1_000_000))

    def make(**options: object) -> Zone:
        return Zone(tmp_path / f"home-{next(count)}", **options)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def devsecops_data() -> Path:
    """The real data's folder; tests that need it are skipped where it is absent."""
    if not (DEVSECOPS / "landing").is_dir():
        pytest.skip(f"the data set devsecops is not at {DEVSECOPS}")
    return DEVSECOPS


@pytest.fixture(scope="session")
def devsecops_run(devsecops_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A home with a copy of the real data after one `nsm run`, a process of its own, and what that said. Read only."""

    def build(folder: Path) -> None:
        home = folder / "home"
        shutil.copytree(EXAMPLES / "devsecops" / "playbook", home / "playbook")
        shutil.copytree(devsecops_data / "landing", home / "landing")
        said = finish(start("run", "--home", home, "--json"), 400)
        (folder / "said.json").write_text(json.dumps(asdict(said)), encoding="utf-8")

    folder = built_once(tmp_path_factory, "devsecops", build)
    return folder / "home", Said(**json.loads((folder / "said.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def devsecops(devsecops_run: tuple[Path, Said]) -> Zone:
    """The same home, to be read with the program's own parts. Read only."""
    zone = Zone(devsecops_run[0], threads=2)
    zone.load_playbook()
    return zone


@pytest.fixture(scope="session")
def published_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample home after one `nsm run`. Read only: copy it before you change it, or run what writes into it."""

    def build(home: Path) -> None:
        assert here("sample", "--home", home, "--weeks", 16, "--accounts", 40, "--events", 6000).code == 0
        assert here("run", "--home", home, paints=True).code == 3

    return built_once(tmp_path_factory, "published", build)


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small home with a file of every kind after one `nsm run`. Read only: copy it before you change it."""
    return built_once(tmp_path_factory, "two-use-cases", two_use_cases)
