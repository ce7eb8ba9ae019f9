"""What the tests of `nsm verify` share."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_use_cases import two_use_cases


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: copy it before you change it."""
    return two_use_cases(tmp_path_factory.mktemp("small") / "home")
