"""Several runs on one home at once end with the bytes of one run."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import broken_extract, copy, differences, everything, finish, here, published
from loaded import start_loaded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_two_runs_at_once(published_once: Path, undisturbed: Path, tmp_path: Path) -> None:
    home = copy(published_once, tmp_path / "home")
    running = [start_loaded("run", "--home", home) for _ in range(2)]
    for process in running:
        said = finish(process)
        assert said.code == 3, said.err
    assert broken_extract(home) is None
    assert not differences(everything(home), everything(undisturbed))


def test_a_run_beside_two_backfills(published_once: Path, undisturbed: Path, tmp_path: Path) -> None:
    """As a UI backfill in several runs with a schedule beside it; new files are waiting when they start."""
    home = copy(published_once, tmp_path / "home")
    running = [
        start_loaded("backfill", "--home", home, "--weeks", "2026-03-09..2026-05-04"),
        start_loaded("backfill", "--home", home, "--weeks", "2026-04-13..2026-05-18"),
        start_loaded("run", "--home", home),
    ]
    for process in running:
        said = finish(process)
        assert said.code in (0, 3), said.err
    assert here("run", "--home", home).code == 3
    assert not differences(everything(home), everything(undisturbed))


def test_backfills_of_a_finished_home_change_no_byte(undisturbed: Path, tmp_path: Path) -> None:
    home = copy(undisturbed, tmp_path / "home")
    running = [
        start_loaded("backfill", "--home", home, "--weeks", "2026-03-09..2026-05-04"),
        start_loaded("backfill", "--home", home, "--weeks", "2026-04-13..2026-05-18", "--use-case", "desk"),
    ]
    for process in running:
        said = finish(process)
        assert said.code == 3, said.err
    assert not differences(everything(home), everything(undisturbed))
    assert published(home) == published(undisturbed)
