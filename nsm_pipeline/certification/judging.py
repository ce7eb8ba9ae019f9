"""Running gates with Great Expectations over frames of weeks, and sorting what fails back to its week.

What belongs here: the one place that imports Great Expectations, which takes seconds: callers import this module
only when there is something to judge. What does not: which gates there are (`gates`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import pandas as pd

from nsm_pipeline.certification.evidence import Evidence
from nsm_pipeline.certification.expectations import COLUMN_ARGUMENTS
from nsm_pipeline.certification.gates import Gate
from nsm_pipeline.errors import PlaybookError, nearest

logging.getLogger("great_expectations").setLevel(logging.ERROR)


@dataclass(frozen=True)
class GateResult:
    """One gate in one week: whether it passed, how many rows it looked at, and the rows that failed."""

    gate: Gate
    week: str
    passed: bool
    rows: int
    failing: tuple[dict[str, object], ...]

    def to_json(self) -> dict[str, object]:
        return {
            "gate": self.gate.name,
            "check": self.gate.check,
            "table": self.gate.frame,
            "expectation": self.gate.expectation,
            "arguments": dict(self.gate.arguments),
            "severity": self.gate.severity,
            "passed": self.passed,
            "rows": self.rows,
            "failing": list(self.failing),
        }


def judge(evidence: Evidence, gates: Sequence[Gate], weeks: Sequence[str]) -> dict[str, list[GateResult]]:
    """Every gate's result per week. A gate that has no row in a week passes there with `rows` 0.

    Raises PlaybookError where a declared gate names a column or an argument that does not exist.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    # One asset for all frames, each handed over as its batch: with every other one the context writes itself anew.
    asset = context.data_sources.add_pandas("evidence").add_dataframe_asset("rows")
    rows_of_gates = asset.add_batch_definition_whole_dataframe("rows of some gates")
    results: dict[str, list[GateResult]] = {week: [] for week in weeks}
    for number, (frame_name, scope, group) in enumerate(_grouped(gates)):
        frame = _rows(evidence.frame(frame_name), dict(scope))
        frame = frame[frame["week"].isin(weeks)]
        counts = frame["week"].value_counts().to_dict()
        failing = _validate(rows_of_gates, f"group {number}", frame, group) if len(frame) else [[] for _ in group]
        for gate, rows in zip(group, failing, strict=True):
            by_week: dict[str, list[dict[str, object]]] = {}
            for row in rows:
                by_week.setdefault(str(row["week"]), []).append(row)
            for week in weeks:
                bad = tuple(by_week.get(week, ()))
                results[week].append(GateResult(gate, week, not bad, counts.get(week, 0), bad))
    order = {id(gate): place for place, gate in enumerate(gates)}
    for found in results.values():
        found.sort(key=lambda result: order[id(result.gate)])
    return results


def _grouped(gates: Sequence[Gate]) -> list[tuple[str, tuple[tuple[str, object], ...], list[Gate]]]:
    groups: dict[tuple[str, tuple[tuple[str, object], ...]], list[Gate]] = {}
    for gate in gates:
        groups.setdefault((gate.frame, tuple(gate.scope.items())), []).append(gate)
    return [(frame, scope, group) for (frame, scope), group in groups.items()]


def _rows(frame: pd.DataFrame, scope: dict[str, object]) -> pd.DataFrame:
    for column, value in scope.items():
        frame = frame[frame[column] == value]
    return frame.reset_index(drop=True)


def _validate(rows: Any, name: str, frame: pd.DataFrame, gates: Sequence[Gate]) -> list[list[dict[str, object]]]:
    """Rows that fail each gate, by Great Expectations. `rows`: the definition of a batch that is a frame."""
    batch = rows.get_batch({"dataframe": frame})
    keys = [key for key in ("week", "metric", "slice", "event", "property") if key in frame.columns]
    suite = gx.ExpectationSuite(name=name, expectations=[_expectation(*item, frame) for item in enumerate(gates)])
    outcome = batch.validate(suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": keys})
    by_place = {result.expectation_config.meta["place"]: result for result in outcome.results}
    failing = []
    for place, gate in enumerate(gates):
        result = by_place[place]
        found = result.result.get("unexpected_index_list") or ()
        if not result.success and not found:
            raise PlaybookError(f"gates: '{gate.name}' cannot be judged: {_raised(result.exception_info)}")
        failing.append([_plain(row) for row in found])
    return failing


def _raised(info: dict[str, Any] | None) -> str:
    """What went wrong inside Great Expectations, which tells it once, or once per metric it tried to compute."""
    said = [info] if info and "exception_message" in info else (info or {}).values()
    messages = [str(one["exception_message"]) for one in said if one.get("exception_message")]
    return messages[0].splitlines()[0] if messages else "it names no row that fails."


def _expectation(place: int, gate: Gate, frame: pd.DataFrame) -> Any:
    for key in COLUMN_ARGUMENTS:
        column = gate.arguments.get(key)
        if column is not None and column not in frame.columns:
            raise PlaybookError(f"gates: '{gate.name}': {key}: found '{column}'; {nearest(str(column), frame.columns)}")
    kind = getattr(gx.expectations, "".join(part.capitalize() for part in gate.expectation.split("_")), None)
    if kind is None:
        raise PlaybookError(f"gates: found '{gate.expectation}', which Great Expectations does not know.")
    for name in gate.arguments:
        if name not in kind.__fields__:
            raise PlaybookError(f"gates: '{gate.name}': found the argument '{name}'; {nearest(name, kind.__fields__)}")
    try:
        return kind(**gate.arguments, severity=gate.severity, meta={"place": place})
    except ValueError as error:
        raise PlaybookError(f"gates: '{gate.name}': {str(error).splitlines()[-1].strip()}") from None


def _plain(row: dict[str, object]) -> dict[str, object]:
    """A failing row with JSON's own types, and no NaN."""
    plain: dict[str, object] = {}
    for key, value in row.items():
        item = value.item() if hasattr(value, "item") else value
        plain[str(key)] = None if isinstance(item, float) and item != item else item
    return plain
