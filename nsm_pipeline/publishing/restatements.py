"""The restatement ledger: every published value that ever changed, what kind of change it was, and why.

What belongs here: tolerance, kinds of changes, the ledger's rows; all of it pure. What does not: finding the changes
(`changes`), why the data changed and who may restate (`steps`), files (`extracts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.publishing.changes import METRIC_TABLES, Change, Key, Tables, changes, ledger_of
from nsm_pipeline.publishing.record import instant_text
from nsm_pipeline.publishing.tables import GROWTH, RESTATEMENTS

__all__ = ["Change", "Explain", "Why", "baselines", "beyond", "changes", "continued", "kinds", "ledger_of", "restated"]
AS_A_MATTER_OF_COURSE = ("flash", "settling")
CROSSED = "another limit of small groups"


@dataclass(frozen=True)
class Why:
    """What has changed below the values of a week, and for a restatement the words and name of who asked for it."""

    cause: str = ""
    reason: str = ""
    by: str = ""


Explain = Callable[[str, date], Why]
"""Why the values of a use case and week are not those shown before."""


def unexplained(_use_case: str, _week: date) -> Why:
    return Why()


def beyond(baseline: float | None, new: float | None, total: float | None, tolerance: float) -> bool:
    """Whether a value lies further from its baseline than a share of it, or for a slice of the larger of its own and
    the total's baseline. A total has no other: None; from or to no value at all is always beyond for it. A slice that
    comes or goes counts from or to 0."""
    if total is not None:
        baseline, new = baseline or 0.0, new or 0.0
    if baseline is None or new is None:
        return baseline is not new
    return abs(new - baseline) > tolerance * max(abs(baseline), abs(total or 0.0))


def baselines(ledger: pa.Table, weeks: set[tuple[str, date]]) -> dict[Key, float | None]:
    """For values that have changed within tolerance since they became final or were last restated: what they were
    then. Any other value is its own baseline."""
    found: dict[Key, float | None] = {}
    for row in _rows_of(ledger, weeks):
        key = (row["table"], row["use_case"], row["metric"], row["week"], row["slice"], row["slice_value"])
        if row["kind"] == "within_tolerance":
            found.setdefault(key, row["old"])
        else:
            found.pop(key, None)
    return found


def kinds(found: Sequence[Change], before: Tables, tolerance: float) -> list[str]:
    """What kind of change each is: flash, settling, within_tolerance, restatement, added or small_group.

    Growth follows the values it is made from: it is restated where one of them is, of its own week or an earlier, and
    else added where one of them is.
    """
    weeks = {(one.use_case, one.week) for one in found}
    bases = baselines(ledger_of(before), weeks)
    totals = _totals(before, weeks)

    def kind(one: Change) -> str:
        if "flash" in (one.stage, one.old_state) or (one.old_state is None and one.new_state == "flash"):
            return "flash"
        if one.stage == "settling":
            return "settling"
        if one.is_new:
            return "added"
        if one.is_suppressed:
            return "small_group"
        total = None
        if one.slice != "all":
            key = (*one.key[:4], "all", "all")
            total = bases.get(key, totals.get(key))
        is_beyond = beyond(bases.get(one.key, one.old), one.new, total, tolerance)
        return "restatement" if is_beyond else "within_tolerance"

    of_metrics = {one.key: kind(one) for one in found if one.table != "growth"}
    first: dict[tuple[str, str], date] = {}
    for one in found:
        if one.key in of_metrics:
            of = (of_metrics[one.key], one.use_case)
            first[of] = min(one.week, first.get(of, one.week))

    def of_growth(one: Change) -> str:
        mine = kind(one)
        if mine not in ("restatement", "within_tolerance"):
            return mine
        followed = (of for of in ("restatement", "added") if first.get((of, one.use_case), date.max) <= one.week)
        return next(followed, "within_tolerance")

    return [of_metrics[one.key] if one.table != "growth" else of_growth(one) for one in found]


def restated(before: pa.Table, after: pa.Table, ledger: pa.Table, tolerance: float) -> list[Change]:
    """Which values of final weeks would change beyond tolerance, from metric rows of some weeks (METRIC_KEY, role,
    value, suppressed) as published and as they would be, and the ledger so far."""
    old, new = _by_role(before), _by_role(after)
    shown = {**old, RESTATEMENTS.name: ledger}
    found = [replace(one, stage="final") for one in changes(shown, new)]
    judged = zip(found, kinds(found, shown, tolerance), strict=True)
    return [one for one, kind in judged if kind == "restatement"]


def _by_role(rows: pa.Table) -> Tables:
    found = {name: rows.filter(pc.equal(rows["role"], name)) for name in METRIC_TABLES}
    return {**found, "growth": GROWTH.schema.empty_table()}


def continued(before: Tables, after: Tables, number: int, at: datetime, explain: Explain, tolerance: float) -> pa.Table:
    """The ledger up to and including the publication of this number: what stood there, and a row per change."""
    ledger = ledger_of(before)
    found = changes(before, after)
    if not found:
        return ledger
    last = pc.max(ledger["number"]).as_py() or 0
    why = _explained(found, explain)
    rows = [
        {
            **{name: getattr(one, name) for name in RESTATEMENTS.schema.names if hasattr(one, name)},
            "number": place,
            "kind": kind,
            "cause": reason.cause or (CROSSED if one.is_suppressed else ""),
            "reason": reason.reason if kind not in AS_A_MATTER_OF_COURSE else "",
            "by": reason.by if kind not in AS_A_MATTER_OF_COURSE else "",
            "version": f"{number:06d}",
            "at": instant_text(at),
        }
        for place, (one, kind, reason) in enumerate(
            zip(found, kinds(found, before, tolerance), why, strict=True), start=last + 1
        )
    ]
    return pa.concat_tables([ledger, pa.Table.from_pylist(rows, RESTATEMENTS.schema)])


def _explained(found: Sequence[Change], explain: Explain) -> list[Why]:
    """Growth is explained by the newest changed week that it can be made from: its own, or an earlier."""
    weeks: dict[str, list[date]] = {}
    for one in found:
        if one.table != "growth":
            weeks.setdefault(one.use_case, []).append(one.week)

    def of(one: Change) -> Why:
        made_from = (week for week in weeks.get(one.use_case, ()) if week <= one.week)
        return explain(one.use_case, max(made_from, default=one.week) if one.table == "growth" else one.week)

    return [of(one) for one in found]


def _rows_of(table: pa.Table, weeks: set[tuple[str, date]]) -> list[dict[str, Any]]:
    """Rows of some use cases and weeks."""
    near = table.filter(pc.is_in(table["week"], pa.array([week for _, week in weeks], pa.date32())))
    return [row for row in near.to_pylist() if (row["use_case"], row["week"]) in weeks]


def _totals(tables: Tables, weeks: set[tuple[str, date]]) -> dict[Key, float | None]:
    found: dict[Key, float | None] = {}
    for name in METRIC_TABLES:
        table = tables.get(name)
        if table is None:
            continue
        for row in _rows_of(table.filter(pc.equal(table["slice"], "all")), weeks):
            found[name, row["use_case"], row["metric"], row["week"], "all", "all"] = row["value"]
    return found
