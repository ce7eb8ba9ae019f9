"""Playbooks that come with the program load; settings mean what they say."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from nsm_pipeline.playbook.filters import canonical, parse, used_columns
from nsm_pipeline.playbook.loading import PACKAGED, load_playbook
from nsm_pipeline.playbook.models import Against
from nsm_pipeline.playbook.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


DIMENSIONS = {"breadth", "depth", "frequency", "efficiency"}


@pytest.mark.parametrize("folder", [PACKAGED, *sorted(EXAMPLES.glob("*/playbook"))], ids=lambda path: path.parent.name)
def test_playbooks_of_the_project_load(folder: Path) -> None:
    """Each with inputs of every dimension, or the reason why not, and something that guards its North Star."""
    playbook = load_playbook(folder)
    assert playbook.use_cases
    for use_case in playbook.use_cases.values():
        found = {item.dimension for item in use_case.inputs}
        assert found | use_case.without.keys() == DIMENSIONS
        assert not found & use_case.without.keys()
        assert all(item.owner for item in use_case.inputs)
        assert use_case.counter_metrics


@pytest.mark.parametrize("folder", [PACKAGED, EXAMPLES / "devsecops" / "playbook"], ids=lambda path: path.parent.name)
def test_the_three_use_cases_of_devsecops(folder: Path) -> None:
    playbook = load_playbook(folder)
    assert list(playbook.use_cases) == ["ci", "compliance", "security"]
    for use_case in playbook.use_cases.values():
        assert use_case.slices == ("plan", "segment")


def test_the_packaged_playbook_stands_in_for_a_missing_one(tmp_path: Path) -> None:
    playbook = load_playbook(tmp_path / "none")
    assert playbook == load_playbook(PACKAGED)
    assert playbook.settings == Settings()
    (tmp_path / "settings.yaml").write_text("company: Ours\n")
    assert load_playbook(tmp_path).settings.company == "Ours"
    assert list(load_playbook(tmp_path).use_cases) == list(playbook.use_cases)


def test_settings(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(
        "time_zone: America/New_York\nweek_starts_on: sunday\nas_of: 2026-03-07\nfirst_week: 2026-03-01\n"
        "account_attributes: {arr: number}\n"
    )
    playbook = load_playbook(tmp_path)
    assert playbook.calendar.current() == date(2026, 3, 1)
    assert playbook.calendar.last_complete() == date(2026, 2, 22)
    assert playbook.attributes()["arr"] == "number"


def test_percentages_and_short_forms() -> None:
    ci = load_playbook(PACKAGED).use_cases["ci"]
    assert ci.growth_target == pytest.approx(0.07)
    assert [counter.breach for counter in ci.counter_metrics] == [pytest.approx(0.12)]
    assert [counter.against for counter in ci.counter_metrics] == [Against(weeks=8)]
    source = ci.events["pipeline_finished"].sources[0]
    assert source.properties["status"].source == "result"
    assert source.properties["duration_s"].divide_by == 1000


def test_one_spelling_per_meaning() -> None:
    columns = {"a": "integer", "b": "string"}
    first = parse("a>=1  AND not b in ('x','y')", columns)
    second = parse("a >= 1 and NOT b IN ('x', 'y') -- why", columns)
    assert canonical(first) == canonical(second)
    assert canonical(parse(canonical(first), columns)) == canonical(first)
    assert used_columns(first) == {"a", "b"}
