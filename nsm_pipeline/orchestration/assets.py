"""The assets that compute: landing, weekly tables, series. Each calls one step and reports on it.

What belongs here: asset specs and shells. What does not: anything that works without Dagster (`steps`); what is made
of certified rows (`publication`).

Weekly assets take a range of weeks in one run (starting a run costs seconds) and report per week.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from nsm_pipeline.events.accounts import STANDARD
from nsm_pipeline.events.evidence import EVIDENCE
from nsm_pipeline.events.landing import ingest
from nsm_pipeline.metrics.adoption import ADOPTION_ROWS
from nsm_pipeline.metrics.plans import ADOPTION, UseCasePlan
from nsm_pipeline.orchestration.ahead import load_ahead, wait_for_loading
from nsm_pipeline.orchestration.metadata import (
    GROWTH_SCHEMA,
    METRIC_SCHEMA,
    attach,
    column_schema,
    file_metadata,
    landing_metadata,
    preview,
    totals_of,
)
from nsm_pipeline.orchestration.partitions import weeks_of_run
from nsm_pipeline.orchestration.resources import HomeResource
from nsm_pipeline.playbook.kinds import definition_text
from nsm_pipeline.playbook.models import ROLES, UseCase
from nsm_pipeline.publishing.dictionary import title_of
from nsm_pipeline.steps.anew import strike_off
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.series import run_growth
from nsm_pipeline.steps.weekly import WeekDone, run_weeks

TEAM = ["team:analytics-engineering"]
LANDED = dg.AssetKey("landed_events")
ACCOUNTS = dg.AssetKey("accounts")
USAGE = dg.AssetKey("usage_events")
CERTIFICATES = dg.AssetKey("certificates")
EXTRACTS = dg.AssetKey("extracts")
TEXT = {
    "account_weeks": "One row per active account and week: attributes and its part of every additive measure.",
    "north_star": "The North Star per week, in total and per slice, with numerator, denominator and entities.",
    "inputs": "The inputs (breadth, depth, frequency, efficiency) per week, in total and per slice.",
    "counter_metrics": "The guardrails per week, in total and per slice.",
    "account_adoption": "Each account's own value of the measures of adoption, over trailing weeks, and its colour.",
    "outcomes": "What the North Star is supposed to lead, per week, in total and per slice.",
}


class WeeklyConfig(dg.Config):
    """`force` rebuilds weeks that are up to date too; `use_cases` limits usage events to some of them."""

    force: bool = False
    use_cases: list[str] = Field(default_factory=list)


def landing_assets() -> dg.AssetsDefinition:
    """`landed_events` and `accounts`: what is new in the landing zone, read once."""
    specs = [
        dg.AssetSpec(
            LANDED,
            group_name="landing",
            owners=TEAM,
            kinds={"duckdb", "parquet"},
            description="Typed rows of every delivered event file, by UTC week; bad rows set aside, files in a ledger.",
        ),
        dg.AssetSpec(
            ACCOUNTS,
            group_name="landing",
            owners=TEAM,
            kinds={"parquet"},
            description="Account snapshots by the day they show.",
            metadata={"dagster/column_schema": column_schema(STANDARD)},
        ),
    ]

    @dg.multi_asset(name="ingest", specs=specs, can_subset=True)
    def landing(context: dg.AssetExecutionContext, home: HomeResource) -> Iterator[dg.MaterializeResult[Any]]:
        opened = home.open()
        ledger = ingest(
            opened.home,
            opened.engine,
            opened.playbook,
            lambda done, of, path: context.log.info(f"{done} of {of} files: {path}"),
        )
        selected = context.op_execution_context.selected_asset_keys
        if LANDED in selected:
            yield dg.MaterializeResult(asset_key=LANDED, metadata=landing_metadata(ledger))
        if ACCOUNTS in selected:
            days = sorted(ledger.snapshots)
            metadata: dict[str, Any] = {"snapshots": len(days), "newest snapshot": str(days[-1]) if days else "none"}
            yield dg.MaterializeResult(asset_key=ACCOUNTS, metadata=metadata)

    return landing


def weekly_assets(plans: Mapping[str, UseCasePlan], partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """`usage_events` and every use case's weekly tables, in one step: a week is read once and built whole."""
    specs = [_usage_spec(partitions)]
    for plan in plans.values():
        specs += _table_specs(plan, partitions)

    @dg.multi_asset(name="weekly", specs=specs, can_subset=True, backfill_policy=dg.BackfillPolicy.single_run())
    def weekly(
        context: dg.AssetExecutionContext, config: WeeklyConfig, home: HomeResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        opened = home.open()
        weeks = weeks_of_run(context.run.tags, opened.weeks)
        selected = context.op_execution_context.selected_asset_keys
        usage = (config.use_cases or list(opened.plans)) if USAGE in selected else []
        every = [(name, table) for name, plan in plans.items() for table in plan.tables]
        tables = [one for one in every if dg.AssetKey(list(one)) in selected]
        done_weeks = run_weeks(opened, weeks, usage, tables, config.force)
        said: dict[tuple[dg.AssetKey, str], Mapping[str, object]] = {}
        for number, done in enumerate(done_weeks, start=1):
            if done.tables:
                load_ahead()
            week = done.week.isoformat()
            if usage:
                said[USAGE, week] = _of_usage(opened, done)
            for name, table in tables:
                said[dg.AssetKey([name, table]), week] = _of_table(opened, name, table, done)
            if usage and (asked := opened.anew & {(name, done.week) for name in config.use_cases or plans}):
                strike_off(opened.home, asked)
            _progress(context, "weeks", number, len(weeks), week)
        wait_for_loading()
        attach(context, said)
        for key in (USAGE, *(dg.AssetKey(list(table)) for table in tables)):
            if key in selected:
                yield dg.MaterializeResult(asset_key=key)

    return weekly


def _usage_spec(partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    schema = [("event", "string"), ("occurred_at", "timestamp"), ("account_id", "string"), ("user_id", "string")]
    columns = [dg.TableColumn(name, kind) for name, kind in (*schema, ("is_internal", "bool"))]
    columns.append(dg.TableColumn("…", "", "declared properties, one column each"))
    return dg.AssetSpec(
        USAGE,
        deps=[LANDED, ACCOUNTS],
        partitions_def=partitions,
        group_name="landing",
        owners=TEAM,
        kinds={"duckdb", "parquet"},
        description="Canonical events: deduplicated, mapped from how they were sent, one file per use case and week.",
        metadata={"dagster/column_schema": dg.TableSchema(columns)},
    )


def _table_specs(plan: UseCasePlan, partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetSpec]:
    use_case = plan.use_case
    name = use_case.use_case
    columns = {"week": "date", "use_case": "string", "account_id": "string", **plan.attributes, "events": "integer"}
    columns |= dict.fromkeys(plan.account_columns, "number")
    account_schema = dg.TableSchema([dg.TableColumn(column, kind) for column, kind in columns.items()])
    schemas = {"account_weeks": account_schema, ADOPTION: column_schema(ADOPTION_ROWS)}
    return [
        dg.AssetSpec(
            dg.AssetKey([name, table]),
            deps=[USAGE],
            partitions_def=partitions,
            group_name=name,
            owners=TEAM,
            kinds={"duckdb", "parquet"},
            description=f"{use_case.title}: {TEXT[table]}{_definitions(plan, table)}",
            metadata={"dagster/column_schema": schemas.get(table, METRIC_SCHEMA)},
        )
        for table in plan.tables
    ]


def _definitions(plan: UseCasePlan, role: str) -> str:
    """A role's metrics as a Markdown list: what each one counts."""
    metrics = {one.metric: plan.use_case.metrics[one.metric] for one in plan.plans if one.role == role}
    said = (f"* **{title_of(name, metric)}** ({definition_text(metric)})" for name, metric in metrics.items())
    return "\n\n" + "\n".join(said) if metrics else ""


def _of_usage(opened: Open, done: WeekDone) -> dict[str, object]:
    evidence = opened.lake.read("week_evidence", done.week)
    (row,) = evidence.to_pylist()
    return {
        **{name: row[name] for name in EVIDENCE.names if name not in ("week", "snapshot")},
        "dagster/row_count": row["accepted"] - row["unmapped"],
        "account snapshot": str(row["snapshot"]),
        "rebuilt": done.usage,
        "preview": preview(evidence),
        **file_metadata(
            opened.lake.file("week_evidence", done.week), opened.lake.fingerprint("week_evidence", done.week)
        ),
    }


def _of_table(opened: Open, name: str, table: str, done: WeekDone) -> dict[str, object]:
    data = done.tables.get((name, table))
    rebuilt = data is not None
    if data is None:
        data = opened.lake.read(table, name, done.week)
    found: dict[str, object] = {"dagster/row_count": data.num_rows, "rebuilt": rebuilt, "preview": preview(data)}
    if table in ROLES:
        found |= {"value" if table == "north_star" else key: value for key, value in totals_of(data).items()}
    return found | file_metadata(
        opened.lake.file(table, name, done.week), opened.lake.fingerprint(table, name, done.week)
    )


def growth_asset(use_case: UseCase) -> dg.AssetsDefinition:
    """A use case's whole series, recomputed from its weekly tables."""
    name = use_case.use_case

    @dg.asset(
        key=[name, "growth"],
        deps=[[name, "account_weeks"], [name, "north_star"]],
        group_name=name,
        owners=TEAM,
        kinds={"duckdb", "parquet"},
        description=f"{use_case.title}: growth, goals and new, retained, resurrected, churned accounts, all weeks.",
        metadata={"dagster/column_schema": GROWTH_SCHEMA},
    )
    def growth(home: HomeResource) -> dg.MaterializeResult[Any]:
        opened = home.open()
        table = run_growth(opened, name)
        latest = table.slice(max(0, table.num_rows - 8))
        metadata: dict[str, Any] = {"dagster/row_count": table.num_rows, "latest weeks": preview(latest, 8)}
        metadata |= file_metadata(opened.lake.file("growth", name), opened.lake.fingerprint("growth", name))
        return dg.MaterializeResult(metadata=metadata)

    return growth


def _progress(context: dg.AssetExecutionContext, what: str, number: int, total: int, week: str) -> None:
    report = PROGRESS.get("report")
    if report is not None:
        report(what, number, total)
    if number == total or number % 13 == 0:
        context.log.info(f"{what}: {number} of {total} weeks, {week}")


PROGRESS: dict[str, Callable[[str, int, int], None]] = {}
"""Where a run in the terminal hangs its progress bar: the in-process run has no other way to the caller."""
