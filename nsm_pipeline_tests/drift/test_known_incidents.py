"""What is noticed, held to the ledger of known incidents: all of them, and nothing else."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from homes import copy, opened
from landing_zone import Zone
from watching import alarms, build, edit, paste, sample_home, undeclare, usage

from nsm_pipeline.drift.findings import Finding
from nsm_pipeline.drift.lateness import imports
from nsm_pipeline.home import Home
from nsm_pipeline.sample import SampleSpec, SampleSummary
from nsm_pipeline.steps.drift import drift
from nsm_pipeline.steps.instrumentation import Deliveries, deliveries
from nsm_pipeline.steps.lateness import arrivals
from nsm_pipeline.steps.opening import Open

pytestmark = pytest.mark.slow

SMALL = SampleSpec(weeks=36, accounts=120, events=72_000)
# What each kind of incident of a sample looks like in the ledger of deliveries.
DELIVERED = {
    "bad_file": lambda found: found.set_aside,
    "redelivered": lambda found: found.redelivered,
    "bad_rows": lambda found: found.quarantined,
    "conflicting_ids": lambda found: found.conflicts,
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleSummary]:
    root = tmp_path_factory.mktemp("watched") / "sample"
    summary = sample_home(root, SMALL)
    build(root)
    return root, summary


def told(findings: list[Finding]) -> list[tuple[str, date, str]]:
    return [(one.kind, one.week, one.event) for one in findings]


def hold_to_the_sample(root: Path, summary: SampleSummary) -> None:
    """Every incident is found, the declared rename is no alarm, and there is no other alarm."""
    incidents = {one.kind: one.week for one in summary.incidents}
    assert told(alarms(root)) == [("outage", incidents["outage"], "")]
    found: Deliveries = deliveries(opened(root))
    for kind, of in DELIVERED.items():
        assert kind in incidents
        (line,) = of(found)
        day = incidents[kind]
        assert any(str(day + timedelta(days=n)) in line for n in range(7)), (kind, line)
    assert incidents.keys() == {*DELIVERED, "outage", "rename"}


def test_every_incident_of_a_sample_and_nothing_else(sample: tuple[Path, SampleSummary]) -> None:
    hold_to_the_sample(*sample)


@pytest.mark.slow
def test_every_incident_of_the_default_sample_and_nothing_else(tmp_path: Path) -> None:
    summary = sample_home(tmp_path / "sample", SampleSpec())
    build(tmp_path / "sample")
    hold_to_the_sample(tmp_path / "sample", summary)


def test_an_undeclared_rename_is_found_and_what_it_says_can_be_pasted(
    sample: tuple[Path, SampleSummary], tmp_path: Path
) -> None:
    declared, summary = sample
    (began,) = [one.week for one in summary.incidents if one.kind == "rename"]
    (outage,) = [one.week for one in summary.incidents if one.kind == "outage"]
    root = copy(declared, tmp_path / "home")
    for use_case in ("ci", "security"):
        undeclare(root, use_case, "pipeline_finished")
    build(root)
    found = alarms(root)
    assert told(found) == [("rename", began, "pipeline_finished"), ("outage", outage, "")]
    rename = found[0]
    assert rename.use_cases == ("ci", "security")
    # Both names were sent for two weeks; it is known with the first week in which the old one did not come.
    assert rename.weeks_until_noticed == 2
    assert "'ci_pipeline_done' is sent as 'pipeline.finished' since 2026-01-05" in rename.text
    paste(root, rename.yaml)
    build(root)
    assert told(alarms(root)) == [("outage", outage, "")]
    for use_case in ("ci", "security"):
        found_rows, wanted = (usage(home, use_case, "pipeline_finished") for home in (root, declared))
        assert found_rows == wanted
        assert len(wanted) > 1000


def test_one_use_case_that_has_missed_a_rename_is_told_by_another(
    sample: tuple[Path, SampleSummary], tmp_path: Path
) -> None:
    declared, _ = sample
    root = copy(declared, tmp_path / "home")
    undeclare(root, "ci", "pipeline_finished")
    build(root)
    (rename,) = [one for one in alarms(root) if one.kind == "rename"]
    assert rename.use_cases == ("ci",)
    paste(root, rename.yaml)
    build(root)
    assert usage(root, "ci", "pipeline_finished") == usage(declared, "ci", "pipeline_finished")


def test_an_annotation_explains_an_alarm(sample: tuple[Path, SampleSummary], tmp_path: Path) -> None:
    declared, summary = sample
    (outage,) = [one.week for one in summary.incidents if one.kind == "outage"]
    root = copy(declared, tmp_path / "home")
    note = {"week": outage, "text": "Collection was down."}
    edit(root, "ci", lambda document: document.update(annotations=[note]))
    assert alarms(root) == []
    (explained,) = drift(opened(root))
    assert (explained.kind, explained.explained) == ("outage", "Collection was down.")
    edit(root, "ci", lambda document: document.update(annotations=[{**note, "week": outage + timedelta(weeks=3)}]))
    assert len(alarms(root)) == 1


def test_a_week_is_known_without_any_later_one(sample: tuple[Path, SampleSummary], tmp_path: Path) -> None:
    """The outage, as of the Monday after."""
    declared, summary = sample
    (outage,) = [one.week for one in summary.incidents if one.kind == "outage"]
    root = copy(declared, tmp_path / "home")
    settings = root / "playbook" / "settings.yaml"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("as_of")]
    settings.write_text("\n".join([*lines, f"as_of: {outage + timedelta(days=7)}", ""]))
    assert told(alarms(root)) == [("outage", outage, "")]


def copied(devsecops: Zone, root: Path) -> Path:
    """The home with the real data, without what comes and goes in it while somebody else runs it."""
    return Path(shutil.copytree(devsecops.home.root, root, ignore=shutil.ignore_patterns(".locks", "dagster")))


@pytest.fixture(scope="module")
def real(devsecops: Zone, tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Three years of real events; what is gathered of them is kept in this copy of the home."""
    return Open.of(Home(copied(devsecops, tmp_path_factory.mktemp("real") / "home")), devsecops.playbook)


@pytest.mark.slow
def test_three_years_of_real_events_raise_no_alarm(real: Open) -> None:
    """Three Christmas weeks at a third of the usual volume, events of none to ten a week, bots, a declared rename."""
    assert drift(real) == []
    counted = arrivals(real)
    assert [one.day for one in imports(counted.arrived, counted.received)] == [date(2026, 6, 1)]
    found = deliveries(real)
    assert found.twice == 2986
    assert (found.set_aside, found.redelivered, found.quarantined, found.conflicts) == ((), (), (), ())


@pytest.mark.slow
@pytest.mark.parametrize("first", ["2024-09-02", pytest.param("2023-07-03", marks=pytest.mark.soak)])
def test_the_rename_in_real_events_is_found_and_can_be_pasted(devsecops: Zone, tmp_path: Path, first: str) -> None:
    """In its year; over the whole history: a soak."""
    root = copied(devsecops, tmp_path / "home")
    settings = yaml.safe_load((root / "playbook" / "settings.yaml").read_text())
    until = {} if first == "2023-07-03" else {"as_of": date(2025, 8, 31)}
    settings = {**settings, "first_week": date.fromisoformat(first), **until}
    (root / "playbook" / "settings.yaml").write_text(yaml.safe_dump(settings))
    undeclare(root, "ci", "ci_config_changed")
    it = build(root)
    (rename,) = alarms(root)
    assert (rename.kind, rename.week, rename.event) == ("rename", date(2025, 2, 17), "ci_config_changed")
    assert rename.noticed == date(2025, 3, 17)  # the first week in which the old name did not come
    paste(root, rename.yaml)
    build(root)
    assert alarms(root) == []
    found, wanted = (usage(home, "ci", "ci_config_changed", it.weeks) for home in (root, devsecops.home.root))
    assert found == wanted
    assert len(wanted) > 100
