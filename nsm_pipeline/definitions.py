"""The only module that assembles: a home → Dagster definitions.

What belongs here: putting the shells together. What does not: anything they are made of.
"""

from __future__ import annotations

import os
from datetime import date

import dagster as dg
from dagster_duckdb import DuckDBResource

from nsm_pipeline.engines.duckdb import connection_config
from nsm_pipeline.home import Home
from nsm_pipeline.orchestration.assets import (
    TEAM,
    growth_asset,
    landing_assets,
    weekly_assets,
)
from nsm_pipeline.orchestration.checks import file_check, gate_checks
from nsm_pipeline.orchestration.guardrail_checks import guardrail_checks
from nsm_pipeline.orchestration.instrumentation import instrumentation_asset
from nsm_pipeline.orchestration.jobs import ingest_job, landing_sensor, pipeline_job, schedules
from nsm_pipeline.orchestration.partitions import weekly_partitions
from nsm_pipeline.orchestration.publication import certificates_asset, dashboard, extracts_asset, playbook_pages
from nsm_pipeline.orchestration.resources import HomeResource
from nsm_pipeline.steps.opening import Open, open_playbook


def build_definitions(home: Home, as_of: date | None = None) -> dg.Definitions:
    """Everything Dagster needs to know of one home. Raises PlaybookError for a playbook that can't be used."""
    opened = Open.of(home, open_playbook(home, as_of))
    settings = opened.playbook.settings.engine
    duckdb = DuckDBResource(database=":memory:", connection_config=dict(connection_config(settings, home.spill)))
    resource = HomeResource(
        root=str(home.root), as_of=as_of.isoformat() if as_of else None, workers=settings.threads, duckdb=duckdb
    )
    partitions = weekly_partitions(opened)
    jobs = [pipeline_job(partitions), ingest_job()]
    use_cases = opened.playbook.use_cases
    return dg.Definitions(
        assets=[
            landing_assets(),
            weekly_assets(opened.plans, partitions),
            *(growth_asset(use_case) for use_case in use_cases.values()),
            *(instrumentation_asset(plan, TEAM) for plan in opened.plans.values()),
            certificates_asset(opened.plans),
            extracts_asset(opened.plans),
            dashboard,
            playbook_pages,
        ],
        asset_checks=[file_check(), gate_checks(use_cases), guardrail_checks(use_cases)],
        jobs=jobs,
        schedules=schedules(opened.calendar),
        sensors=[landing_sensor(lambda: Open.of(home, open_playbook(home, as_of)), jobs)],
        resources={"home": resource},
        executor=dg.in_process_executor,
    )


def defs() -> dg.Definitions:
    """Entry point of `workspace.yaml`: the home at NSM_HOME, else the project's `data/`; today at NSM_AS_OF."""
    as_of = os.environ.get("NSM_AS_OF")
    return build_definitions(Home.at(), date.fromisoformat(as_of) if as_of else None)
