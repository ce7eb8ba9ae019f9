"""A real `nsm ui`, driven through GraphQL as Dagster's own UI drives it.

What belongs here: starting, asking, launching backfills, stopping. What does not: what they must come to.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from homes import NSM, clean_environment

LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status error { message } runs { id status tags { key value } } } } }"""
BUSY = "{ runsOrError(filter: {statuses: [QUEUED, STARTING, STARTED]}) { ... on Runs { results { id } } } }"


class Server:
    """`nsm ui` on a free port, with all its processes."""

    def __init__(self, home: Path, log: Path, *options: object) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [NSM, "ui", "--home", str(home), "--port", str(self.port), *map(str, options)],
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

    def done(self, backfill: str) -> Any:
        """A backfill's runs once all that there are have ended well; the daemon says so of the backfill itself only
        half a minute later."""
        runs = self.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]["runs"]
        assert not {run["status"] for run in runs} & {"FAILURE", "CANCELED"}, runs
        return runs if {run["status"] for run in runs} == {"SUCCESS"} else None

    def ended(self, backfill: str) -> Any:
        """A backfill with its runs, once it has ended well."""

        def over() -> Any:
            found = self.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]
            return found if found["status"] not in ("REQUESTED", "CANCELING", "COMPLETING") else None

        found = self.wait("backfill", 240, over)
        assert found["status"] in ("COMPLETED_SUCCESS", "COMPLETED"), found
        assert {run["status"] for run in found["runs"]} == {"SUCCESS"}, found
        return found

    def idle(self) -> bool:
        return not self.ask(BUSY)["runsOrError"]["results"]

    def stop(self) -> None:
        for sign, patience in ((signal.SIGINT, 5), (signal.SIGKILL, 10)):
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


def range_of(run: Any) -> tuple[str | None, str | None]:
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    return tags.get("dagster/asset_partition_range_start"), tags.get("dagster/asset_partition_range_end")
