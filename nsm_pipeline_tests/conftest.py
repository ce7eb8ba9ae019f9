"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from landing_zone import Zone

settings.register_profile(
    "nsm", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("nsm")


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
