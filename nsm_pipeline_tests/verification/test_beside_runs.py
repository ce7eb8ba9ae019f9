"""`nsm verify` while runs write: no false alarm, and no run is disturbed."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from flipping import verify
from homes import copy, differences, everything, finish, start
from landing_zone import Zone, event
from loaded import Loaded, start_loaded
from two_use_cases import SETTLING, WEEKS

from nsm_pipeline.publishing.extracts import current_version

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def written(home: Path) -> dict[Path, int]:
    """When each folder of a home that is verified was written in last."""
    roots = [home / name for name in ("lake", "records", "extracts")]
    return {path: path.stat().st_mtime_ns for root in roots for path in (root, *root.glob("**/")) if path.exists()}


def verified_until_done(home: Path, process: subprocess.Popen[str] | Loaded) -> int:
    """How often a home was verified while a process worked on it, each time after it had written something; every
    time, nothing may be refuted."""
    rounds, before = 0, written(home)
    while process.poll() is None:
        if (now := written(home)) == before:
            time.sleep(0.02)
            continue
        said = verify(home, "--json", "--sample", rounds % 2)
        assert said.code == 0, (said.json["refuted"], said.json["unproven"])
        before, rounds = now, rounds + 1
    assert finish(process).code == 3
    return rounds


def test_beside_a_backfill(small_home: Path, tmp_path: Path) -> None:
    home = copy(small_home, tmp_path / "home")
    before = everything(home)
    backfill = start_loaded("backfill", "--home", home, "--weeks", f"{WEEKS[0]}..{SETTLING}")
    assert verified_until_done(home, backfill) >= 3
    assert not differences(everything(home), before)


def test_beside_a_run_that_lands_builds_and_publishes(small_home: Path, tmp_path: Path) -> None:
    home = copy(small_home, tmp_path / "home")
    for week in (WEEKS[1], SETTLING, WEEKS[6]):
        late = [event(f"{week}-late-{n}", f"{week}T12:00:00Z", f"a{n}") for n in range(6)]
        Zone(home).put(f"late-{week}.jsonl", late)
    version = current_version(home / "extracts")
    assert verified_until_done(home, start("run", "--home", home)) >= 3
    assert current_version(home / "extracts") != version
    assert verify(home, "--json").code == 0
