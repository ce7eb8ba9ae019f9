"""The text that is stored of Dagster's events is Dagster's own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import dagster as dg
from dagster import EventLogEntry
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._serdes import deserialize_value, serialize_value
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.orchestration.event_text import EventTexts

TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", '"timestamp": 1.5', "\0data", "\0message", "ä€\n"])


@st.composite
def events(draw: st.DrawFn) -> EventLogEntry:
    """Lines of a log, planned events and materialisations of two runs, with texts that look like something else."""
    message, run_id, job = (
        draw(TEXTS),
        draw(st.sampled_from(["r1", "r2"])),
        draw(st.sampled_from(["job", '"', "\0data"])),
    )
    key, partition = dg.AssetKey(["ci", draw(st.sampled_from(["a", "b"]))]), draw(st.none() | TEXTS)
    kind = draw(st.sampled_from(["line", "planned", "made"]))
    if kind == "line":
        event = None
    elif kind == "planned":
        planned = AssetMaterializationPlannedData(key, partition=partition, partitions_subset=None)
        event = DagsterEvent.build_asset_materialization_planned_event(job, "weekly", planned)
    else:
        made = dg.AssetMaterialization(key, metadata={"said": message, "rows": 3}, partition=partition)
        event = DagsterEvent(
            DagsterEventType.ASSET_MATERIALIZATION.value,
            job,
            logging_tags={draw(st.sampled_from(["message", "op"])): message},
            event_specific_data=StepMaterializationData(made),
            message=draw(st.none() | TEXTS),
            pid=draw(st.sampled_from([1, 2])),
        )
    at = draw(st.floats(min_value=0, max_value=2e9))
    return EventLogEntry(
        None, 10, message, run_id, at, step_key=draw(st.none() | TEXTS), job_name=job, dagster_event=event
    )


@given(st.lists(events(), max_size=12))
def test_every_event_reads_as_dagster_writes_it(some: list[EventLogEntry]) -> None:
    texts = EventTexts()
    assert [texts.of(event) for event in some] == [serialize_value(event) for event in some]


def test_a_run_stores_what_dagster_would(published_home: Path) -> None:
    stored = 0
    for file in (published_home / "dagster" / "history" / "runs").glob("*.db"):
        with sqlite3.connect(file) as connection:
            for (text,) in connection.execute("select event from event_logs"):
                assert serialize_value(deserialize_value(text, EventLogEntry)) == text
                stored += 1
    assert stored > 500
