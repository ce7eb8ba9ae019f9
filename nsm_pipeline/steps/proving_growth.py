"""Whether published growth follows from the published values of the North Star.

What belongs here: growth computed anew from the rows beside it. What does not: those rows (`proving_numbers`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from nsm_pipeline.metrics.growth import LIFECYCLE, growth_series
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.proof import ANEW, Proof, Row, listed
from nsm_pipeline.weeks import WEEK

FROM_VALUES = ("value", "previous_value", "growth", "mean_growth_13_weeks", "goal", "attainment")
BY_TARGET = ("goal", "attainment")


def prove_growth(opened: Open, north_star: Sequence[Row], growth: Sequence[Row], proof: Proof) -> None:
    """Compute every use case's growth anew from the published values of its North Star."""
    totals: dict[str, dict[date, Row]] = defaultdict(dict)
    for row in north_star:
        if row["slice"] == "all":
            totals[row["use_case"]][row["week"]] = row
    published: dict[str, dict[date, Row]] = defaultdict(dict)
    for row in growth:
        published[row["use_case"]][row["week"]] = row
    for name in sorted(totals.keys() | published.keys()):
        wanted = _growth_anew(opened, name, totals[name], published[name])
        for week in sorted(wanted.keys() | published[name].keys()):
            _prove_growth_row(totals[name].get(week), published[name].get(week), wanted.get(week), proof)


def _growth_anew(opened: Open, name: str, totals: Mapping[date, Row], published: Mapping[date, Row]) -> dict[date, Row]:
    """Growth as it follows from published values, by the weeks that were complete then and the target of then."""
    complete = [week for week, row in published.items() if row["complete"]]
    use_case = opened.playbook.use_cases.get(name)
    target = use_case.growth_target if use_case is not None else 0.0
    targets = Counter(
        round(row["goal"] / row["previous_value"] - 1, 9)
        for row in published.values()
        if row["goal"] is not None and row["previous_value"]
    )
    if targets and round(target, 9) not in targets:
        ((target, _),) = targets.most_common(1)  # the playbook may have changed since
    values = [(week, row["value"]) for week, row in sorted(totals.items())]
    none: dict[date, dict[str, int]] = {week: dict.fromkeys(LIFECYCLE, 0) for week in totals}
    until = max(complete) + WEEK if complete else min(totals, default=date.min)
    return {row["week"]: row for row in growth_series(name, values, none, until, target).to_pylist()}


def _prove_growth_row(total: Row | None, found: Row | None, wanted: Row | None, proof: Proof) -> None:
    row = found or wanted
    assert row is not None
    what = f"growth of {row['use_case']} {row['week']}"
    if found is None or wanted is None or total is None:
        there = "no row in growth" if found is None else "a row in growth"
        problem = (there, "a row in growth wherever the North Star is published, and nowhere else")
    elif differing := [column for column in FROM_VALUES if not _same(column, found[column], wanted[column])]:
        problem = (listed(found, differing), f"{listed(wanted, differing)}, from the published values")
    elif found["certificate_id"] not in (None, total["certificate_id"]):
        problem = (f"certificate {found['certificate_id']}", f"{total['certificate_id']}, as in north_star")
    else:
        proof.numbers["flash" if found["certificate_id"] is None else "proved"] += 1
        return
    proof.numbers["refuted"] += 1
    proof.refute(f"extracts/current/growth.parquet: {what}", *problem, ANEW)


def _same(column: str, found: float | None, wanted: float | None) -> bool:
    if column in BY_TARGET and found is not None and wanted is not None:
        return abs(found - wanted) <= 1e-9 * abs(wanted)  # the target of then is known from the goals, but for rounding
    return found == wanted
