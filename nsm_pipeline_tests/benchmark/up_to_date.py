"""Seconds of one run over all weeks of a home in which every week is up to date: `python up_to_date.py HOME`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from nsm_pipeline.cli.running import _dagster_run
from nsm_pipeline.home import Home
from nsm_pipeline.steps.opening import Open, open_playbook


def main(root: Path) -> float:
    """Imports of Dagster and of the definitions are part of it, as they are part of `nsm run`."""
    home = Home.at(root)
    opened = Open.of(home, open_playbook(home))
    stale = opened.stale_weeks()
    if stale:
        raise RuntimeError(f"{len(stale)} weeks are out of date: what they cost is not orchestration")
    started = time.perf_counter()
    _dagster_run(opened, None, opened.weeks[0], opened.weeks[-1], lambda *_: None)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(f"{main(Path(sys.argv[1])):.3f}")
