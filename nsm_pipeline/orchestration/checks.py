"""Asset checks: the gates' verdicts, one evaluation per check and week, in any kind of run.

What belongs here: mapping verdicts to Dagster's checks. What does not: the verdicts.

A check does not block: one failing week must not keep back the others. The certificate withholds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from nsm_pipeline.certification.gates import CHECKS
from nsm_pipeline.orchestration.assets import LANDED, USAGE
from nsm_pipeline.orchestration.partitions import weeks_of_run
from nsm_pipeline.orchestration.resources import HomeResource
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.series import GateOutcome, Verdicts, run_gates

ON_ACCOUNT_WEEKS = (
    "deliveries_are_sound",
    "volume_is_usual",
    "copies_agree",
    "properties_are_present",
    "growth_adds_up",
)
ON_NORTH_STAR = ("values_are_present", "accounts_agree", "declared_gates")
RECONCILE = "rows_reconcile"


def file_check() -> dg.AssetChecksDefinition:
    """The row identity of every delivered file."""

    @dg.asset_check(asset=LANDED, name=RECONCILE, description=CHECKS[RECONCILE])
    def rows_reconcile(home: HomeResource) -> dg.AssetCheckResult:
        rows = [row for row in home.open().ledger.rows() if row.state in ("read", "redelivered")]
        broken = [row for row in rows if not row.reconciles]
        lines = [f"* `{r.path}`: {r.rows} rows, {r.accepted} + {r.duplicate} + {r.quarantined}" for r in broken]
        return dg.AssetCheckResult(
            passed=not broken,
            metadata={"files": len(rows), "not reconciled": dg.MetadataValue.md("\n".join(lines) or "none")},
        )

    return rows_reconcile


def gate_checks(use_cases: Mapping[str, UseCase]) -> dg.AssetChecksDefinition:
    """All gates of all use cases as checks on their weekly assets; one op, since the judge is costly to load."""
    specs = [dg.AssetCheckSpec(RECONCILE, asset=USAGE, description=CHECKS[RECONCILE])]
    for name, use_case in use_cases.items():
        tables = {"account_weeks": ON_ACCOUNT_WEEKS, "north_star": ON_NORTH_STAR}
        specs += [
            dg.AssetCheckSpec(
                check,
                asset=dg.AssetKey([name, table]),
                description=CHECKS[check],
                additional_deps=[dg.AssetKey([name, role]) for role in use_case.roles if role != "north_star"],
            )
            for table, checks in tables.items()
            for check in checks
        ]

    @dg.multi_asset_check(name="gates", specs=specs, can_subset=True)
    def gates(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Iterator[Any]:
        opened = home.open()
        weeks = weeks_of_run(context.run.tags, opened.complete_weeks)
        selected = context.selected_asset_check_keys
        names = {key.asset_key.path[0] for key in selected if len(key.asset_key.path) == 2}
        if any(key.asset_key == USAGE for key in selected):
            names |= set(use_cases)
        verdicts = {name: run_gates(opened, name) for name in sorted(names)}
        for key in sorted(selected, key=str):
            judged = list(verdicts.values()) if key.asset_key == USAGE else [verdicts[key.asset_key.path[0]]]
            yield from _evaluations(key, judged, weeks, opened)

    return gates


def _evaluations(key: dg.AssetCheckKey, judged: Sequence[Verdicts], weeks: list[date], opened: Open) -> Iterator[Any]:
    """One evaluation per judged week, then the result of the run: of its weeks, or of the newest judged week where
    it had none (a refresh of the week in progress must not turn a failed check green)."""
    known = [week for week in opened.complete_weeks if all(week in verdicts.weeks for verdicts in judged)]
    in_run = [week for week in known if week in set(weeks)]
    failed_weeks: list[str] = []
    for week in in_run or known[-1:]:
        outcomes = [one for verdicts in judged for one in verdicts.weeks[week] if one.check == key.name]
        failing = [one for one in outcomes if not one.passed]
        if failing:
            failed_weeks.append(week.isoformat())
        if week not in in_run:
            continue
        yield dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=not failing,
            severity=_severity(failing),
            metadata=_metadata(key, outcomes, failing, week, opened),
            partition=week.isoformat(),
        )
    yield dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not failed_weeks,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"weeks judged": len(in_run), "weeks that failed": ", ".join(failed_weeks) or "none"},
    )


def _severity(failing: Sequence[GateOutcome]) -> dg.AssetCheckSeverity:
    critical = any(one.severity == "critical" for one in failing)
    return dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN


def _metadata(
    key: dg.AssetCheckKey,
    outcomes: Sequence[GateOutcome],
    failing: Sequence[GateOutcome],
    week: date,
    opened: Open,
) -> dict[str, dg.MetadataValue]:
    found: dict[str, dg.MetadataValue] = {"gates": dg.MetadataValue.int(len(outcomes))}
    if failing:
        lines = [f"* {one.gate} ({one.severity}, {one.table}): {one.found}" for one in failing]
        found["failing rows"] = dg.MetadataValue.md("\n".join(lines))
        if len(key.asset_key.path) == 2:
            file = opened.home.lake / "validations" / key.asset_key.path[0] / f"{week}.json"
            found["full results"] = dg.MetadataValue.path(str(file))
    return found
