"""Every rule fires where it should, at the right key, and keeps quiet where something merely comes near."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import linted

from nsm_pipeline.linting.data_rules import MOST_NAMES
from nsm_pipeline.linting.findings import CRITERIA, SEVERITIES
from nsm_pipeline.linting.rules import ALL_RULES, rules_table
from nsm_pipeline.playbook.documenting import with_part

HERE = Path(__file__).parent
CASES: dict[str, dict[str, list[dict[str, Any]]]] = yaml.safe_load((HERE / "rule_cases.yaml").read_text())
DOCS = HERE.parents[1] / "docs" / "lint.md"
BY_ID = {one.id: one for one in ALL_RULES}


def of(kind: str) -> list[Any]:
    return [
        pytest.param(rule, case, id=f"{rule} {json.dumps(case, default=str)[:70]}")
        for rule, cases in CASES.items()
        for case in cases[kind]
    ]


@pytest.mark.parametrize("case", [{}, {"without_data": True}], ids=["with data", "without"])
def test_the_faultless_use_case_has_no_finding_and_passes_all_criteria(tmp_path: Path, case: dict[str, Any]) -> None:
    report = linted(tmp_path, case)
    assert report.findings == []
    assert [mark.grade for mark in report.cards[0].marks] == ["pass"] * 7


@pytest.mark.parametrize(("rule", "case"), of("fires"))
def test_a_rule_fires(tmp_path: Path, rule: str, case: dict[str, Any]) -> None:
    report = linted(tmp_path, case)
    found = {one.path: one for one in report.findings if one.rule == rule}
    assert case["at"] in found, report.findings
    finding = found[case["at"]]
    assert case["says"] in finding.message
    assert finding.severity == BY_ID[rule].severity
    assert finding.do == BY_ID[rule].do
    grades = {mark.criterion: mark.grade for mark in report.cards[0].marks}
    if finding.criterion and finding.severity != "note":
        assert (
            grades[finding.criterion] == "fail" if finding.severity == "error" else grades[finding.criterion] != "pass"
        )


@pytest.mark.parametrize(("rule", "case"), of("quiet"))
def test_a_rule_keeps_quiet(tmp_path: Path, rule: str, case: dict[str, Any]) -> None:
    assert [one for one in linted(tmp_path, case).findings if one.rule == rule] == []


def test_every_rule_has_cases_of_both_kinds() -> None:
    assert set(CASES) == set(BY_ID)
    assert len(BY_ID) == len(ALL_RULES)
    for rule, cases in CASES.items():
        assert cases["fires"], rule
        assert cases["quiet"], rule


def test_rules_are_well_formed() -> None:
    for one in ALL_RULES:
        assert one.id == one.id.lower().strip("-").replace("_", "-").replace(" ", "-")
        assert one.severity in SEVERITIES
        assert one.criterion == "" or one.criterion in CRITERIA
        assert one.fires
        assert one.do.endswith(".")


def test_the_documentation_has_the_table_of_the_code() -> None:
    """`make docs` puts it there, `nsm lint --rules` prints it."""
    text = DOCS.read_text(encoding="utf-8")
    assert with_part(text, "rules", rules_table()) == text


def test_many_undeclared_names_are_summed_up(tmp_path: Path) -> None:
    names = {f"made.up.{n}": 100 - n for n in range(MOST_NAMES + 3)}
    found = [one for one in linted(tmp_path, {"data": {"unmapped": names}}).home if one.rule == "name-not-declared"]
    assert len(found) == MOST_NAMES + 1
    assert [one.path for one in found[:2]] == ["made.up.0", "made.up.1"]
    assert "3 more names, 237 rows together" in found[-1].message  # 80 + 79 + 78


def test_an_event_of_a_newer_playbook_is_not_called_unseen(tmp_path: Path) -> None:
    report = linted(tmp_path, {"data_drop": ["events/parcel_delivered"]})
    (measurable,) = [mark for mark in report.cards[0].marks if mark.criterion == "measurable"]
    assert measurable.grade == "pass"
    assert "parcel_delivered: not counted yet; nsm run does" in measurable.evidence
