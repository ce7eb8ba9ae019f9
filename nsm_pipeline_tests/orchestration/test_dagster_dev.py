"""A real `dagster dev`, driven through GraphQL as its own UI drives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from homes import here, states
from ui_server import Server, mine, range_of

WEEKLY = ("account_weeks", "north_star", "inputs", "counter_metrics")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

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
    """A small sample home whose files have been read and nothing else."""
    from homes import opened

    from nsm_pipeline.events.landing import ingest

    home = tmp_path_factory.mktemp("dev") / "home"
    assert here("sample", "--home", home, "--weeks", 16, "--accounts", 40, "--events", 4000).code == 0
    it = opened(home)
    ingest(it.home, it.engine, it.playbook)
    return home


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


def test_backfills_from_the_ui(server: Server, ingested: Path) -> None:
    """Two backfills at once, beside the run that the landing sensor asks for: each does all of its own work."""
    nodes = server.ask(ASSETS)["assetNodes"]
    weeks = next(node["partitionKeys"] for node in nodes if node["assetKey"]["path"] == ["usage_events"])
    assert len(weeks) == 16
    weekly = [node["assetKey"]["path"] for node in nodes if node["isPartitioned"]]
    assert len(weekly) == 1 + 3 * len(WEEKLY) + 1  # and the outcomes that CI declares

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
    found = server.ended(everything)
    assert [range_of(run) for run in found["runs"] if range_of(run)[0]] == [(weeks[0], weeks[-1])]
    assert len(found["runs"]) <= 3, found
    whole = {"/".join(node["assetKey"]["path"]): set(weeks) if node["isPartitioned"] else set() for node in nodes}
    assert made(server, found) == whole
    nodes = server.ask(ASSETS)["assetNodes"]
    for asset, by_week in partition_status(nodes).items():
        assert by_week == dict.fromkeys(weeks, "MATERIALIZED"), asset
    verdicts = executions(server, nodes, found)
    assert len(verdicts) == 1 + 3 * 8
    for check, evaluated in verdicts.items():
        assert set(evaluated) == set(weeks[:-1]), check

    # What the checks say is what the home says: the outage's week fails, with the failing rows beside it.
    server.wait("the other runs", 120, server.idle)
    stored = states(ingested)
    withheld = {key for key, state in stored.items() if state.state == "withheld"}
    assert withheld
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
    listening = {
        connection.laddr.ip
        for process in mine(server.process.pid)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening
    assert listening <= {"127.0.0.1", "::1"}, listening
