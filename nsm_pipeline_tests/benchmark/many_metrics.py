"""One use case with 4 metrics and with 40 over the same events: definitions, and the step that computes them.

What belongs here: the metrics as a playbook would say them, writing it, timing `run_weeks` over stored events. What
does not: the same numbers in SQL by hand (`plain_many`).

    python many_metrics.py HOME few|many [FOLDER]

Prints the seconds of computing all weekly tables of the one use case; puts its metric rows into FOLDER.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import yaml

from nsm_pipeline.home import Home
from nsm_pipeline.playbook.loading import PACKAGED
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.weekly import run_weeks

PIPELINES, BUILDS = {"of": "pipeline_finished"}, {"of": "build_finished"}
GREEN, RED, MAIN = {"where": "status = 'success'"}, {"where": "status = 'failed'"}, {"where": "ref = 'main'"}
FEW: dict[str, Any] = {
    "active_accounts": {"count_distinct": "account", **PIPELINES},
    "pipelines": {"count": "pipeline_finished"},
    "builds_per_seat": {"ratio": {"numerator": {"count": "build_finished"}, "denominator": {"attribute": "seats"}}},
    "people": {"count_distinct": "user", **PIPELINES},
}
MANY: dict[str, Any] = {
    **FEW,
    "green": {"count": "pipeline_finished", **GREEN},
    "failed": {"count": "pipeline_finished", **RED},
    "on_main": {"count": "pipeline_finished", **MAIN},
    "of_requests": {"count": "pipeline_finished", "where": "ref = 'merge_request'"},
    "of_bots": {"count": "pipeline_finished", "where": "is_bot"},
    "builds": {"count": "build_finished"},
    "builds_green": {"count": "build_finished", **GREEN},
    "builds_failed": {"count": "build_finished", **RED},
    "builds_shared": {"count": "build_finished", "where": "runner = 'shared'"},
    "builds_long": {"count": "build_finished", "where": "duration_s > 600"},
    "green_accounts": {"count_distinct": "account", **PIPELINES, **GREEN},
    "failing_accounts": {"count_distinct": "account", **PIPELINES, **RED},
    "building_accounts": {"count_distinct": "account", **BUILDS},
    "main_accounts": {"count_distinct": "account", **PIPELINES, **MAIN},
    "green_people": {"count_distinct": "user", **PIPELINES, **GREEN},
    "main_people": {"count_distinct": "user", **PIPELINES, **MAIN},
    "building_people": {"count_distinct": "user", **BUILDS},
    "seconds": {"sum": "duration_s", **PIPELINES},
    "seconds_green": {"sum": "duration_s", **PIPELINES, **GREEN},
    "build_seconds": {"sum": "duration_s", **BUILDS},
    "build_seconds_failed": {"sum": "duration_s", **BUILDS, **RED},
    "mean": {"average": "duration_s", **PIPELINES},
    "mean_main": {"average": "duration_s", **PIPELINES, **MAIN},
    "build_mean": {"average": "duration_s", **BUILDS},
    "typical": {"median": "duration_s", **PIPELINES},
    "typical_green": {"median": "duration_s", **PIPELINES, **GREEN},
    "build_typical": {"median": "duration_s", **BUILDS},
    "slow": {"quantile": "duration_s", "q": 0.9, **PIPELINES},
    "slowest": {"maximum": "duration_s", **PIPELINES},
    "green_share": {"ratio": {"numerator": "green", "denominator": "pipelines"}},
    "failed_share": {"ratio": {"numerator": "failed", "denominator": "pipelines"}},
    "per_account": {"ratio": {"numerator": "pipelines", "denominator": "active_accounts"}},
    "heavy": {"count_entities": "account", **BUILDS, "having": ">= 40 per seat"},
    "busy": {"count_entities": "account", **PIPELINES, "having": ">= 50"},
    "teams": {"count_entities": "account", **PIPELINES, "having": "distinct user > 3"},
    "accounts_of_four_weeks": {"count_distinct": "account", **PIPELINES, "window": "4 weeks"},
}
SLICES = ["plan", "segment"]


def use_case(metrics: dict[str, Any]) -> dict[str, Any]:
    """All packaged events in one use case, so that every landed row is one of its usage events."""
    events: dict[str, Any] = {}
    for file in sorted(PACKAGED.glob("*.yaml")):
        events = {**yaml.safe_load(file.read_text(encoding="utf-8"))["events"], **events}  # CI's come first
    first, *others = metrics
    return {
        "use_case": "everything",
        "title": "Everything",
        "owner": {"name": "Benchmark"},
        "events": events,
        "activity": ["pipeline_finished"],
        "slices": SLICES,
        "metrics": metrics,
        "north_star": {"metric": first},
        "inputs": [{"metric": name, "dimension": "depth"} for name in others],
    }


def write_playbook(home: Path, metrics: dict[str, Any]) -> None:
    """Let a home's playbook be the one use case."""
    for file in (home / "playbook").glob("*.yaml"):
        if file.name != "settings.yaml":
            file.unlink()
    text = yaml.safe_dump(use_case(metrics), sort_keys=False)
    (home / "playbook" / "everything.yaml").write_text(text, encoding="utf-8")


def main(root: Path, metrics: dict[str, Any], folder: Path | None) -> float:
    home = Home.at(root)
    write_playbook(root, metrics)
    opened = Open.of(home, open_playbook(home))
    tables = [("everything", table) for table in opened.plans["everything"].tables]
    # What is measured is computing metrics, not building usage events: those are brought up to date before.
    list(run_weeks(opened, opened.weeks, ["everything"], []))
    opened = Open.of(home, open_playbook(home))
    started = time.perf_counter()
    for _ in run_weeks(opened, opened.weeks, [], tables, force=True):
        pass
    seconds = time.perf_counter() - started
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        files = [str(file) for role in ("north_star", "inputs") for file in opened.lake.files(role)]
        rows = duckdb.execute("SELECT * FROM read_parquet($files) WHERE use_case = 'everything'", {"files": files})
        pq.write_table(rows.to_arrow_table(), folder / "ours.parquet")
    return seconds


if __name__ == "__main__":
    chosen = {"few": FEW, "many": MANY}[sys.argv[2]]
    print(f"{main(Path(sys.argv[1]), chosen, Path(sys.argv[3]) if sys.argv[3:] else None):.3f}")
