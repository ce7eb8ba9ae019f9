"""The steps over a use case's whole series: growth, and the verdict of the gates on every complete week.

What belongs here: reading all weeks of small tables, storing growth, verdicts and full validation results. What
does not: the arithmetic (`metrics.growth`), the gates (`certification`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from nsm_pipeline.certification.gates import GATES_VERSION, Gate, gates_of
from nsm_pipeline.events.copies import COPIES, COPIES_VERSION
from nsm_pipeline.events.evidence import EVIDENCE as WEEK_EVIDENCE
from nsm_pipeline.events.quality import QUALITY
from nsm_pipeline.gathered import gathered
from nsm_pipeline.lake import SeenFiles, digest, json_text, once_per_file, write_text
from nsm_pipeline.metrics.growth import (
    ACCOUNT_WEEKS,
    GROWTH_VERSION,
    growth_series,
    is_in_account_weeks,
    lifecycle_counts,
    north_star_from_accounts,
)
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.metrics.weekly import METRICS_VERSION
from nsm_pipeline.steps.opening import Open

if TYPE_CHECKING:
    from nsm_pipeline.certification.evidence import Evidence

FROM_ACCOUNTS = pa.schema([("week", pa.date32()), ("value", pa.float64())])


class GateOutcome(BaseModel):
    """A gate's outcome in one week, as kept in the verdict. `rows`: how many it looked at."""

    model_config = ConfigDict(frozen=True)
    gate: str
    check: str
    table: str
    severity: str
    passed: bool
    rows: int
    found: str = ""


class Verdicts(BaseModel):
    """A use case's verdict on every complete week; `key` says what it was given on, `marks` the same of each week."""

    key: str
    marks: dict[date, str] = {}
    weeks: dict[date, list[GateOutcome]]

    def judged(self, week: date) -> list[GateOutcome]:
        """What was judged in a week: of a gate on dual runs nothing in a week without one, so that the first does not
        revoke the certificates of all weeks before it."""
        return [one for one in self.weeks.get(week, []) if one.rows]

    def failed(self, week: date, severity: str = "critical") -> list[GateOutcome]:
        return [one for one in self.weeks.get(week, []) if not one.passed and one.severity == severity]


def read_weeks(opened: Open, table: str, use_case: str | None, weeks: Sequence[date], schema: pa.Schema) -> pa.Table:
    """One small table over many weeks, `week` from the file's name; weeks without a file are left out."""
    key = [use_case] if use_case else []
    lake = opened.lake
    files = {week: lake.name(table, *key, week) for week in weeks}

    def read(new: Mapping[date, str]) -> dict[date, pa.Table]:
        return {week: _of_week(lake.read(table, *key, week), week, schema) for week in new}

    return gathered(_gathered_file(opened, table, use_case or "all"), "as stored", files, schema, read)


def _gathered_file(opened: Open, what: str, name: str) -> Path:
    return opened.home.lake / ".gathered" / what / f"{name}.arrow"


def _of_week(rows: pa.Table, week: date, schema: pa.Schema) -> pa.Table:
    """Rows of a weekly table with the week in them."""
    weeks = pa.repeat(pa.scalar(week, pa.date32()), rows.num_rows)
    return pa.table([weeks if name == "week" else rows[name] for name in schema.names], schema.names)


def run_growth(opened: Open, name: str) -> pa.Table:
    """A use case's growth, recomputed from its weekly tables where they have changed; under a lock so that the last run
    sees them all."""
    with opened.home.lock(f"growth-{name}"):
        # By the tables as they lie there, before they are read: a backfill may leave other weeks out of date.
        made_from = opened.growth_fingerprint(name, opened.lake.fingerprint)
        if opened.lake.fingerprint("growth", name) == made_from:
            return opened.lake.read("growth", name)
        weeks = [week for week in opened.weeks if opened.lake.exists("north_star", name, week)]
        rows = read_weeks(opened, "north_star", name, weeks, METRIC_ROWS).to_pylist()
        values = [(row["week"], row["value"]) for row in rows if row["slice"] == "all"]
        counts = lifecycle_counts(read_weeks(opened, "account_weeks", name, opened.weeks, ACCOUNT_WEEKS))
        target = opened.plans[name].use_case.growth_target
        table = growth_series(name, sorted(values), counts, opened.open_from(name), target)
        opened.lake.write(table, made_from, "growth", name)
        return table


def _on_one(opened: Open, work: Any) -> Any:
    (result,) = opened.engine.map(lambda connection, _: work(connection), [None])
    return result


# Verdicts on years of weeks, which every step of a run asks for.
LOADED: SeenFiles[Verdicts] = {}


def verdict_file(opened: Open, name: str) -> Path:
    return opened.home.lake / "verdicts" / f"{name}.json"


def load_verdicts(opened: Open, name: str) -> Verdicts | None:
    """The stored verdicts, None where there are none; to be read and not changed."""
    return once_per_file(
        LOADED, verdict_file(opened, name), lambda file: Verdicts.model_validate_json(file.read_bytes())
    )


def evidence_key(opened: Open, name: str, weeks: Sequence[date]) -> str:
    """What a use case's verdicts rest on, from fingerprints alone."""
    use_case = opened.playbook.use_cases[name]
    tables = [
        [
            str(week),
            opened.usage.evidence_fingerprint(week),
            opened.usage.quality_fingerprint(use_case, week),
            *(opened.fingerprint(role, name, week) for role in opened.plans[name].roles),
        ]
        for week in weeks
    ]
    gates = [use_case.formula, *(gate.key() for gate in _gates(opened, name))]
    growth = opened.growth_fingerprint(name)
    waiting = [[str(week), sorted(found)] for week in weeks if (found := opened.waiting(name, week))]
    return digest(GATES_VERSION, COPIES_VERSION, tables, gates, growth, waiting, sorted(_unreconciled(opened).items()))


def _gates(opened: Open, name: str) -> tuple[Gate, ...]:
    return gates_of(opened.playbook.use_cases[name], is_in_account_weeks(opened.plans[name]))


def run_gates(opened: Open, name: str) -> Verdicts:
    """The verdict on every complete, up-to-date week; judged anew only where something it rests on has changed."""
    if opened.lake.fingerprint("growth", name) != opened.growth_fingerprint(name):
        run_growth(opened, name)  # a backfill judges its weeks before the unpartitioned growth has its turn
    weeks = opened.judged_weeks(name)
    key = evidence_key(opened, name, weeks)
    stored = load_verdicts(opened, name)
    if stored is not None and stored.key == key:
        return stored
    gates = _gates(opened, name)
    evidence = gather_evidence(opened, name, weeks)
    marks = _marks(evidence, gates, weeks)
    outcome = {week: stored.weeks[week] for week in weeks if stored and stored.marks.get(week) == marks[week]}
    new = [week for week in weeks if week not in outcome]
    outcome.update(_judge(opened, name, evidence, gates, new))
    verdicts = Verdicts(key=key, marks=marks, weeks=dict(sorted(outcome.items())))
    write_text(verdict_file(opened, name), verdicts.model_dump_json())
    return verdicts


def _marks(evidence: Evidence, gates: Sequence[Gate], weeks: Sequence[date]) -> dict[date, str]:
    """What the verdict on each week rests on, in short: a week whose mark is as it was is not judged again."""
    found = evidence.marks()
    common = digest(GATES_VERSION, [gate.key() for gate in gates])
    if any(gate.looks_across for gate in gates):
        common = digest(common, found)
    return {week: digest(common, found[week.isoformat()]) for week in weeks}


def _judge(
    opened: Open, name: str, evidence: Evidence, gates: Sequence[Gate], weeks: Sequence[date]
) -> dict[date, list[GateOutcome]]:
    """Judge some weeks and keep the full validation results of each."""
    if not weeks:
        return {}
    from nsm_pipeline.certification.judging import judge  # takes seconds to import: only where there is work

    results = judge(evidence, gates, [week.isoformat() for week in weeks])
    outcome: dict[date, list[GateOutcome]] = {}
    for week in weeks:
        found = results[week.isoformat()]
        validation = {"use_case": name, "week": week.isoformat(), "results": [result.to_json() for result in found]}
        _write_if_changed(opened.home.lake / "validations" / name / f"{week}.json", validation)
        outcome[week] = [
            GateOutcome(
                gate=result.gate.name, check=result.gate.check, table=result.gate.frame,
                severity=result.gate.severity, passed=result.passed, rows=result.rows, found=_found(result.failing),
            )
            for result in found
        ]  # fmt: skip
    return outcome


def gather_evidence(opened: Open, name: str, weeks: Sequence[date]) -> Evidence:
    """Read the evidence on some weeks of a use case from the lake."""
    from nsm_pipeline.certification.evidence import gather  # with it comes pandas: only where there is work

    plan = opened.plans[name]
    landed = {row["week"]: row for row in read_weeks(opened, "week_evidence", None, weeks, WEEK_EVIDENCE).to_pylist()}
    counted = QUALITY.append(pa.field("week", pa.date32()))
    quality = read_weeks(opened, "event_quality", name, opened.complete_weeks, counted)
    metrics = pa.concat_tables([read_weeks(opened, role, name, weeks, METRIC_ROWS) for role in plan.roles])
    metrics = without(metrics, {week: found for week in weeks if (found := opened.waiting(name, week))})
    adds_up = frozenset(one.metric for one in plan.plans if one.adds_up)
    return gather(
        plan.use_case,
        landed,
        quality,
        metrics,
        opened.lake.read("growth", name),
        _values_from_accounts(opened, name, weeks),
        adds_up,
        _unreconciled(opened),
        read_copies(opened, name, weeks),
    )


def read_copies(opened: Open, name: str, weeks: Sequence[date]) -> pa.Table:
    """What the sources of a dual run said, in those of some weeks in which copies could meet."""
    use_case = opened.playbook.use_cases[name]
    met = [week for week in weeks if opened.usage.has_copies(use_case, week)]
    return read_weeks(opened, "source_copies", name, met, COPIES.append(pa.field("week", pa.date32())))


def without(rows: pa.Table, metrics: Mapping[date, Collection[str]]) -> pa.Table:
    """Metric rows without some metrics of some weeks: of those whose window is still open nothing is judged."""
    if not any(metrics.values()):
        return rows
    pairs = zip(rows["week"].to_pylist(), rows["metric"].to_pylist(), strict=True)
    return rows.filter(pa.array([metric not in metrics.get(week, ()) for week, metric in pairs], pa.bool_()))


def _values_from_accounts(opened: Open, name: str, weeks: Sequence[date]) -> dict[date, float | None] | None:
    """The North Star per week as account_weeks says it; None where it does not."""
    plan = opened.plans[name]
    if not is_in_account_weeks(plan):
        return None
    files = {week: opened.lake.name("account_weeks", name, week) for week in weeks}

    def read(new: Mapping[date, str]) -> dict[date, pa.Table]:
        paths = list(new.values())
        found = _on_one(opened, lambda connection: north_star_from_accounts(connection, plan, paths))
        said = {week: [{"week": week, "value": found[week]}] if week in found else [] for week in new}
        return {week: pa.Table.from_pylist(rows, FROM_ACCOUNTS) for week, rows in said.items()}

    key = digest(GROWTH_VERSION, METRICS_VERSION, plan.definition("north_star"), plan.account_definition())
    rows = gathered(_gathered_file(opened, "from_accounts", name), key, files, FROM_ACCOUNTS, read)
    return {row["week"]: row["value"] for row in rows.to_pylist()}


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
