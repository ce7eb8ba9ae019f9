"""The whole series of one use case: growth, goals, and new, retained, resurrected and churned accounts.

What belongs here: everything that needs more than one week. What does not: verdicts, files. Recomputed in full
from the weekly tables each time, so that a restated old week never leaves a newer one inconsistent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.metrics.measures import Measure
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.weeks import WEEK

GROWTH_VERSION = 1
MEAN_OVER = 13
GROWTH = pa.schema(
    [
        ("use_case", pa.string()),
        ("week", pa.date32()),
        ("complete", pa.bool_()),
        ("value", pa.float64()),
        ("previous_value", pa.float64()),
        ("growth", pa.float64()),
        ("mean_growth_13_weeks", pa.float64()),
        ("active", pa.int64()),
        ("new", pa.int64()),
        ("retained", pa.int64()),
        ("resurrected", pa.int64()),
        ("churned", pa.int64()),
        ("new_by_creation", pa.int64()),
        ("retained_by_creation", pa.int64()),
        ("unknown_creation", pa.int64()),
        ("goal", pa.float64()),
        ("attainment", pa.float64()),
    ]
)
ACCOUNT_WEEKS = pa.schema([("week", pa.date32()), ("account_id", pa.string()), ("created_on", pa.date32())])
"""What of account_weeks says who is new, who has stayed and who has come back."""
LIFECYCLE = ("active", "new", "retained", "resurrected", "new_by_creation", "unknown_creation")


def growth_series(
    use_case: str,
    values: Sequence[tuple[date, float | None]],
    lifecycle: Mapping[date, Mapping[str, int]],
    current: date,
    target: float,
) -> pa.Table:
    """GROWTH, one row per week in order. `values`: the North Star per week; `lifecycle`: counts per week.

    growth = value ÷ the week before's − 1. The mean is over the growth of the 13 complete weeks before the row's
    week. goal = the week before's value × (1 + target); attainment = value ÷ goal. The week in progress has no
    growth and enters no mean; its attainment is its progress so far. No value where a divisor is missing or 0.
    new: first active week ever; retained: active in the week before too; resurrected: active earlier, not in the
    week before; churned: active in the week before, not now. By creation: created in the week, or before it.
    """
    rows: list[dict[str, object]] = []
    growths: list[float | None] = []
    before: tuple[date, float | None, int] | None = None
    for week, value in values:
        counts = lifecycle.get(week, dict.fromkeys(LIFECYCLE, 0))
        follows = before is not None and before[0] == week - WEEK
        previous = before[1] if before and follows else None
        active_before = before[2] if before and follows else 0
        complete = week < current
        growth = value / previous - 1 if complete and value is not None and previous else None
        goal = previous * (1 + target) if previous is not None else None
        recent = [item for item in growths[-MEAN_OVER:] if item is not None]
        rows.append(
            {
                "use_case": use_case,
                "week": week,
                "complete": complete,
                "value": value,
                "previous_value": previous,
                "growth": growth,
                "mean_growth_13_weeks": sum(recent) / len(recent) if recent else None,
                **{name: counts[name] for name in ("active", "new", "retained", "resurrected")},
                "churned": active_before - counts["retained"],
                "new_by_creation": counts["new_by_creation"],
                "retained_by_creation": counts["active"] - counts["new_by_creation"] - counts["unknown_creation"],
                "unknown_creation": counts["unknown_creation"],
                "goal": goal,
                "attainment": value / goal if value is not None and goal else None,
            }
        )
        if complete:
            growths.append(growth)
        before = (week, value, counts["active"])
    return pa.Table.from_pylist(rows, GROWTH)


def lifecycle_counts(account_weeks: pa.Table) -> dict[date, dict[str, int]]:
    """LIFECYCLE counts per week from rows of ACCOUNT_WEEKS, an account once a week; weeks without one are absent.

    In memory, not in DuckDB: there the joins of years of weeks with themselves take ten times as long.
    """
    rows = account_weeks.combine_chunks()
    week = rows["week"].cast(pa.int32()).to_numpy()
    account = pc.index_in(rows["account_id"], pc.unique(rows["account_id"])).to_numpy()
    order = np.lexsort((week, account))
    follows = np.zeros(len(order), bool)  # on a row of the same account, which is then that of its last active week
    follows[order[1:]] = account[order[1:]] == account[order[:-1]]
    was_active = np.zeros(len(order), bool)
    was_active[order[1:]] = follows[order[1:]] & (week[order[1:]] - week[order[:-1]] == WEEK.days)
    counted = {
        "active": np.ones(len(order), bool),
        "new": ~follows,
        "retained": was_active,
        "resurrected": follows & ~was_active,
        "new_by_creation": _where(pc.greater_equal(rows["created_on"], rows["week"])),
        "unknown_creation": _where(pc.is_null(rows["created_on"])),
    }
    weeks, place = np.unique(week, return_inverse=True)
    counts = {name: np.bincount(place[which], minlength=len(weeks)).tolist() for name, which in counted.items()}
    days: list[date] = pa.array(weeks, pa.date32()).to_pylist()
    return {day: {name: counts[name][at] for name in LIFECYCLE} for at, day in enumerate(days)}


def _where(flags: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(flags.fill_null(False).to_numpy(), bool)


def is_in_account_weeks(plan: UseCasePlan) -> bool:
    """Whether account_weeks says the North Star too: it does where its parts add up over accounts, within the week."""
    return _account_parts(plan) is not None


def _account_parts(plan: UseCasePlan) -> tuple[Measure, Measure | None] | None:
    """The North Star's value, or numerator and denominator, where account_weeks has columns for them."""
    north_star, kept = plan.plans[0], set(plan.account_columns.values())
    value, divisor = north_star.value, north_star.denominator if north_star.divides else None
    if not isinstance(value, Measure) or value not in kept:
        return None
    if divisor is None:
        return value, None
    return (value, divisor) if isinstance(divisor, Measure) and divisor in kept else None


def north_star_from_accounts(
    connection: duckdb.DuckDBPyConnection, plan: UseCasePlan, files: Sequence[str]
) -> dict[date, float | None] | None:
    """The North Star per week as account_weeks says it; None where it does not."""
    parts = _account_parts(plan)
    if not files or parts is None:
        return None
    numerator, denominator = parts
    columns = {measure: name for name, measure in plan.account_columns.items()}
    names = [columns[measure] for measure in (numerator, denominator) if measure is not None]
    rows = ibis.table({"week": "date", **dict.fromkeys(names, "float64")}, name="account_weeks")
    totals = {"numerator": _over(rows, columns[numerator], numerator)}
    if denominator is not None:
        totals["denominator"] = _over(rows, columns[denominator], denominator)
    selected = ", ".join(f'"{name}"' for name in ("week", *dict.fromkeys(names)))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE account_weeks AS SELECT {selected} FROM read_parquet($files)",
        {"files": list(files)},
    )
    found = connection.execute(str(ibis.to_sql(rows.group_by("week").agg(**totals), dialect="duckdb"))).fetchall()
    connection.execute("DROP TABLE account_weeks")
    if denominator is None:
        return {week: float(total) for week, total in found}
    return {week: float(total) / float(divisor) if divisor else None for week, total, divisor in found}


def _over(rows: ir.Table, name: str, measure: Measure) -> ir.Value:
    if measure.how == "account":
        return rows.count(where=rows[name] > 0)
    return rows[name].sum().fill_null(0)
