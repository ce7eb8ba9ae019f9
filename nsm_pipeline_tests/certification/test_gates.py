"""Every gate on a frame that it should pass and on one that it should not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from homes import copy, opened

from nsm_pipeline.certification.certificates import CertifiedGate, certify
from nsm_pipeline.certification.columns import METRIC_COLUMNS, WEEK_COLUMNS
from nsm_pipeline.certification.evidence import Evidence
from nsm_pipeline.certification.gates import CHECKS, Gate, gates_of
from nsm_pipeline.certification.judging import GateResult, judge
from nsm_pipeline.errors import PlaybookError
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.steps.series import gather_evidence
from nsm_pipeline.weeks import WEEK

WEEKS = ("2026-03-02", "2026-03-09", "2026-03-16")
BAD = WEEKS[1]
TEXT = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  order_placed:
    properties: {amount: {type: number, required: true}, order: {type: string}}
    sources: [{name: order_done, until: 2026-03-23}, {name: order.placed, preferred: true}]
    same: [account_id, properties.order]
metrics:
  ordering_accounts: {count_distinct: account, of: order_placed}
  gift_share: {unit: share, ratio: {numerator: {count: order_placed}, denominator: {count: order_placed}}}
  risk_share: {unit: share, ratio: {numerator: {count: order_placed}, denominator: {count: order_placed}}}
north_star: {metric: ordering_accounts}
inputs: [{metric: gift_share, dimension: depth}]
counter_metrics: [{metric: risk_share, protects: ordering_accounts, risk: none}]
formula: ordering_accounts = gift_share / risk_share * 5
"""


def use_case(more: str = "") -> UseCase:
    return UseCase.model_validate(yaml.safe_load(TEXT + more))


def week_row(week: str, **changed: Any) -> dict[str, Any]:
    good = {
        "week": week, "complete": True, "landed": 100, "accepted_and_duplicate": 100, "files_not_reconciled": 0,
        "share_quarantined": 0.0, "share_duplicate": 0.01, "share_late": 0.1, "share_unmapped": 0.0, "events": 90,
        "value": 5.0, "value_from_accounts": 5.0, "gap_to_accounts": 0.0, "value_from_formula": 5.0,
        "formula_gap": 0.0, "growth": 0.0, "attainment": 1.0,
        "active": 5, "new": 1, "retained": 3, "resurrected": 1, "churned": 2, "new_retained_resurrected": 5,
        "change_in_active": 0, "gained_less_churned": 0, "usual_events": 90.0, "volume_ratio": 1.0,
    }  # fmt: skip
    return {**good, **changed}


def metric_row(week: str, role: str, **changed: Any) -> dict[str, Any]:
    names = {"north_star": "ordering_accounts", "inputs": "gift_share", "counter_metrics": "risk_share"}
    good = {
        "week": week, "use_case": "shop", "metric": names[role], "role": role, "slice": "all", "slice_value": "all",
        "value": 5.0 if role == "north_star" else 0.5, "numerator": 5.0, "denominator": 10.0, "entities": 5,
        "is_share": role != "north_star",
    }  # fmt: skip
    return {**good, **changed}


def frames(table: str = "", changed: dict[str, Any] | None = None) -> Evidence:
    """Good evidence of three weeks; in the middle one some columns of one frame are other."""
    return evidence_of(WEEKS, {BAD: (table, changed or {})})


def evidence_of(weeks: Sequence[str], faults: dict[str, tuple[str, dict[str, Any]]]) -> Evidence:
    """Good evidence of some weeks but for some columns of one frame in some of them: week → (frame, columns)."""

    def of(week: str, *names: str) -> dict[str, Any]:
        table, changed = faults.get(week, ("", {}))
        return changed if table in names else {}

    slices = {"metric": "ordering_accounts", "slice": "plan", "sum_of_slices": 5.0, "total": 5.0, "gap": 0.0}
    properties = {
        "event": "order_placed", "property": "amount", "required": True, "rows": 90, "share_missing": 0.0,
        "share_invalid": 0.0,
    }  # fmt: skip
    copies = {
        "event": "order_placed", "source": "order_done", "rows_both": 200, "preferred_rows_both": 200, "bias": 0.0,
        "share_unmatched": 0.0,
    }  # fmt: skip
    metrics = [
        metric_row(week, role, **of(week, role))
        for week in weeks
        for role in ("north_star", "inputs", "counter_metrics")
    ]
    return Evidence(
        pd.DataFrame([week_row(week, **of(week, "week")) for week in weeks]),
        pd.DataFrame(metrics),
        pd.DataFrame([{"week": week, **slices, **of(week, "slices")} for week in weeks]),
        pd.DataFrame([{"week": week, **properties, **of(week, "properties")} for week in weeks]),
        pd.DataFrame([{"week": week, **copies, **of(week, "copies")} for week in weeks]),
    )


# gate, frame, what is wrong with it there: each row must fail exactly its gate, in exactly its week.
FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("files reconcile", "week", {"files_not_reconciled": 1}),
    ("landed rows are used once", "week", {"accepted_and_duplicate": 99}),
    ("share quarantined", "week", {"share_quarantined": 0.021}),
    ("share duplicate", "week", {"share_duplicate": 0.11}),
    ("share late", "week", {"share_late": 0.51}),
    ("share unmapped", "week", {"share_unmapped": 0.06}),
    ("volume against the trailing median", "week", {"volume_ratio": 0.49}),
    ("volume against the trailing median", "week", {"volume_ratio": 3.01}),
    ("copies of a dual run agree", "copies", {"bias": 0.051}),
    ("facts of a dual run match", "copies", {"share_unmatched": 0.06}),
    ("required properties present", "properties", {"share_missing": 0.03}),
    ("properties in range", "properties", {"share_invalid": 0.03}),
    ("shares between 0 and 1", "inputs", {"value": 1.2, "numerator": 1.0}),
    ("shares between 0 and 1", "counter_metrics", {"value": -0.1}),
    ("numerator at most denominator", "inputs", {"numerator": 11.0}),
    ("numerator at most denominator", "counter_metrics", {"numerator": 11.0}),
    ("value present", "north_star", {"value": None}),
    ("value not negative", "north_star", {"value": -1.0}),
    ("North Star equals account_weeks", "week", {"gap_to_accounts": 1.0}),
    ("formula reconciles", "week", {"formula_gap": 2e-9}),
    ("slices add up", "slices", {"gap": 1.0}),
    ("active is accounted for", "week", {"new_retained_resurrected": 4}),
    ("change is accounted for", "week", {"gained_less_churned": 1}),
]


def failed(results: dict[str, list[GateResult]]) -> dict[str, set[str]]:
    return {week: {one.gate.name for one in found if not one.passed} for week, found in results.items()}


def test_good_weeks_pass_every_gate() -> None:
    results = judge(frames(), gates_of(use_case(), in_account_weeks=True), WEEKS)
    assert failed(results) == {key: set() for key in WEEKS}
    assert all(one.rows == 1 for found in results.values() for one in found if "is_share" not in one.gate.scope)


FAULTY = [str(date(2026, 3, 9) + number * WEEK) for number in range(len(FAULTS))]


@pytest.fixture(scope="module")
def judged() -> dict[str, list[GateResult]]:
    """One week per fault between two good ones, all judged at once, as a run judges them."""
    weeks = [WEEKS[0], *FAULTY, str(date.fromisoformat(FAULTY[-1]) + WEEK)]
    faults = {week: (table, changed) for week, (_, table, changed) in zip(FAULTY, FAULTS, strict=True)}
    return judge(evidence_of(weeks, faults), gates_of(use_case(), in_account_weeks=True), weeks)


def test_weeks_without_a_fault_pass_beside_those_with_one(judged: dict[str, list[GateResult]]) -> None:
    first, *_, last = judged
    assert {week for week, found in failed(judged).items() if not found} == {first, last}


@pytest.mark.parametrize("place", range(len(FAULTS)), ids=[f"{gate}: {fault}" for gate, _, fault in FAULTS])
def test_a_fault_fails_its_gate_in_its_week(judged: dict[str, list[GateResult]], place: int) -> None:
    (gate, table, _), week = FAULTS[place], FAULTY[place]
    assert failed(judged)[week] == {gate}
    (one,) = [result for result in judged[week] if not result.passed]
    assert one.gate.frame == table
    assert one.failing
    assert {row["week"] for row in one.failing} == {week}
    assert one.gate.severity == ("warning" if gate == "share late" else "critical")
    assert one.to_json()["failing"] == list(one.failing)


def test_every_built_in_gate_has_a_fault_and_a_check() -> None:
    assert {gate.name for gate in gates_of(use_case(), in_account_weeks=True)} == {gate for gate, _, _ in FAULTS}
    assert {gate.check for gate in gates_of(use_case(), in_account_weeks=True)} == set(CHECKS) - {"declared_gates"}


def test_what_is_not_known_is_not_held_against_a_week() -> None:
    """No median yet, nothing to divide by, no event with properties."""
    evidence = frames("week", {"volume_ratio": None, "share_unmapped": None, "growth": None})
    assert failed(judge(evidence, gates_of(use_case(), in_account_weeks=True), WEEKS))[BAD] == set()
    evidence = frames("inputs", {"value": None, "numerator": 0.0, "denominator": 0.0})
    assert failed(judge(evidence, gates_of(use_case(), in_account_weeks=True), WEEKS))[BAD] == set()
    empty = replace(frames(), properties=frames().properties.iloc[:0], slices=frames().slices.iloc[:0])
    results = judge(empty, gates_of(use_case(), in_account_weeks=True), WEEKS)
    assert failed(results) == {key: set() for key in WEEKS}
    assert {one.rows for one in results[BAD] if one.gate.frame == "properties"} == {0}


def test_tolerances_are_the_playbooks() -> None:
    loose = use_case("tolerances: {volume_low: 10%, quarantined: 30%}\n")
    evidence = frames("week", {"volume_ratio": 0.2, "share_quarantined": 0.25})
    assert failed(judge(evidence, gates_of(loose, in_account_weeks=True), WEEKS))[BAD] == set()
    assert len(failed(judge(evidence, gates_of(use_case(), in_account_weeks=True), WEEKS))[BAD]) == 2


DECLARED = """
gates:
  - {table: north_star, metric: ordering_accounts, severity: SEVERITY,
     expect_column_values_to_be_between: {column: value, min_value: 4}}
"""


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_declared_gates(severity: str) -> None:
    gates = gates_of(use_case(DECLARED.replace("SEVERITY", severity)), in_account_weeks=True)
    assert failed(judge(frames(), gates, WEEKS))[BAD] == set()
    results = judge(frames("north_star", {"value": 3.0}), gates, WEEKS)
    (one,) = [result for result in results[BAD] if not result.passed]
    assert (one.gate.check, one.gate.severity) == ("declared_gates", severity)


@pytest.mark.parametrize("table", ["week", "growth"])
def test_declared_gates_on_weeks(table: str) -> None:
    more = f"gates: [{{table: {table}, expect_column_values_to_be_between: {{column: growth, max_value: 0.5}}}}]\n"
    results = judge(frames("week", {"growth": 0.6}), gates_of(use_case(more), in_account_weeks=True), WEEKS)
    assert len(failed(results)[BAD]) == 1
    assert failed(results)[WEEKS[0]] == set()


@pytest.mark.parametrize(
    ("expectation", "arguments", "said"),
    [
        ("expect_column_values_to_be_between", {"column": "valeu", "min_value": 1}, "did you mean 'value'"),
        ("expect_column_values_to_be_about_right", {"column": "value"}, "expect_column_values_to_be_about_right"),
        ("expect_column_values_to_be_between", {"column": "value", "minimum": 1}, "minimum"),
        ("expect_column_values_to_be_between", {"column": "metric", "min_value": 1}, "cannot be judged: .*type"),
        ("expect_column_values_to_match_regex", {"column": "metric", "regex": "("}, "cannot be judged: .*regular"),
        ("expect_column_values_to_match_like_pattern", {"column": "metric", "like_pattern": "a"}, "cannot be judged"),
        ("expect_column_values_to_be_of_type", {"column": "value", "type_": "str"}, "names no row that fails"),
    ],
)
def test_a_gate_that_cannot_be_judged_is_refused(expectation: str, arguments: dict[str, Any], said: str) -> None:
    gate = Gate("declared", "declared_gates", "north_star", expectation, arguments)
    with pytest.raises(PlaybookError, match=said):
        judge(frames(), [gate], WEEKS)


def test_the_columns_that_gates_may_name_are_those_of_the_evidence(published_home: Path, tmp_path: Path) -> None:
    it = opened(copy(published_home, tmp_path / "home"))
    evidence = gather_evidence(it, "ci", it.complete_weeks)
    assert tuple(evidence.week.columns) == WEEK_COLUMNS
    assert tuple(evidence.metrics.columns) == METRIC_COLUMNS
    assert set(frames().week.columns) == set(WEEK_COLUMNS)
    assert set(frames().metrics.columns) == set(METRIC_COLUMNS)
    assert set(frames().slices.columns) == set(evidence.slices.columns)
    assert set(frames().properties.columns) == set(evidence.properties.columns)
    assert set(frames().copies.columns) == set(evidence.copies.columns)


def rows(**changed: Any) -> pa.Table:
    row = {
        "use_case": "shop", "metric": "ordering_accounts", "role": "north_star", "week": pd.Timestamp(BAD).date(),
        "slice": "all", "slice_value": "all", "value": 5.0, "numerator": 5.0, "denominator": 1.0, "entities": 5,
    }  # fmt: skip
    return pa.Table.from_pylist([{**row, **changed}], METRIC_ROWS)


PASSED = CertifiedGate(gate="value present", severity="critical", passed=True)
MADE_FROM = {"north_star": "0123"}


def test_a_certificates_id_says_what_is_in_it() -> None:
    week = pd.Timestamp(BAD).date()
    one = certify("shop", week, MADE_FROM, rows(), [PASSED])
    assert one.id.startswith(f"shop-{BAD}-")
    assert one.id == certify("shop", week, dict(MADE_FROM), rows(), [PASSED]).id
    others = [
        certify("shop", week, MADE_FROM, rows(**{column: value}), [PASSED])
        for column, value in {
            "value": 6.0, "numerator": 6.0, "denominator": None, "entities": 6, "slice_value": "free", "slice": "plan",
            "metric": "orders", "role": "inputs",
        }.items()
    ]  # fmt: skip
    others += [
        certify("shop", week, {"north_star": "4567"}, rows(), [PASSED]),
        certify("shop", week, MADE_FROM, rows(), []),
        certify("shop", week, MADE_FROM, rows(), [PASSED.model_copy(update={"severity": "warning", "passed": False})]),
        certify("other", week, MADE_FROM, rows(), [PASSED]),
        certify("shop", pd.Timestamp(WEEKS[0]).date(), MADE_FROM, rows(), [PASSED]),
    ]
    assert len({one.id, *(other.id for other in others)}) == len(others) + 1


def test_what_failed_a_critical_gate_gets_no_certificate() -> None:
    week = pd.Timestamp(BAD).date()
    with pytest.raises(ValueError, match="value present"):
        certify("shop", week, MADE_FROM, rows(), [PASSED.model_copy(update={"passed": False})])


def test_a_certificate_gives_its_rows_back() -> None:
    week = pd.Timestamp(BAD).date()
    table = rows(value=0.1 + 0.2, denominator=None)
    again = certify("shop", week, MADE_FROM, table, [PASSED]).rows
    assert again.select(METRIC_ROWS.names).cast(METRIC_ROWS).equals(table)
