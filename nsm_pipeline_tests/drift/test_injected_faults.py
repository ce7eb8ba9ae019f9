"""Faults put into copies of a sample on a known day: found, in which week, and mended by what is proposed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from homes import copy
from watching import alarms, build, change_sent, paste, sample_home, usage

from nsm_pipeline.sample import SampleSpec
from nsm_pipeline.steps.instrumentation import instrumentation

SPEC = SampleSpec(weeks=22, accounts=60, events=44_000)
# Twelve weeks before the fault and three with it; what is delivered later is no Parquet, which the tests could change.
TODAY = "2026-05-17"
WEEK = date(2026, 4, 20)
NAME = "build.finished"
Change = Callable[[dict[str, Any], int], dict[str, Any]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faults") / "sample"
    sample_home(root, SPEC)
    settings = root / "playbook" / "settings.yaml"
    document = yaml.safe_load(settings.read_text())
    settings.write_text(yaml.safe_dump({**document, "as_of": date.fromisoformat(TODAY)}))
    for file in (root / "landing" / "usage_events").rglob("*.*"):
        if file.suffix != ".parquet":
            file.unlink()  # delivered later
    build(root)
    return root


def test_the_sample_is_sound(sound: Path) -> None:
    assert alarms(sound) == []


def as_text(sent: dict[str, Any], _: int) -> dict[str, Any]:
    return {**sent, "duration_s": f"{sent['duration_s']} s"}


def as_objects(sent: dict[str, Any], _: int) -> dict[str, Any]:
    return {**sent, "duration_s": {"value": sent["duration_s"]}}


def renamed_value(sent: dict[str, Any], _: int) -> dict[str, Any]:
    return {**sent, "status": "passed" if sent["status"] == "success" else sent["status"]}


def other_unit(sent: dict[str, Any], _: int) -> dict[str, Any]:
    return {**sent, "duration_s": sent["duration_s"] * (1 if sent["duration_s"] < 0 else 1000)}


def sometimes_missing(sent: dict[str, Any], number: int) -> dict[str, Any]:
    return {key: value for key, value in sent.items() if key != "runner" or number % 4}


def renamed_property(sent: dict[str, Any], _: int) -> dict[str, Any]:
    return {("runner_kind" if key == "runner" else key): value for key, value in sent.items()}


def one_more(sent: dict[str, Any], number: int) -> dict[str, Any]:
    return {**sent, "retries": number % 3}


@pytest.mark.parametrize(
    ("change", "kind", "key", "says"),
    [
        (as_text, "missing", "duration_s", "'duration_s' of 'build.finished' was a number, and is text since."),
        (as_objects, "missing", "duration_s", "was a number, and is an object or a list since."),
        (renamed_value, "values", "status", "'success' no longer comes; new: 'passed' in 8"),
        (other_unit, "scale", "duration_s", "since 2026-04-20: its numbers are about 1,000 times larger."),
        (sometimes_missing, "missing", "runner", "'runner' of 'build.finished' is no longer sent with every event."),
        (renamed_property, "missing", "runner", "as 'runner_kind' since 2026-04-20: it has the same values."),
    ],
)
def test_a_fault_is_found_in_its_first_week(
    sound: Path, tmp_path: Path, change: Change, kind: str, key: str, says: str
) -> None:
    root = copy(sound, tmp_path / "home")
    change_sent(root, NAME, str(WEEK), change)
    build(root)
    (one,) = alarms(root)
    assert (one.kind, one.week, one.noticed) == (kind, WEEK, WEEK)
    assert (one.event, one.property_name, one.use_cases) == ("build_finished", key, ("ci",))
    assert says in one.text
    mendable = change in (other_unit, renamed_property)
    assert bool(one.yaml) == mendable
    if mendable:
        paste(root, one.yaml)
        build(root)
        assert alarms(root) == []
        assert rounded(root) == rounded(sound)


def rounded(root: Path) -> list[dict[str, Any]]:
    """The event's rows without what is lost when a number is multiplied and divided again."""
    return [
        {**row, "duration_s": row["duration_s"] and round(row["duration_s"], 6)}
        for row in usage(root, "ci", "build_finished")
    ]


def test_a_property_that_nothing_declares_is_a_note_and_no_alarm(sound: Path, tmp_path: Path) -> None:
    root = copy(sound, tmp_path / "home")
    change_sent(root, NAME, str(WEEK), one_more)
    it = build(root)
    assert alarms(root) == []
    (note,) = instrumentation(it).notes
    assert note == "'build.finished' has begun to send 'retries' (100% of rows), which nothing declares."
    assert instrumentation(it, ["security"]).notes == ()
