"""What Dagster is told: the public surface, partitions, schedules, the sensor, the engine's settings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from homes import clean_environment, copy, here, opened
from landing_zone import Zone, event

from nsm_pipeline.definitions import build_definitions
from nsm_pipeline.events.landing import ingest
from nsm_pipeline.orchestration.jobs import next_request, schedules
from nsm_pipeline.orchestration.partitions import (
    PARTITION,
    RANGE_END,
    RANGE_START,
    range_tags,
    weekly_partitions,
    weeks_of_run,
)
from nsm_pipeline.weeks import Calendar

USE_CASES = ("ci", "compliance", "security")
WEEKLY = ("account_weeks", "north_star", "inputs", "counter_metrics")
DECLARED = ("outcomes", "account_adoption")
WHOLE = ("growth", "instrumentation", "scorecard", "guardrails", "metric_tree", "movements")
ON_ACCOUNT_WEEKS = {
    "deliveries_are_sound",
    "volume_is_usual",
    "copies_agree",
    "properties_are_present",
    "growth_adds_up",
}
ON_NORTH_STAR = {"values_are_present", "accounts_agree", "declared_gates"}
WITHOUT_COLUMNS = ("landed_events", "certificates", "extracts", "dashboard", "playbook_pages")
FROZEN = "company: Test\nas_of: 2026-03-18\n"


def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_the_public_surface(tmp_path: Path) -> None:
    """The names that other people's schedules, links and dashboards depend on."""
    definitions = build_definitions(Zone(tmp_path).home)
    found = specs(definitions)
    assert {key: spec.group_name for key, spec in found.items()} == {
        "landed_events": "landing",
        "accounts": "landing",
        "usage_events": "landing",
        **{f"{name}/{table}": name for name in USE_CASES for table in (*WEEKLY, *WHOLE)},
        "ci/outcomes": "ci",
        "certificates": "publication",
        "extracts": "publication",
        "dashboard": "publication",
        "playbook_pages": "publication",
    }
    checks: dict[str, set[str]] = {}
    for key in definitions.resolve_asset_graph().asset_check_keys:
        checks.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    assert checks == {
        "landed_events": {"rows_reconcile"},
        "usage_events": {"rows_reconcile"},
        **{f"{name}/account_weeks": ON_ACCOUNT_WEEKS for name in USE_CASES},
        **{f"{name}/north_star": ON_NORTH_STAR for name in USE_CASES},
        **{f"{name}/instrumentation": {"no_drift"} for name in USE_CASES},
        **{f"{name}/guardrails": {"no_breach"} for name in USE_CASES},
    }
    repository = definitions.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {"weekly_pipeline", "ingest_landing"}
    assert {(one.name, one.cron_schedule) for one in repository.schedule_defs} == {
        ("monday_close", "0 6 * * 1"), ("daily_flash", "0 5 * * *"),
    }  # fmt: skip
    assert [sensor.name for sensor in repository.sensor_defs] == ["landing_sensor"]


def test_every_asset_says_what_it_is(tmp_path: Path) -> None:
    for key, spec in specs(build_definitions(Zone(tmp_path).home)).items():
        assert spec.description, key
        assert list(spec.owners), key
        assert spec.kinds, key
        weekly = key == "usage_events" or key.split("/")[-1] in (*WEEKLY, *DECLARED)
        assert (spec.partitions_def is not None) == weekly, key
        if key not in WITHOUT_COLUMNS and not key.endswith("/instrumentation"):
            assert "dagster/column_schema" in spec.metadata, key


def test_one_run_at_a_time_in_one_process(tmp_path: Path) -> None:
    definitions = build_definitions(Zone(tmp_path).home)
    assert definitions.executor is dg.in_process_executor
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        if graph.get(key).is_partitioned:
            assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run(), key


def landed(root: Path, settings: str = FROZEN, instant: str = "2026-03-03T10:00:00Z") -> Zone:
    zone = Zone(root, settings=settings)
    _ = zone.playbook
    zone.put("one.jsonl", [event("one", instant)])
    return zone


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        (FROZEN, "2026-03-02"),
        (FROZEN + "time_zone: America/New_York\n", "2026-03-02"),
        (FROZEN + "week_starts_on: sunday\n", "2026-03-01"),
        (FROZEN + "first_week: 2026-02-16\n", "2026-02-16"),
    ],
)
def test_partitions_are_the_weeks_of_the_home(tmp_path: Path, settings: str, first: str) -> None:
    zone = landed(tmp_path / "home", settings)
    zone.ingest()
    it = opened(zone.root)
    partitions = weekly_partitions(it)
    keys = partitions.get_partition_keys()
    assert keys == [week.isoformat() for week in it.weeks]
    assert keys[0] == first
    assert partitions.timezone == it.calendar.zone
    window = partitions.time_window_for_partition_key(keys[1])
    start, end = it.calendar.bounds(it.weeks[1])
    assert (window.start.timestamp(), window.end.timestamp()) == (
        start.replace(tzinfo=UTC).timestamp(), end.replace(tzinfo=UTC).timestamp(),
    )  # fmt: skip


def test_partitions_before_and_after_the_wall_clock(tmp_path: Path) -> None:
    for name, day, last in (("past", "2024-05-08", "2024-05-06"), ("future", "2031-01-08", "2031-01-06")):
        zone = landed(tmp_path / name, f"company: Test\nas_of: {day}\n", f"{last[:4]}-01-02T10:00:00Z")
        zone.ingest()
        assert weekly_partitions(opened(zone.root)).get_partition_keys()[-1] == last


def test_weeks_of_a_run() -> None:
    weeks = [date(2026, 3, 2), date(2026, 3, 9), date(2026, 3, 16)]
    assert weeks_of_run(range_tags(weeks[0], weeks[1]), weeks) == weeks[:2]
    assert weeks_of_run({PARTITION: "2026-03-09"}, weeks) == [weeks[1]]
    assert weeks_of_run({}, weeks) == weeks


@pytest.mark.parametrize(
    ("zone", "at", "closed", "current"),
    [
        ("UTC", datetime(2026, 3, 16, 6, tzinfo=UTC), "2026-03-09", "2026-03-16"),
        ("UTC", datetime(2026, 3, 22, 5, tzinfo=UTC), "2026-03-09", "2026-03-16"),
        ("America/New_York", datetime(2026, 3, 16, 3, tzinfo=UTC), "2026-03-02", "2026-03-09"),
        ("America/New_York", datetime(2026, 3, 16, 10, tzinfo=UTC), "2026-03-09", "2026-03-16"),
    ],
)
def test_schedules_ask_for_the_right_week(zone: str, at: datetime, closed: str, current: str) -> None:
    for schedule in schedules(Calendar(zone)):
        assert schedule.execution_timezone == zone
        (request,) = asked(schedule, at).run_requests or []
        assert request.tags[PARTITION] == (closed if schedule.name == "monday_close" else current)
        assert schedule.job_name == "weekly_pipeline"


def test_schedules_of_a_home_that_stands_still_do_nothing() -> None:
    for schedule in schedules(Calendar(as_of=date(2026, 3, 18))):
        data = asked(schedule, datetime(2026, 3, 16, 6, tzinfo=UTC))
        assert not data.run_requests
        assert "2026-03-18" in (data.skip_message or "")


def asked(schedule: dg.ScheduleDefinition, at: datetime) -> Any:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
        return schedule.evaluate_tick(context)


@pytest.mark.slow
def test_the_sensor_ingests_then_rebuilds_then_rests(tmp_path: Path) -> None:
    zone = landed(tmp_path / "home")

    def asks() -> Any:
        it = opened(zone.root)
        return next_request(it, it.first_week)

    first = asks()
    assert (first.job_name, first.tags["nsm/files"]) == ("ingest_landing", "1")
    assert asks().run_key == first.run_key  # the same files: the same request
    zone.put("two.jsonl", [event("two", "2026-03-10T10:00:00Z")])
    assert asks().run_key != first.run_key

    it = opened(zone.root)
    ingest(it.home, it.engine, it.playbook)
    ranged = asks()
    assert ranged.job_name == "weekly_pipeline"
    assert (ranged.tags[RANGE_START], ranged.tags[RANGE_END]) == ("2026-03-02", "2026-03-16")
    assert here("run", "--home", zone.root).code in (0, 3)
    assert isinstance(asks(), dg.SkipReason)

    # A late file: its week alone.
    zone.put("late.jsonl", [event("late", "2026-03-04T10:00:00Z", "a9")])
    assert asks().job_name == "ingest_landing"
    it = opened(zone.root)
    ingest(it.home, it.engine, it.playbook)
    ranged = asks()
    assert (ranged.tags[RANGE_START], ranged.tags[RANGE_END]) == ("2026-03-02", "2026-03-02")


@pytest.mark.slow
def test_what_the_sensor_asks_for_can_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its two requests, executed as Dagster would, leave nothing to ask for and a published extract."""
    zone = landed(tmp_path / "home")
    it = opened(zone.root)
    ingest(it.home, it.engine, it.playbook)
    definitions = build_definitions(zone.home)
    request = next_request(opened(zone.root), opened(zone.root).first_week)
    assert isinstance(request, dg.RunRequest)
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def(str(request.job_name))
        assert job.execute_in_process(instance=instance, tags=dict(request.tags)).success
    after = opened(zone.root)
    assert isinstance(next_request(after, after.first_week), dg.SkipReason)
    assert (zone.home.extracts / "current" / "north_star.parquet").is_file()


def test_duckdb_gets_the_settings_of_the_playbook(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    engine = f"engine: {{memory_limit: 600MB, threads: 3, temp_directory: {spill}}}\n"
    zone = landed(tmp_path / "home", FROZEN + engine)
    resources = build_definitions(zone.home).resources
    assert resources is not None
    home = resources["home"]
    assert type(home.duckdb).__module__.startswith("dagster_duckdb")
    names = ("memory_limit", "threads", "temp_directory", "autoload_known_extensions")
    with dg.build_resources({"home": home}) as built:
        it = built.home.open()
        assert it.engine.workers == 3
        sql = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
        (found,) = it.engine.map(lambda connection, _: connection.execute(sql).fetchone(), [None])
    limit, threads, folder, autoload = found
    assert limit.startswith("190.7")  # 200 MB in MiB: a third each
    assert (threads, folder, autoload) == (1, str(spill), False)


def test_spilling_stays_in_the_home_by_default(tmp_path: Path) -> None:
    zone = landed(tmp_path / "home")
    home = (build_definitions(zone.home).resources or {})["home"]
    with dg.build_resources({"home": home}) as built:
        sql = "SELECT current_setting('temp_directory')"
        (found,) = built.home.open().engine.map(lambda connection, _: connection.execute(sql).fetchone()[0], [None])
    assert Path(found).is_relative_to(zone.root)


@pytest.mark.slow
def test_the_workspace_file_loads(published_home: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    mine = copy(published_home, tmp_path / "home")
    command = [str(Path(sys.executable).parent / "dagster"), "definitions", "validate", "-w", "workspace.yaml"]
    root = Path(__file__).resolve().parents[2]
    environment = clean_environment(NSM_HOME=str(mine), DAGSTER_HOME=str(mine / "dagster"))
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
