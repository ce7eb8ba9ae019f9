"""The asset and check on instrumentation: sources, dual runs, drift, lateness, per use case.

What belongs here: showing in Dagster what the steps know. What does not: finding it out.

In a run nothing is asked that takes long: alarms come from small tables, lateness from the newest weeks, and what a
dual run does to metrics is shown once `nsm instrumentation` has worked it out.
"""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg
import pyarrow as pa

from nsm_pipeline.drift.findings import Finding
from nsm_pipeline.drift.lateness import by
from nsm_pipeline.drift.overlap import dual_runs
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.orchestration.metadata import preview
from nsm_pipeline.orchestration.resources import HomeResource
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.steps.drift import drift
from nsm_pipeline.steps.dual_runs import copies, kept_effects
from nsm_pipeline.steps.lateness import arrivals, latest_weeks
from nsm_pipeline.steps.opening import Open

LATELY = 4
SHOWN = 50
NO_DRIFT = "no_drift"


def instrumentation_asset(plan: UseCasePlan, owners: Sequence[str]) -> dg.AssetsDefinition:
    """A use case's instrumentation, over all weeks, with a check on drift that does not block."""
    use_case, name = plan.use_case, plan.use_case.use_case
    key = dg.AssetKey([name, "instrumentation"])

    @dg.asset(
        key=key,
        deps=[[name, table] for table in plan.tables],
        group_name=name,
        owners=list(owners),
        kinds={"duckdb"},
        description=f"{use_case.title}: how its events are sent, dual runs, what has changed by itself, late rows.",
        check_specs=[
            dg.AssetCheckSpec(
                NO_DRIFT,
                asset=key,
                description="No event has collapsed or gone on under another name, and no property has shifted, "
                "without an annotation that explains it.",
            )
        ],
    )
    def instrumentation(home: HomeResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster compares it
        opened = home.open()
        alarms = [one for one in drift(opened) if not one.use_cases or name in one.use_cases]
        open_ = [one for one in alarms if not one.explained]
        said = {
            "alarms": _alarms(open_),
            "explained": dg.MetadataValue.md(_lines(one for one in alarms if one.explained)),
        }
        check = dg.AssetCheckResult(
            asset_key=key,
            check_name=NO_DRIFT,
            passed=not open_,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"alarms": _alarms(open_)},
        )
        metadata = {
            "sources": _sources(use_case),
            **_dual_runs(opened, name),
            **said,
            "lateness": _lateness(opened, use_case),
        }
        return dg.MaterializeResult(metadata=metadata, check_results=[check])

    return instrumentation


def _sources(use_case: UseCase) -> dg.MetadataValue:
    rows = [
        {
            "event": event, "sent as": source.name, "since": source.since, "until": source.until,
            "preferred": source.preferred or None,
        }
        for event, declared in use_case.events.items()
        for source in declared.sources
    ]  # fmt: skip
    return preview(_table(rows), SHOWN)


def _dual_runs(opened: Open, name: str) -> dict[str, dg.MetadataValue]:
    """The copies of every dual run of a use case, and what they do to metrics where that is known."""
    found: dict[str, dg.MetadataValue] = {}
    for (use_case, event), sent in dual_runs([one for one in copies(opened) if one.use_case == name]).items():
        shown = ("week", "source", "rows", "accounts", "users", "matched", "rows_both", "bias", "accounts_alone")
        rows = [{key: one.document()[key] for key in shown} for one in sent]
        found[f"dual run of {event}"] = preview(_table(rows), SHOWN)
        effects = kept_effects(opened, use_case, event, sent)
        if effects is None:
            text = f"`nsm instrumentation --use-case {name} --event {event}` works it out"
            found[f"effect of {event}"] = dg.MetadataValue.md(text)
        else:
            values: list[Mapping[str, object]] = [
                {"week": one.week, "metric": one.metric, "reconciled": one.values[""],
                 **{f"{source} alone": value for source, value in one.values.items() if source}}
                for one in effects
            ]  # fmt: skip
            found[f"effect of {event}"] = preview(_table(values), SHOWN)
    return found


def _lateness(opened: Open, use_case: UseCase) -> dg.MetadataValue:
    """How late the rows of some weeks came, by name as sent: the newest whose late rows have mostly come."""
    names = {source.name for event in use_case.events.values() for source in event.sources}
    arrived = [one for one in arrivals(opened, latest_weeks(opened, LATELY)).arrived if one.name in names]
    rows = [
        {
            "sent as": name, f"rows of {LATELY} weeks": one.rows,
            **{f"{share:.1%}: hours": hours for share, hours in one.quantiles},
            **{f"share by +{days} d": share for days, share in one.by_days if days <= 28},
            "settles in days": one.settles_in,
        }
        for name, one in by(arrived, lambda one: one.name).items()
    ]  # fmt: skip
    return preview(_table(rows), SHOWN)


def _alarms(found: Sequence[Finding]) -> dg.MetadataValue:
    return dg.MetadataValue.md(_lines(found))


def _lines(found: Iterable[Finding]) -> str:
    """Findings as a Markdown list, each with what to paste."""
    lines = []
    for one in found:
        why = f" *Explained: {one.explained}*" if one.explained else ""
        lines.append(f"* **{one.week}** ({one.kind}) {one.text}{why}")
        if one.yaml:
            indented = "\n".join(f"  {line}" for line in one.yaml.rstrip().splitlines())
            lines.append(f"\n  ```yaml\n{indented}\n  ```")
    return "\n".join(lines) or "none"


def _table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows)) if rows else pa.table({})
