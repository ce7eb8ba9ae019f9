"""A real `dagster dev`, driven through GraphQL as its own UI drives it."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from homes import clean_environment, here, states

WEEKLY = ("account_weeks", "north_star", "inputs", "counter_metrics")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status error { message } runs { id status tags { key value } } } } }"""
ASSETS = """{ assetNodes { assetKey { path } groupName isPartitioned owners { __typename }
  kinds description partitionKeys assetPartitionStatuses { __typename
  ... on TimePartitionStatuses { ranges { status startKey endKey } } }
  assetChecksOrError { ... on AssetChecks { checks { name } } } } }"""
MADE = """query ($id: ID!) { runOrError(runId: $id) { ... on Run {
  assetMaterializations { partition assetKey { path } } } } }"""
BUSY = "{ runsOrError(filter: {statuses: [QUEUED, STARTING, STARTED]}) { ... on Runs { results { id } } } }"
EXECUTIONS = """query ($key: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $check, limit: 500) {
  status runId partition evaluation { success metadataEntries { label } } } }"""


class Server:
    """`nsm ui` on a free port, with all its processes."""

    def __init__(self, home: Path, log: Path) -> None:
        import subprocess

        from homes import NSM

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [NSM, "ui", "--home", str(home), "--port", str(self.port)],
                stdout=out, stderr=out, env=clean_environment(), start_new_session=True,
            )  # fmt: skip

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        return found["data"]

    def wait(self, what: str, seconds: float, done: Callable[[], Any]) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            if result := done():
                return result
            time.sleep(0.5)
        raise AssertionError(f"{what}: not within {seconds} s\n{self.log.read_text()[-3000:]}")

    def loaded(self) -> bool:
        try:
            return bool(self.ask("{ assetNodes { id } }")["assetNodes"])
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def launch(self, keys: list[list[str]], weeks: list[str]) -> str:
        params = {
            "assetSelection": [{"path": key} for key in keys],
            "partitionNames": weeks,
            "tags": [],
        }
        launched = self.ask(LAUNCH, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def ended(self, backfill: str) -> Any:
        """A backfill with its runs, once it has ended well."""

        def over() -> Any:
            found = self.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]
            return found if found["status"] not in ("REQUESTED", "CANCELING", "COMPLETING") else None

        found = self.wait("backfill", 240, over)
        assert found["status"] in ("COMPLETED_SUCCESS", "COMPLETED"), found
        assert {run["status"] for run in found["runs"]} == {"SUCCESS"}, found
        return found

    def stop(self) -> None:
        for sign, patience in ((signal.SIGINT, 15), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(patience)
            except (ProcessLookupError, Exception):  # noqa: BLE001 (whatever happens, the next signal is due)
                continue
        for left in mine(self.process.pid):
            left.kill()


def mine(group: int) -> list[psutil.Process]:
    """Processes of the server's session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == group:
                found.append(process)
        except (ProcessLookupError, PermissionError):
            continue
    return found


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


def range_of(run: Any) -> tuple[str | None, str | None]:
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    return tags.get("dagster/asset_partition_range_start"), tags.get("dagster/asset_partition_range_end")


def test_backfills_from_the_ui(server: Server, ingested: Path) -> None:
    """Two backfills at once, beside the run that the landing sensor asks for: each does all of its own work."""
    nodes = server.ask(ASSETS)["assetNodes"]
    weeks = next(node["partitionKeys"] for node in nodes if node["assetKey"]["path"] == ["usage_events"])
    assert len(weeks) == 16
    weekly = [node["assetKey"]["path"] for node in nodes if node["isPartitioned"]]
    assert len(weekly) == 1 + 3 * len(WEEKLY)

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
    assert len(verdicts) == 1 + 3 * 7
    for check, evaluated in verdicts.items():
        assert set(evaluated) == set(weeks[:-1]), check

    # What the checks say is what the home says: the outage's week fails, with the failing rows beside it.
    server.wait("the other runs", 120, lambda: not server.ask(BUSY)["runsOrError"]["results"])
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
