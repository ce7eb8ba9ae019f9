"""What the tests of publications share."""

from __future__ import annotations

from pathlib import Path

import pytest
from once import built_once
from two_use_cases import two_use_cases


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: copy it before you change it."""
    return built_once(tmp_path_factory, "two-use-cases", two_use_cases)
