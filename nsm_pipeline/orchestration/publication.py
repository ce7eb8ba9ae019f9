"""The assets right of the gates: certificates, extracts with what is scored in them, pages. Each calls one step.

What belongs here: asset specs and shells. What does not: anything that works without Dagster (`steps`).

A publication is one version: extracts, scorecards, guardrails, trees and movements are made in one step, and whichever
of them is asked for, all of them go out together.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.orchestration.assets import CERTIFICATES, EXTRACTS, TEAM, USAGE
from nsm_pipeline.orchestration.metadata import column_schema, preview, states_metadata
from nsm_pipeline.orchestration.resources import HomeResource
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.columns import ExtractTable
from nsm_pipeline.publishing.extracts import last_shown
from nsm_pipeline.publishing.score_tables import GUARDRAILS, MOVEMENTS, SCORECARD, TREE_EDGES, TREE_NODES
from nsm_pipeline.publishing.tables import EXTRACT
from nsm_pipeline.steps.certificates import run_certificates
from nsm_pipeline.steps.handbook import build_handbook
from nsm_pipeline.steps.pages import run_dashboard
from nsm_pipeline.steps.publication import run_publication
from nsm_pipeline.steps.release import Restatement

DASHBOARD = dg.AssetKey("dashboard")
HANDBOOK = dg.AssetKey("playbook_pages")
SCORED: dict[str, tuple[ExtractTable, ...]] = {
    "scorecard": (SCORECARD,),
    "guardrails": (GUARDRAILS,),
    "metric_tree": (TREE_NODES, TREE_EDGES),
    "movements": (MOVEMENTS,),
}
"""Assets per use case that are part of the extract, with the tables that hold them."""
TEXT = {
    "scorecard": "the North Star against target, habit, expectation and forecast, with its guardrails' status.",
    "guardrails": "counter-metrics against their thresholds, beside the metrics that they protect.",
    "metric_tree": "the metrics as nodes with a status, the links between them with what speaks for them.",
    "movements": "why the North Star moved: parts by factor and by slice that add up to the change.",
}
NEWEST = 13


class PublicationConfig(dg.Config):
    """A reason for which final values may change in this run, and whose word it is; without one they are held."""

    restate_reason: str = ""
    restate_by: str = ""


def certificates_asset(plans: Mapping[str, UseCasePlan]) -> dg.AssetsDefinition:
    """`certificates`: what passed its gates, over all use cases and weeks."""
    deps = [dg.AssetKey([name, table]) for name, plan in plans.items() for table in (*plan.tables, "growth")]

    @dg.asset(
        key=CERTIFICATES,
        deps=[USAGE, *deps],
        group_name="publication",
        owners=TEAM,
        kinds={"greatexpectations"},
        description="One certificate per use case and complete week whose gates pass; the others are withheld.",
    )
    def certificates(home: HomeResource) -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult(metadata=states_metadata(run_certificates(home.open())))

    return certificates


def extracts_asset(plans: Mapping[str, UseCasePlan]) -> dg.AssetsDefinition:
    """`extracts`: the published version for BI tools; and, as part of it, what is scored per use case."""
    scored = [_scored_spec(plan.use_case, table) for plan in plans.values() for table in SCORED]
    tables = [dg.AssetKey([name, table]) for name, plan in plans.items() for table in (*plan.roles, "growth")]
    extract = dg.AssetSpec(
        EXTRACTS,
        deps=[CERTIFICATES, *tables, *(spec.key for spec in scored)],
        group_name="publication",
        owners=TEAM,
        kinds={"parquet"},
        description="Parquet for BI tools: " + ", ".join(table.name for table in EXTRACT) + "; with datapackage.json.",
        metadata={f"columns of {table.name}": _schema(table) for table in EXTRACT},
    )

    @dg.multi_asset(name="extracts", specs=[*scored, extract], can_subset=True)
    def extracts(
        context: dg.AssetExecutionContext, config: PublicationConfig, home: HomeResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        opened = home.open()
        reason, by = config.restate_reason, config.restate_by
        version = run_publication(opened, Restatement(reason, by) if reason else None)
        shown = last_shown(opened.home)
        published = shown.tables if shown else {}
        for spec in scored:
            if spec.key in context.op_execution_context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=spec.key, metadata=_scored_metadata(spec.key, published, version))
        if EXTRACTS in context.op_execution_context.selected_asset_keys:
            folder = dg.MetadataValue.path(str(opened.home.extracts / "current"))
            yield dg.MaterializeResult(asset_key=EXTRACTS, metadata={"version": version, "folder": folder})

    return extracts


def _scored_spec(use_case: UseCase, name: str) -> dg.AssetSpec:
    first, *more = SCORED[name]
    return dg.AssetSpec(
        dg.AssetKey([use_case.use_case, name]),
        deps=[CERTIFICATES, dg.AssetKey([use_case.use_case, "growth"])],
        group_name=use_case.use_case,
        owners=TEAM,
        kinds={"parquet"},
        description=f"{use_case.title}: {TEXT[name]}",
        metadata={
            "dagster/column_schema": _schema(first),
            **{f"columns of {table.name}": _schema(table) for table in more},
        },
    )


def _schema(table: ExtractTable) -> dg.TableSchema:
    return column_schema(table.schema, {column.name: column.description for column in table.columns})


def _scored_metadata(key: dg.AssetKey, published: Mapping[str, pa.Table], version: str) -> dict[str, Any]:
    """A preview of every table that holds the asset: its newest weeks, or all of it where it has none."""
    use_case, name = key.path
    found: dict[str, Any] = {"version": version}
    for table in SCORED[name]:
        rows = published[table.name]
        mine = rows.filter(pc.equal(rows["use_case"], use_case)).drop_columns(["use_case"])
        if "week" in table.key:
            mine = mine.sort_by([("week", "descending")])
        found[table.name] = preview(mine, NEWEST)
        found[f"rows of {table.name}"] = mine.num_rows
    return found


@dg.asset(
    key=DASHBOARD,
    deps=[EXTRACTS],
    group_name="publication",
    owners=TEAM,
    kinds={"html"},
    description="The page that is read on Monday, from the published version alone; with its charts and the digest.",
)
def dashboard(home: HomeResource) -> dg.MaterializeResult[Any]:
    made = run_dashboard(home.open())
    if made is None:
        return dg.MaterializeResult(metadata={"page": "nothing is published yet"})
    return dg.MaterializeResult(
        metadata={
            "version": made.version,
            **_where(made.page),
            "preview": dg.MetadataValue.md(made.preview),
            "digest": dg.MetadataValue.md(made.digest),
            "charts": len(made.pictures),
        }
    )


@dg.asset(
    key=HANDBOOK,
    deps=[EXTRACTS],
    group_name="publication",
    owners=TEAM,
    kinds={"html"},
    description="The company's metric handbook, from the definitions, with the values that are published now.",
)
def playbook_pages(home: HomeResource) -> dg.MaterializeResult[Any]:
    opened = home.open()
    made = build_handbook(opened.home, opened.calendar.as_of)
    return dg.MaterializeResult(
        metadata={
            **_where(made.folder / "index.html"),
            "changed": dg.MetadataValue.md("\n".join(f"* {name}" for name in made.written) or "nothing"),
        }
    )


def _where(page: Path) -> dict[str, Any]:
    """Where a page lies, and what to paste into a browser, which follows no link from Dagster to a file."""
    return {
        "page": dg.MetadataValue.path(str(page)),
        "address for the browser": dg.MetadataValue.url(page.as_uri()),
    }
