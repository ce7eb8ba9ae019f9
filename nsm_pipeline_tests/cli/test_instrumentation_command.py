"""`nsm instrumentation` as a person and a script meet it."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import copy, here


@pytest.fixture(scope="module")
def home(published_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: what has been counted is kept in the home."""
    return copy(published_home, tmp_path_factory.mktemp("told") / "home")


def test_for_a_person(home: Path) -> None:
    said = here("instrumentation", "--home", home)
    assert said.code == 0, said.err
    text = " ".join(said.out.split())
    for words in (
        "pipeline.finished", "duration_s ← duration_ms ÷ 1,000", "All events", "Set aside", "Delivered again",
        "How late rows come", "Proposed settling_days:", "Declared: 14",
    ):  # fmt: skip
        assert words in text, words
    assert max(map(len, said.out.splitlines())) < 400


def test_for_a_script(home: Path) -> None:
    document = here("instrumentation", "--home", home, "--json").json
    sources = {(one["use_case"], one["event"], one["name"]): one for one in document["sources"]}
    old = sources["ci", "pipeline_finished", "ci_pipeline_done"]
    assert (old["rows"], old["first_week"], old["until"]) == (0, None, "2026-01-19")
    new = sources["ci", "pipeline_finished", "pipeline.finished"]
    assert new["rows"] > 500
    assert new["preferred"]
    assert {one["kind"] for one in document["alarms"]} == {"outage"}
    assert document["lateness"]["settled_share"] == 0.999
    settling = document["lateness"]["settling_days"]
    assert settling["declared"] == 14
    assert 0 < settling["proposed"] <= 28
    rows = sum(one["rows"] for one in document["lateness"]["by_name"].values())
    assert rows == document["lateness"]["all"]["rows"]


def test_one_use_case_and_event(home: Path) -> None:
    arguments = ("--use-case", "security", "--event", "scan_completed", "--json")
    document = here("instrumentation", "--home", home, *arguments).json
    assert {(one["use_case"], one["event"]) for one in document["sources"]} == {("security", "scan_completed")}
    assert set(document["lateness"]["by_name"]) == {"scan.completed"}


def test_names_that_do_not_exist(home: Path) -> None:
    said = here("instrumentation", "--home", home, "--use-case", "securty")
    assert (said.code, said.out) == (2, "")
    assert "did you mean 'security'" in said.err
    assert "scan_completed" in here("instrumentation", "--home", home, "--event", "scan_complete").err


def test_a_home_without_data(tmp_path: Path) -> None:
    said = here("instrumentation", "--home", tmp_path, "--json")
    assert said.code == 0, said.err
    assert said.json["alarms"] == []
    assert all(one["rows"] == 0 for one in said.json["sources"])
    assert here("instrumentation", "--home", tmp_path).code == 0
