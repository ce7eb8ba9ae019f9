"""The gates: which expectation holds which column of which evidence frame, how severe, and in whose name.

What belongs here: the list of built-in and declared gates as values. What does not: what a declared gate may say
(`expectations`), running them (`judging`).
A gate of severity `critical` withholds the weeks it fails in; a `warning` is kept in the certificate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nsm_pipeline.certification.columns import EXACT
from nsm_pipeline.playbook.models import UseCase

GATES_VERSION = 4
# Kinds whose value is a number of something: never missing, never negative.
COUNTING = ("count", "count_distinct", "count_entities", "lifecycle")
ACROSS_ROWS = re.compile(r"unique|increasing|decreasing|z_score")
Severity = Literal["critical", "warning"]
CHECKS = {
    "rows_reconcile": "Every row of every file is accepted, a duplicate or quarantined; every landed row is used once.",
    "deliveries_are_sound": "The week's shares of quarantined, duplicate, late and unmapped rows are within tolerance.",
    "volume_is_usual": "The week's events against the median of the 8 weeks before.",
    "copies_agree": "The copies of a dual run, over the accounts that sent both: as many events, the same facts.",
    "properties_are_present": "Required properties are there, values are in the declared range.",
    "values_are_present": "The North Star has a value, counts are not negative, shares lie between 0 and 1.",
    "accounts_agree": "The North Star equals what account_weeks says and its formula; slices of what adds up do.",
    "growth_adds_up": "active = new + retained + resurrected, and its change = new + resurrected − churned.",
    "declared_gates": "Gates that the playbook declares.",
}


@dataclass(frozen=True)
class Gate:
    """One expectation over one frame. `check` groups gates under one asset check; `scope` filters the frame's rows."""

    name: str
    check: str
    frame: str
    expectation: str
    arguments: Mapping[str, Any]
    severity: Severity = "critical"
    scope: Mapping[str, object] = field(default_factory=dict)

    @property
    def looks_across(self) -> bool:
        """Whether its verdict on a row depends on other rows, and so on other weeks."""
        return bool(ACROSS_ROWS.search(self.expectation))

    def key(self) -> list[object]:
        return [self.name, self.frame, self.expectation, dict(self.arguments), self.severity, dict(self.scope)]


def gates_of(use_case: UseCase, in_account_weeks: bool) -> tuple[Gate, ...]:
    """The built-in gates with the use case's tolerances, then its declared ones. `in_account_weeks`: whether the North
    Star can be had from account_weeks too; where it cannot, a gate on that could not fail."""
    return (*_landing(use_case), *_copies(use_case), *_values(use_case, in_account_weeks), *_declared(use_case))


def _between(column: str, low: float | None, high: float | None) -> tuple[str, dict[str, Any]]:
    return "expect_column_values_to_be_between", {"column": column, "min_value": low, "max_value": high}


def _equal(one: str, other: str) -> tuple[str, dict[str, Any]]:
    return "expect_column_pair_values_to_be_equal", {"column_A": one, "column_B": other}


def _landing(use_case: UseCase) -> list[Gate]:
    limit = use_case.tolerances
    sound, present = "deliveries_are_sound", "properties_are_present"
    return [
        Gate("files reconcile", "rows_reconcile", "week", *_between("files_not_reconciled", 0, 0)),
        Gate("landed rows are used once", "rows_reconcile", "week", *_equal("landed", "accepted_and_duplicate")),
        Gate("share quarantined", sound, "week", *_between("share_quarantined", 0, limit.quarantined)),
        Gate("share duplicate", sound, "week", *_between("share_duplicate", 0, limit.duplicate)),
        Gate("share late", sound, "week", *_between("share_late", 0, limit.late), severity="warning"),
        Gate("share unmapped", sound, "week", *_between("share_unmapped", 0, limit.unmapped)),
        Gate(
            "volume against the trailing median",
            "volume_is_usual",
            "week",
            *_between("volume_ratio", limit.volume_low, limit.volume_high),
        ),
        Gate(
            "required properties present",
            present,
            "properties",
            *_between("share_missing", 0, limit.missing),
            scope={"required": True},
        ),
        Gate("properties in range", present, "properties", *_between("share_invalid", 0, limit.invalid)),
    ]


def _copies(use_case: UseCase) -> list[Gate]:
    """Gates on dual runs; none where no event says what makes two rows one fact, as there they could not fail."""
    if not any(event.same for event in use_case.events.values()):
        return []
    agree, limit = "copies_agree", use_case.tolerances.copies_bias
    return [
        Gate("copies of a dual run agree", agree, "copies", *_between("bias", 0, limit)),
        Gate("facts of a dual run match", agree, "copies", *_between("share_unmatched", 0, limit)),
    ]


def _values(use_case: UseCase, in_account_weeks: bool) -> list[Gate]:
    north_star = use_case.metrics[use_case.north_star.metric]
    values = "values_are_present"
    found = [
        Gate("shares between 0 and 1", values, role, *_between("value", 0, 1), scope={"is_share": True})
        for role in use_case.roles
    ]
    found += [
        Gate(
            "numerator at most denominator",
            values,
            role,
            "expect_column_pair_values_a_to_be_greater_than_b",
            {
                "column_A": "denominator",
                "column_B": "numerator",
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            },
            scope={"is_share": True},
        )
        for role in use_case.roles
    ]
    if north_star.kind in COUNTING or north_star.kind in ("sum", "attribute"):
        found.append(
            Gate("value present", values, "north_star", "expect_column_values_to_not_be_null", {"column": "value"})
        )
    if north_star.kind in COUNTING:
        found.append(Gate("value not negative", values, "north_star", *_between("value", 0, None)))
    agree, adds_up = "accounts_agree", "growth_adds_up"
    if in_account_weeks:
        found.append(Gate("North Star equals account_weeks", agree, "week", *_between("gap_to_accounts", 0, EXACT)))
    if use_case.formula is not None:
        found.append(Gate("formula reconciles", agree, "week", *_between("formula_gap", 0, EXACT)))
    return [
        *found,
        Gate("slices add up", agree, "slices", *_between("gap", 0, EXACT)),
        Gate("active is accounted for", adds_up, "week", *_equal("active", "new_retained_resurrected")),
        Gate("change is accounted for", adds_up, "week", *_equal("change_in_active", "gained_less_churned")),
    ]


def _declared(use_case: UseCase) -> list[Gate]:
    return [
        Gate(
            f"{declared.expectation.removeprefix('expect_').replace('_', ' ')} ({declared.metric or declared.table})",
            "declared_gates",
            declared.table,
            declared.expectation,
            declared.arguments,
            declared.severity,
            {"metric": declared.metric} if declared.metric else {},
        )
        for declared in use_case.gates
    ]
