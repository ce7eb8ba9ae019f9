"""The small frames that gates judge: a row per week (and metric, or property), never the events themselves.

What belongs here: turning weekly tables into evidence. What does not: thresholds and verdicts (`gates`, `judging`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import median

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.certification.columns import EXACT
from nsm_pipeline.lake import digest
from nsm_pipeline.playbook.formulas import evaluate, operands, parse_identity
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.weeks import WEEK

COPIES_FROM = 100
"""Events from which on copies are judged."""
VOLUME_OVER = 8
VOLUME_AFTER = 4
COPIES_COLUMNS = ["week", "event", "source", "rows_both", "preferred_rows_both", "bias", "share_unmatched"]


@dataclass(frozen=True)
class Evidence:
    """One use case's frames, each with a `week` column (ISO text).

    `week`: one row per week: shares of rows, volume, the North Star twice and by its formula, growth accounting, both
    sides of each identity. `metrics`: per week, role and metric, totals only. `slices`: per week, metric and slice of
    metrics that add up: total and sum over slices. `properties`: per week, event and property: shares missing and
    invalid. `copies`: per week with a dual run, event and source beside the preferred one: how far their copies are
    apart.
    """

    week: pd.DataFrame
    metrics: pd.DataFrame
    slices: pd.DataFrame
    properties: pd.DataFrame
    copies: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COPIES_COLUMNS))

    def frame(self, name: str) -> pd.DataFrame:
        frames = {"week": self.week, "growth": self.week, "slices": self.slices, "properties": self.properties}
        frames["copies"] = self.copies
        return frames[name] if name in frames else self.metrics[self.metrics["role"] == name]

    def marks(self) -> dict[str, str]:
        """What the verdict on each week rests on, in short: equal where all the week's rows are."""
        rows: dict[str, list[int]] = {}
        for frame in (self.week, self.metrics, self.slices, self.properties, self.copies):
            hashes = pd.util.hash_pandas_object(frame, index=False).to_list() if len(frame) else []
            for week, value in zip(frame["week"].to_list() if len(frame) else [], hashes, strict=True):
                rows.setdefault(week, []).append(value)
        return {week: digest(values) for week, values in rows.items()}


def gather(
    use_case: UseCase,
    landed: Mapping[date, Mapping[str, object]],
    quality: pa.Table,
    metrics: pa.Table,
    growth: pa.Table,
    from_accounts: Mapping[date, float | None] | None,
    adds_up: frozenset[str],
    untouched: Mapping[date, int],
    copies: pa.Table,
) -> Evidence:
    """Evidence on the weeks of `landed` from a use case's tables.

    `landed`: rows of week_evidence by week; `untouched`: per week, files whose rows do not reconcile. `growth` and
    `quality` are of all weeks, as they lie there, so that what was usual before a week is known even while the weeks
    before it are out of date.
    """
    events = _events_per_week(use_case, quality)
    rows = growth.to_pylist()
    weeks = [{**_week_row(row, rows[place - 1] if place else None, landed, events, from_accounts, untouched),
              **_volume([events.get(one["week"], 0) for one in rows[max(0, place - VOLUME_OVER) : place + 1]])}
             for place, row in enumerate(rows) if row["week"] in landed]  # fmt: skip
    _add_formula(use_case, weeks, metrics)
    frame = metrics.to_pandas()
    frame["week"] = frame["week"].astype(str)
    totals = frame[frame["slice"] == "all"].reset_index(drop=True)
    units = {name: metric.unit for name, metric in use_case.metrics.items()}
    totals["is_share"] = [units[name] == "share" for name in totals["metric"]]
    return Evidence(
        pd.DataFrame(weeks), totals, _slices(frame, adds_up), _properties(use_case, quality, landed), _copies(copies)
    )


def _week_row(
    row: Mapping[str, object],
    before: Mapping[str, object] | None,
    landed: Mapping[date, Mapping[str, object]],
    events: Mapping[date, int],
    from_accounts: Mapping[date, float | None] | None,
    untouched: Mapping[date, int],
) -> dict[str, object]:
    week = row["week"]
    assert isinstance(week, date)
    counts = {name: _int(value) for name, value in landed[week].items() if name not in ("week", "snapshot")}
    seen = counts["landed"] + counts["quarantined"]
    follows = before is not None and before["week"] == week - WEEK
    active_before = _int(before["active"]) if before and follows else 0
    return {
        "week": week.isoformat(),
        "complete": row["complete"],
        "landed": counts["landed"],
        "accepted_and_duplicate": counts["accepted"] + counts["duplicate"],
        "files_not_reconciled": untouched.get(week, 0),
        "share_quarantined": _share(counts["quarantined"], seen),
        "share_duplicate": _share(counts["duplicate"], counts["landed"]),
        "share_late": _share(counts["late"], counts["accepted"]),
        "share_unmapped": _share(counts["unmapped"], counts["accepted"]),
        "events": events.get(week, 0),
        "value": row["value"],
        "value_from_accounts": _or_zero(from_accounts, week, row["value"]),
        "gap_to_accounts": _gap(row["value"], _or_zero(from_accounts, week, row["value"])),
        "growth": row["growth"],
        "attainment": row["attainment"],
        **{name: _int(row[name]) for name in ("active", "new", "retained", "resurrected", "churned")},
        "new_retained_resurrected": sum(_int(row[name]) for name in ("new", "retained", "resurrected")),
        "change_in_active": _int(row["active"]) - active_before,
        "gained_less_churned": _int(row["new"]) + _int(row["resurrected"]) - _int(row["churned"]),
    }


def _or_zero(values: Mapping[date, float | None] | None, week: date, value: object) -> object:
    """What account_weeks says; the value itself where its kind does not add up over accounts."""
    return value if values is None else values.get(week, None if value is None else 0.0)


def _gap(value: object, other: object) -> float | None:
    if value is None and other is None:
        return None
    return abs(float(str(value or 0)) - float(str(other or 0)))


def _volume(events: Sequence[int]) -> dict[str, object]:
    """`volume_ratio`: events of the last week ÷ the median of the up to 8 weeks before; none until 4 of them exist."""
    *before, now = events
    usual = median(before) if len(before) >= VOLUME_AFTER else 0
    return {"usual_events": usual or None, "volume_ratio": now / usual if usual else None}


def _add_formula(use_case: UseCase, weeks: Sequence[dict[str, object]], metrics: pa.Table) -> None:
    """`value_from_formula`: what `formula` makes of the week's operands; `formula_gap`: how far that is from the metric
    that it stands for, as a share of the larger. No gap where one of the metrics is not judged in the week, or where
    neither has a value; a metric that has one though its formula has none is wholly apart from it, unless it is 0, as
    0 is of nothing to divide by."""
    for row in weeks:
        row["value_from_formula"] = row["formula_gap"] = None
    if use_case.formula is None:
        return
    name, tree = parse_identity(use_case.formula)
    names = [name, *operands(tree)]
    wanted = pc.and_(pc.equal(metrics["slice"], "all"), pc.is_in(metrics["metric"], pa.array(names)))
    found: dict[str, dict[str, float | None]] = {}
    for one in metrics.filter(wanted).select(["week", "metric", "value"]).to_pylist():
        found.setdefault(one["week"].isoformat(), {})[one["metric"]] = one["value"]
    for row in weeks:
        values = found.get(str(row["week"]), {})
        if set(names) <= values.keys():
            value, made = values[name], evaluate(tree, values)
            row["value_from_formula"], row["formula_gap"] = made, _apart(value, made)


def _apart(value: float | None, made: float | None) -> float | None:
    if value is None and made is None:
        return None
    largest = max(abs(value or 0.0), abs(made or 0.0))
    # A difference of equal numbers is seldom quite 0, and a share of what is left of it means nothing.
    return abs((value or 0.0) - (made or 0.0)) / largest if largest > EXACT else 0.0


def _events_per_week(use_case: UseCase, quality: pa.Table) -> dict[date, int]:
    """Events that make accounts active, per week: of all accounts, internal ones included."""
    found: dict[date, int] = {}
    of_events = quality.filter(pc.is_null(quality["property"]))
    for row in of_events.select(["week", "event", "rows"]).to_pylist():
        if row["event"] in use_case.active_events:
            found[row["week"]] = found.get(row["week"], 0) + row["rows"]
    return found


def _properties(use_case: UseCase, quality: pa.Table, landed: Collection[date]) -> pd.DataFrame:
    of_properties = quality.filter(pc.is_valid(quality["property"]))
    rows = [
        {
            "week": row["week"].isoformat(),
            "event": row["event"],
            "property": row["property"],
            "required": use_case.events[row["event"]].properties[row["property"]].required,
            "rows": row["rows"],
            "share_missing": _share(row["missing"], row["rows"]),
            "share_invalid": _share(row["invalid"], row["rows"]),
        }
        for row in of_properties.select(["week", "event", "property", "rows", "missing", "invalid"]).to_pylist()
        if row["week"] in landed
    ]
    columns = ["week", "event", "property", "required", "rows", "share_missing", "share_invalid"]
    return pd.DataFrame(rows, columns=columns)


def _copies(copies: pa.Table) -> pd.DataFrame:
    """`bias`: how many more or fewer events a source has than the preferred one, as a share of the latter's;
    `share_unmatched`: of the fewer events, those that are not matched. Both of accounts that sent both, from
    COPIES_FROM events on."""
    rows = []
    for row in copies.to_pylist():
        mine, preferred = row["rows_both"], row["preferred_rows_both"]
        judged = not row["preferred"] and min(mine, preferred) >= 1 and max(mine, preferred) >= COPIES_FROM
        rows.append(
            {
                "week": row["week"].isoformat(), "event": row["event"], "source": row["source"], "rows_both": mine,
                "preferred_rows_both": preferred,
                "bias": abs(mine - preferred) / preferred if judged else None,
                "share_unmatched": max(0.0, 1 - row["matched"] / min(mine, preferred)) if judged else None,
            }
        )  # fmt: skip
    found = pd.DataFrame([row for row in rows if row["bias"] is not None], columns=COPIES_COLUMNS)
    return found.reset_index(drop=True)


def _slices(metrics: pd.DataFrame, adds_up: frozenset[str]) -> pd.DataFrame:
    # An outcome with another role stands there twice, with equal values.
    additive = metrics[metrics["metric"].isin(adds_up)].drop_duplicates(["week", "metric", "slice", "slice_value"])
    totals = additive[additive["slice"] == "all"].set_index(["week", "metric"])["value"]
    parts = additive[additive["slice"] != "all"].groupby(["week", "metric", "slice"], sort=True)["value"].sum()
    frame = parts.rename("sum_of_slices").reset_index()
    keys = pd.MultiIndex.from_frame(frame[["week", "metric"]])
    frame["total"] = totals.reindex(keys).to_numpy()
    frame["gap"] = (frame["sum_of_slices"] - frame["total"]).abs()
    return frame


def _share(part: object, whole: object) -> float | None:
    return _int(part) / _int(whole) if _int(whole) else None


def _int(value: object) -> int:
    return 0 if value is None else int(str(value))
