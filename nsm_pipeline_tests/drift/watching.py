"""Homes that are watched for drift: built without metrics, changed and looked at again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from homes import opened

from nsm_pipeline.drift.findings import Finding
from nsm_pipeline.events.landing import ingest
from nsm_pipeline.home import Home
from nsm_pipeline.playbook.loading import PACKAGED
from nsm_pipeline.sample import SampleSpec, SampleSummary, write_sample
from nsm_pipeline.steps.drift import drift
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.weekly import run_weeks

Properties = dict[str, Any]


def sample_home(root: Path, spec: SampleSpec) -> SampleSummary:
    """A sample with the packaged playbooks in its own folder."""
    summary = write_sample(root, spec, lambda *_: None)
    for file in PACKAGED.glob("*.yaml"):
        shutil.copy(file, root / "playbook" / file.name)
    return summary


def build(root: Path) -> Open:
    """A home with everything read and all weeks' usage events built."""
    home = Home(root)
    playbook = open_playbook(home)
    ingest(home, Open.of(home, playbook).engine, playbook)
    it = opened(root)
    for _ in run_weeks(it, it.weeks, list(it.plans), ()):
        pass
    return opened(root)


def alarms(root: Path) -> list[Finding]:
    return [one for one in drift(opened(root)) if not one.explained]


def edit(root: Path, use_case: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a use case's file."""
    file = root / "playbook" / f"{use_case}.yaml"
    document = yaml.safe_load(file.read_text())
    change(document)
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def undeclare(root: Path, use_case: str, event: str) -> None:
    """Take back the declaration of a rename: the old name alone is known, as before anybody had noticed."""

    def change(document: dict[str, Any]) -> None:
        declared = document["events"][event]
        (key,) = [one.removeprefix("properties.") for one in declared.pop("same") if one.startswith("properties.")]
        declared["sources"] = [{k: v for k, v in declared["sources"][0].items() if k != "until"}]
        if not declared["properties"][key].get("required"):
            del declared["properties"][key]

    edit(root, use_case, change)


def paste(root: Path, text: str) -> None:
    """Do what a finding says: each part into the file that its first line names."""
    for part in text.split("# ")[1:]:
        use_case = part.split(".yaml:")[0]
        pasted = yaml.safe_load("# " + part)

        def change(document: dict[str, Any], pasted: dict[str, Any] = pasted) -> None:
            for event, keys in pasted["events"].items():
                document["events"][event].update(keys)

        edit(root, use_case, change)


def usage(root: Path, use_case: str, event: str, weeks: Collection[date] = ()) -> list[dict[str, Any]]:
    """An event's rows over some weeks or all, in one order, for comparing two homes."""
    rows = [
        row
        for file in sorted((root / "lake" / "usage_events" / use_case).glob("*.parquet"))
        if not weeks or date.fromisoformat(file.stem) in weeks
        for row in pq.read_table(file).to_pylist()
        if row["event"] == event
    ]
    return sorted(
        rows,
        key=lambda row: [
            str(row[key]) for key in ("occurred_at", "account_id", "user_id", "pipeline_id") if key in row
        ],
    )


def change_sent(root: Path, name: str, since: str, change: Callable[[Properties, int], Properties]) -> None:
    """Change the properties of a name from a day on, in all delivered Parquet files; `change` gets the row's number."""
    for file in sorted((root / "landing" / "usage_events").rglob("*.parquet")):
        try:
            table = pq.read_table(file, partitioning=None)
        except pa.ArrowInvalid:
            continue  # the sample's file that was cut off
        rows = table.to_pylist()
        changed = [row for row in rows if row["event_name"] == name and str(row["occurred_at"]) >= since]
        for number, row in enumerate(changed):
            row["properties"] = json.dumps(change(json.loads(row["properties"]), number))
        if changed:
            file.unlink()
            pq.write_table(pa.Table.from_pylist(rows, table.schema), file)
