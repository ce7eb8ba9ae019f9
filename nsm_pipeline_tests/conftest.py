"""Fixtures that several rooms share."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from homes import here
from hypothesis import HealthCheck, settings
from landing_zone import Zone
from once import built_once
from two_use_cases import two_use_cases

from nsm_pipeline.weeks import span

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
def devsecops(devsecops_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Zone:
    """A home with the real data ingested, all weeks built, under examples/devsecops/playbook. Read only."""

    def build(root: Path) -> None:
        zone = Zone(root, threads=2)
        shutil.copytree(EXAMPLES / "devsecops" / "playbook", zone.home.playbook)
        shutil.copytree(devsecops_data / "landing", zone.home.landing)
        zone.load_playbook()
        ledger = zone.ingest()
        assert ledger.first_week is not None
        zone.build(*span(ledger.first_week, zone.playbook.calendar.current()))

    zone = Zone(built_once(tmp_path_factory, "devsecops", build), threads=2)
    zone.load_playbook()
    return zone


@pytest.fixture(scope="session")
def published_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample home after one `nsm run`. Read only: copy it before you change it, or run what writes into it."""

    def build(home: Path) -> None:
        assert here("sample", "--home", home, "--weeks", 16, "--accounts", 40, "--events", 6000).code == 0
        assert here("run", "--home", home).code == 3

    return built_once(tmp_path_factory, "published", build)


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small home with a file of every kind after one `nsm run`. Read only: copy it before you change it."""
    return built_once(tmp_path_factory, "two-use-cases", two_use_cases)
