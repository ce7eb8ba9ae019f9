"""What is stored of Dagster's events, as a run over weeks leaves it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path

from homes import opened

from nsm_pipeline.definitions import build_definitions
from nsm_pipeline.home import Home
from nsm_pipeline.orchestration.event_log import PLANNED, WEEKLY


def planned(home: Path) -> Counter[tuple[str, ...]]:
    with sqlite3.connect(home / "dagster" / "history" / "runs" / "index.db") as index:
        rows = index.execute("SELECT asset_key FROM event_logs WHERE dagster_event_type = ?", [PLANNED])
        return Counter(tuple(json.loads(key)) for (key,) in rows)


def test_an_asset_without_weeks_is_not_planned_for_every_week(published_home: Path) -> None:
    graph = build_definitions(Home(published_home)).resolve_asset_graph()
    weeks = len(opened(published_home).weeks)
    found = planned(published_home)
    assert set(found) == {tuple(key.path) for key in graph.get_all_asset_keys()}
    for key in graph.get_all_asset_keys():
        is_weekly = graph.get(key).is_partitioned
        assert is_weekly == (key.path[-1] in WEEKLY), key
        # Planned events come some hundred at a time: an asset's may lie in two lots.
        assert found[tuple(key.path)] in ({weeks} if is_weekly else {1, 2}), key
