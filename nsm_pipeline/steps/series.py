"""The steps over a use case's whole series: growth, and the verdict of the gates on every complete week.

What belongs here: reading all weeks of small tables, storing growth, verdicts and full validation results. What
does not: the arithmetic (`metrics.growth`), the gates (`certification`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import BaseModel, ConfigDict

from nsm_pipeline.certification.evidence import Evidence, gather
from nsm_pipeline.certification.gates import GATES_VERSION, gates_of
from nsm_pipeline.events.quality import QUALITY
from nsm_pipeline.lake import digest, json_text, write_text
from nsm_pipeline.metrics.growth import growth_series, lifecycle_counts, north_star_from_accounts
from nsm_pipeline.metrics.measures import ROLES
from nsm_pipeline.metrics.weekly import METRIC_ROWS
from nsm_pipeline.steps.opening import Open


class GateOutcome(BaseModel):
    """A gate's outcome in one week, as kept in the verdict."""

    model_config = ConfigDict(frozen=True)
    gate: str
    check: str
    table: str
    severity: str
    passed: bool
    found: str = ""


class Verdicts(BaseModel):
    """A use case's verdict on every complete week; `key` says what it was given on."""

    key: str
    weeks: dict[date, list[GateOutcome]]

    def failed(self, week: date, severity: str = "critical") -> list[GateOutcome]:
        return [one for one in self.weeks.get(week, []) if not one.passed and one.severity == severity]


def read_weeks(opened: Open, table: str, name: str, weeks: Sequence[date], schema: pa.Schema) -> pa.Table:
    """One small table over many weeks; weeks without a file are left out."""
    files = [str(file) for week in weeks if (file := opened.lake.file(table, name, week)).is_file()]
    return ds.dataset(files, schema=schema, format="parquet").to_table() if files else schema.empty_table()


def run_growth(opened: Open, name: str) -> pa.Table:
    """Recompute a use case's growth from its weekly tables, under a lock so that the last run sees them all."""
    with opened.home.lock(f"growth-{name}"):
        weeks = [week for week in opened.weeks if opened.lake.exists("north_star", name, week)]
        rows = read_weeks(opened, "north_star", name, weeks, METRIC_ROWS).to_pylist()
        values = [(row["week"], row["value"]) for row in rows if row["slice"] == "all"]
        counts = _on_one(opened, lambda connection: lifecycle_counts(connection, _account_files(opened, name)))
        target = opened.plans[name].use_case.growth_target
        table = growth_series(name, sorted(values), counts, opened.calendar.current(), target)
        opened.lake.write(table, opened.growth_fingerprint(name), "growth", name)
        return table


def _account_files(opened: Open, name: str) -> list[str]:
    return [str(file) for week in opened.weeks if (file := opened.lake.file("account_weeks", name, week)).is_file()]


def _on_one(opened: Open, work: Any) -> Any:
    (result,) = opened.engine.map(lambda connection, _: work(connection), [None])
    return result


def verdict_file(opened: Open, name: str) -> Path:
    return opened.home.lake / "verdicts" / f"{name}.json"


def load_verdicts(opened: Open, name: str) -> Verdicts | None:
    """The stored verdicts, None where there are none."""
    file = verdict_file(opened, name)
    return Verdicts.model_validate_json(file.read_bytes()) if file.is_file() else None


def judged_weeks(opened: Open, name: str) -> list[date]:
    """Complete weeks whose tables are all as they should be now."""
    stale_usage = {week for week in opened.complete_weeks if "evidence" in opened.usage.stale(week)}
    return [week for week in opened.complete_weeks if week not in stale_usage and not opened.stale_tables(name, week)]


def evidence_key(opened: Open, name: str, weeks: Sequence[date]) -> str:
    """What a use case's verdicts rest on, from fingerprints alone."""
    use_case = opened.playbook.use_cases[name]
    tables = [
        [str(week), opened.usage.evidence_fingerprint(week), opened.usage.quality_fingerprint(use_case, week)]
        for week in weeks
    ]
    gates = [gate.key() for gate in gates_of(use_case)]
    growth = opened.growth_fingerprint(name)
    return digest(GATES_VERSION, tables, gates, growth, sorted(_unreconciled(opened).items()))


def run_gates(opened: Open, name: str) -> Verdicts:
    """The verdict on every complete, up-to-date week; judged anew only where something it rests on has changed."""
    if opened.lake.fingerprint("growth", name) != opened.growth_fingerprint(name):
        run_growth(opened, name)  # a backfill judges its weeks before the unpartitioned growth has its turn
    weeks = judged_weeks(opened, name)
    key = evidence_key(opened, name, weeks)
    stored = load_verdicts(opened, name)
    if stored is not None and stored.key == key:
        return stored
    from nsm_pipeline.certification.judging import judge  # takes seconds to import: only where there is work

    use_case = opened.playbook.use_cases[name]
    results = judge(gather_evidence(opened, name, weeks), gates_of(use_case), [week.isoformat() for week in weeks])
    outcome: dict[date, list[GateOutcome]] = {}
    for week in weeks:
        found = results[week.isoformat()]
        validation = {"use_case": name, "week": week.isoformat(), "results": [result.to_json() for result in found]}
        _write_if_changed(opened.home.lake / "validations" / name / f"{week}.json", validation)
        outcome[week] = [
            GateOutcome(
                gate=result.gate.name, check=result.gate.check, table=result.gate.frame,
                severity=result.gate.severity, passed=result.passed, found=_found(result.failing),
            )
            for result in found
        ]  # fmt: skip
    verdicts = Verdicts(key=key, weeks=outcome)
    write_text(verdict_file(opened, name), verdicts.model_dump_json())
    return verdicts


def gather_evidence(opened: Open, name: str, weeks: Sequence[date]) -> Evidence:
    """Read the evidence of some weeks of a use case from the lake."""
    plan = opened.plans[name]
    wanted = set(weeks)
    growth = opened.lake.read("growth", name)
    growth = growth.filter(pa.array([week in wanted for week in growth["week"].to_pylist()], pa.bool_()))
    landed = {}
    for file in (opened.lake.file("week_evidence", week) for week in weeks):
        (row,) = ds.dataset(file, format="parquet").to_table().to_pylist()
        landed[row["week"]] = row
    quality = [_with_week(opened.lake.read("event_quality", name, week), week) for week in weeks]
    metrics = pa.concat_tables(
        [METRIC_ROWS.empty_table(), *(read_weeks(opened, role, name, weeks, METRIC_ROWS) for role in ROLES)]
    )
    files = [str(opened.lake.file("account_weeks", name, week)) for week in weeks]

    def from_accounts(connection: duckdb.DuckDBPyConnection) -> dict[date, float | None] | None:
        return north_star_from_accounts(connection, plan, files)

    adds_up = frozenset(one.metric for one in plan.plans if one.adds_up)
    return gather(
        plan.use_case,
        landed,
        pa.concat_tables([_with_week(QUALITY.empty_table(), date.min), *quality]),
        metrics,
        growth,
        _on_one(opened, from_accounts),
        adds_up,
        _unreconciled(opened),
    )


def _with_week(table: pa.Table, week: date) -> pa.Table:
    return table.append_column("week", pa.array([week] * table.num_rows, pa.date32()))


def _unreconciled(opened: Open) -> Counter[date]:
    """Per week, files whose accepted, duplicate and quarantined rows are not its rows."""
    broken: Counter[date] = Counter()
    for row in opened.ledger.rows():
        if row.kind == "events" and row.state in ("read", "redelivered") and not row.reconciles:
            broken.update(opened.calendar.week_of_day(week) for week in opened.ledger.contents[row.content].parts)
    return broken


def _found(failing: Sequence[dict[str, object]]) -> str:
    """What a failed gate found, in a few words: the first failing row without its week."""
    if not failing:
        return ""
    first = {key: value for key, value in failing[0].items() if key != "week"}
    text = ", ".join(f"{key} {_short(value)}" for key, value in sorted(first.items()))
    return text + (f" (and {len(failing) - 1} more)" if len(failing) > 1 else "")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _write_if_changed(file: Path, content: Mapping[str, object]) -> None:
    text = json_text(content)
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)
