"""Jobs, the Monday and daily schedules, and the landing sensor.

What belongs here: when runs start and over which weeks. What does not: what they do.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from nsm_pipeline.events.landing import arrivals
from nsm_pipeline.lake import digest
from nsm_pipeline.orchestration.assets import ACCOUNTS, LANDED
from nsm_pipeline.orchestration.partitions import PARTITION, range_tags
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.publication import is_published, rests_on
from nsm_pipeline.weeks import WEEK, Calendar

CRON_DAYS = (1, 2, 3, 4, 5, 6, 0)  # cron's number of Monday … Sunday
PIPELINE = "weekly_pipeline"
INGEST = "ingest_landing"


def pipeline_job(partitions: dg.PartitionsDefinition[str]) -> UnresolvedAssetJobDefinition:
    """Everything, for one week or a range of weeks in one run."""
    return dg.define_asset_job(
        PIPELINE,
        selection=dg.AssetSelection.all(),
        partitions_def=partitions,
        description="Ingest, build a range of weeks, certify, publish: in one run.",
    )


def ingest_job() -> UnresolvedAssetJobDefinition:
    selection = dg.AssetSelection.assets(LANDED, ACCOUNTS)
    return dg.define_asset_job(INGEST, selection=selection, description="Read what is new in the landing zone.")


def schedules(calendar: Calendar) -> list[dg.ScheduleDefinition]:
    """The morning a week has closed: the closed week and the new one. Every day: the week in progress."""

    def closes_the_week(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _request(calendar, context, back=1)

    def refreshes_the_week(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _request(calendar, context, back=0)

    closing_day = CRON_DAYS[calendar.starts_on]
    common = {"execution_timezone": calendar.zone, "default_status": dg.DefaultScheduleStatus.RUNNING}
    return [
        dg.ScheduleDefinition(
            name="monday_close",
            job_name=PIPELINE,
            cron_schedule=f"0 6 * * {closing_day}",
            execution_fn=closes_the_week,
            description="Closes the week that ended last night: builds, certifies and publishes it.",
            **common,  # type: ignore[arg-type]
        ),
        dg.ScheduleDefinition(
            name="daily_flash",
            job_name=PIPELINE,
            cron_schedule="0 5 * * *",
            execution_fn=refreshes_the_week,
            description="Refreshes the week in progress (flash).",
            **common,  # type: ignore[arg-type]
        ),
    ]


def _request(calendar: Calendar, context: dg.ScheduleEvaluationContext, back: int) -> dg.RunRequest | dg.SkipReason:
    if calendar.as_of is not None:
        return dg.SkipReason(f"this home stands still at {calendar.as_of} (as_of in playbook/settings.yaml)")
    week = calendar.week_of(context.scheduled_execution_time) - back * WEEK
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time.isoformat()}", tags={PARTITION: week.isoformat()})


def landing_sensor(open_home: Callable[[], Open], jobs: Sequence[UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """When files land: ingest them, then rebuild the weeks they touched."""
    first_week = open_home().first_week

    @dg.sensor(
        name="landing_sensor",
        jobs=jobs,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ingests new files, then rebuilds, certifies and publishes the weeks that they touched.",
    )
    def watch(_: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        yield next_request(open_home(), first_week)

    return watch


def next_request(opened: Open, loaded_first_week: date | None) -> dg.RunRequest | dg.SkipReason:
    """What the home asks for now: an ingest, a run over stale weeks, a publication, or nothing.

    `loaded_first_week`: where the partitions of the loaded definitions begin.
    """
    new = arrivals(opened.home, opened.ledger, opened.playbook)
    if new:
        key = digest([(one.path, one.signature, one.meaning) for one in new])
        return dg.RunRequest(run_key=f"ingest-{key}", job_name=INGEST, tags={"nsm/files": str(len(new))})
    if opened.first_week != loaded_first_week:
        return dg.SkipReason("the first week is known only now: reload the definitions, so that its partitions exist")
    stale = opened.stale_weeks()
    if not stale and not is_published(opened):
        # Approved since, or final since last night: nothing to build, and something to publish.
        current = opened.calendar.current()
        key = digest(rests_on(opened))
        return dg.RunRequest(run_key=f"publish-{key}", job_name=PIPELINE, tags=range_tags(current, current))
    if not stale:
        return dg.SkipReason("nothing new has landed, every week is up to date and published")
    key = digest([stale_key(opened, week) for week in stale])
    return dg.RunRequest(run_key=f"weeks-{key}", job_name=PIPELINE, tags=range_tags(stale[0], stale[-1]))


def stale_key(opened: Open, week: date) -> list[str]:
    """What a stale week would be made from: another request for the same is the same request."""
    usage = [opened.usage.fingerprint(use_case, week) for use_case in opened.playbook.use_cases.values()]
    return [str(week), *usage, opened.usage.evidence_fingerprint(week)]
