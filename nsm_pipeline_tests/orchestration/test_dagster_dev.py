"""A real `dagster dev`, driven through GraphQL as its own UI drives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from homes import states
from landing_zone import SHOP, Zone, event
from ui_server import Server, mine, range_of

WEEKLY = ("account_weeks", "north_star", "inputs", "counter_metrics")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(12)]
OUTAGE = WEEKS[8]
VISITS = """
use_case: visits
title: Visits
owner: {name: Visits group}
events:
  page_viewed: {sources: [{name: page_viewed}]}
slices: [plan]
metrics:
  visitors: {count_distinct: account, of: page_viewed}
  views: {count: page_viewed}
north_star: {metric: visitors}
inputs: [{metric: views, dimension: depth}]
"""

ASSETS = """{ assetNodes { assetKey { path } groupName isPartitioned owners { __typename }
  kinds description partitionKeys assetPartitionStatuses { __typename
  ... on TimePartitionStatuses { ranges { status startKey endKey } } }
  assetChecksOrError { ... on AssetChecks { checks { name } } } } }"""
MADE = """query ($id: ID!) { runOrError(runId: $id) { ... on Run {
  assetMaterializations { partition assetKey { path } } } } }"""
EXECUTIONS = """query ($key: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $check, limit: 500) {
  status runId partition evaluation { success metadataEntries { label } } } }"""


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two use cases, of which one declares outcomes, over twelve weeks with an outage; files have been read and nothing
    else."""
    settings = f"company: Test\nas_of: {WEEKS[-1] + timedelta(days=3)}\npublication: {{small_groups: 0}}\n"
    zone = Zone(tmp_path_factory.mktemp("dev") / "home", SHOP + "outcomes: [orders]\n", settings)
    _ = zone.playbook
    (zone.home.playbook / "visits.yaml").write_text(VISITS)
    zone.load_playbook()
    zone.put_accounts("2026-02-01", [{"account_id": f"a{n}", "plan": ("free", "paid")[n % 2]} for n in range(20)])
    for number, week in enumerate(WEEKS):
        rows = [
            event(f"{name}-{number}-{n}", f"{week}T{n % 10:02}:00:00Z", f"a{n}", event_name=name)
            for name in ("order.placed", "page_viewed")
            for n in range(4 if week == OUTAGE else 20)
        ]
        zone.put(f"week-{number}.jsonl", rows)
    zone.ingest()
    return zone.root


@pytest.fixture(scope="module")
def server(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(ingested, tmp_path_factory.mktemp("log") / "dagster.log")
    try:
        running.wait("dagster dev", 120, running.loaded)
        yield running
    finally:
        running.stop()


def partition_status(nodes: list[Any]) -> dict[str, dict[str, str]]:
    """Asset → week → status, as the UI's partition bar shows it."""
    found: dict[str, dict[str, str]] = {}
    for node in nodes:
        if node["isPartitioned"]:
            weeks: dict[str, str] = {}
            for one in node["assetPartitionStatuses"]["ranges"]:
                inside = [key for key in node["partitionKeys"] if one["startKey"] <= key <= one["endKey"]]
                weeks.update(dict.fromkeys(inside, one["status"]))
            found["/".join(node["assetKey"]["path"])] = weeks
    return found


def made(server: Server, found: Any) -> dict[str, set[str]]:
    """Asset → weeks that a backfill's own runs have materialised."""
    weeks: dict[str, set[str]] = {}
    for run in found["runs"]:
        for one in server.ask(MADE, id=run["id"])["runOrError"]["assetMaterializations"]:
            key = "/".join(one["assetKey"]["path"])
            weeks.setdefault(key, set()).update({one["partition"]} - {None})
    return weeks


def all_done(server: Server, backfill: str, whole: dict[str, set[str]]) -> Any:
    """A backfill once its runs have made exactly all that it is for; the daemon says so of it half a minute later."""
    runs = server.done(backfill)
    found = {"runs": runs}
    return found if runs and made(server, found) == whole else None


def test_backfills_from_the_ui(server: Server, ingested: Path) -> None:
    """Two backfills at once, beside the run that the landing sensor asks for: each does all of its own work."""
    nodes = server.ask(ASSETS)["assetNodes"]
    weeks = next(node["partitionKeys"] for node in nodes if node["assetKey"]["path"] == ["usage_events"])
    assert weeks == list(map(str, WEEKS))
    weekly = [node["assetKey"]["path"] for node in nodes if node["isPartitioned"]]
    assert len(weekly) == 1 + 2 * len(WEEKLY) + 1  # and the outcomes that the shop declares

    part = weeks[2:]
    some = server.launch(weekly, part)
    everything = server.launch([node["assetKey"]["path"] for node in nodes], weeks)

    # The weekly assets over a range of weeks: one run.
    found = server.ended(some)
    assert [range_of(run) for run in found["runs"]] == [(part[0], part[-1])]
    assert made(server, found) == {"/".join(key): set(part) for key in weekly}
    for check, evaluated in executions(server, nodes, found).items():
        assert set(evaluated) == set(part[:-1]), check  # the last week is in progress: no verdict

    # Everything, over all weeks: the UI's "materialize all".
    whole = {"/".join(node["assetKey"]["path"]): set(weeks) if node["isPartitioned"] else set() for node in nodes}
    found = server.wait("everything", 240, lambda: all_done(server, everything, whole))
    assert [range_of(run) for run in found["runs"] if range_of(run)[0]] == [(weeks[0], weeks[-1])]
    assert len(found["runs"]) <= 3, found
    nodes = server.ask(ASSETS)["assetNodes"]
    for asset, by_week in partition_status(nodes).items():
        assert by_week == dict.fromkeys(weeks, "MATERIALIZED"), asset
    verdicts = executions(server, nodes, found)
    assert len(verdicts) == 1 + 2 * 8
    for check, evaluated in verdicts.items():
        assert set(evaluated) == set(weeks[:-1]), check

    # What the checks say is what the home says: the outage's week fails, with the failing rows beside it.
    server.wait("the other runs", 120, server.idle)
    stored = states(ingested)
    withheld = {key for key, state in stored.items() if state.state == "withheld"}
    assert withheld == {(use_case, str(OUTAGE)) for use_case in ("shop", "visits")}
    assert {week for _, week in withheld} == {
        week
        for by_week in verdicts.values()
        for week, one in by_week.items()
        if one["status"] == "EXECUTION_FAILED" or not one["evaluation"]["success"]
    }
    for use_case, week in withheld:
        one = verdicts[f"{use_case}/account_weeks volume_is_usual"][week]
        assert one["status"] == "FAILED"
        assert "failing rows" in {entry["label"] for entry in one["evaluation"]["metadataEntries"]}
    assert {state.state for state in stored.values()} == {"certified", "withheld", "flash"}


def executions(server: Server, nodes: list[Any], backfill: Any) -> dict[str, dict[str, Any]]:
    """Evaluation per week of every check of the weekly assets, by a backfill's own runs."""
    runs = {run["id"] for run in backfill["runs"]}
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        path = node["assetKey"]["path"]
        for check in (node["assetChecksOrError"] or {}).get("checks") or ():
            if not node["isPartitioned"]:
                continue
            rows = server.ask(EXECUTIONS, key={"path": path}, check=check["name"])["assetCheckExecutions"]
            by_week: dict[str, Any] = {}
            for row in rows:
                if row["partition"] and row["evaluation"] and row["runId"] in runs:
                    by_week.setdefault(row["partition"], row)
            found[f"{'/'.join(path)} {check['name']}"] = by_week
    return found


def test_serves_the_loopback_address_only(server: Server) -> None:
    listening: set[str] = set()
    for process in mine(server.process.pid):
        with suppress(psutil.NoSuchProcess):  # the daemon's go as soon as they have done their work
            connections = process.net_connections(kind="inet")
            listening |= {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}
    assert listening
    assert listening <= {"127.0.0.1", "::1"}, listening
