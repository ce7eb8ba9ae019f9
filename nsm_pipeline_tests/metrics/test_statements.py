"""The SQL that the handbook shows: run as it stands, it gives the numbers of a run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from homes import opened
from landing_zone import Zone

from nsm_pipeline.events.landing import ingest
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.metrics.statements import MetricSql, pretty, statements_of
from nsm_pipeline.metrics.weekly import WeeklyMetrics
from nsm_pipeline.playbook.formulas import evaluate, parse_formula
from nsm_pipeline.playbook.loading import load_playbook
from nsm_pipeline.playbook.models import NorthStar
from nsm_pipeline.steps.beyond import _days, _targets
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.weekly import run_weeks

GROCERY = Path(__file__).resolve().parents[2] / "examples" / "grocery"


@pytest.fixture(scope="module")
def grocery(tmp_path_factory: pytest.TempPathFactory) -> Open:
    """The grocery example with all weeks built."""
    home = tmp_path_factory.mktemp("grocery") / "home"
    for folder in ("playbook", "landing"):
        shutil.copytree(GROCERY / folder, home / folder)
    zone = Zone(home)
    zone.load_playbook()
    ingest(zone.home, zone.engine, zone.playbook)
    it = opened(home)
    tables = [(name, table) for name, plan in it.plans.items() for table in plan.tables]
    list(run_weeks(it, it.weeks, it.plans, tables))
    return it


def stored(it: Open, week: date) -> dict[str, float | None]:
    """The values of a run, by metric."""
    rows = [row for role in it.plans["delivery"].roles for row in it.lake.read(role, "delivery", week).to_pylist()]
    return {row["metric"]: row["value"] for row in rows if row["slice"] == "all"}


def tables_for(it: Open, metric: str, week: date, connection: duckdb.DuckDBPyConnection) -> None:
    """What a run puts before the statements: usage, events, snapshot, targets, days, history."""
    use_case = it.playbook.use_cases["delivery"]
    roles = {"north_star": NorthStar(metric=metric), "inputs": (), "counter_metrics": (), "outcomes": ()}
    plan = UseCasePlan(use_case.model_copy(update=roles), it.playbook.attributes())
    weekly, reach = WeeklyMetrics(plan), plan.reach("north_star")
    around = it.weeks_around(reach, week)
    it.usage.load_around(connection, use_case, week, around, weekly.events_read, weekly.columns_read)
    files = [str(it.lake.file("usage_events", "delivery", one)) for one in it.weeks_read(reach, week)]
    connection.execute("CREATE TEMP VIEW history AS SELECT * FROM read_parquet($1)".replace("$1", str(files)))
    it.usage.load(connection, use_case, [week])
    connection.register("targets", _targets(it, weekly, [week]))
    connection.register("days", _days(it, reach, [week]))


def asked(found: MetricSql, week: date, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The week's columns of all statements that answer, each run as it is shown."""
    columns: dict[str, Any] = {}
    for one in found.statements:
        result = connection.execute(one.sql, {"weeks": [week]} if "$weeks" in one.sql else None)
        if one.answers:
            columns |= next((row for row in result.to_arrow_table().to_pylist() if row["week"] == week), {})
    return columns


def value_of(said: str, columns: dict[str, Any]) -> float | None:
    """The value by the script's last line, such as `(a / b), where a = _m0, b = _m1 / _m2`."""
    words, _, where = said.removeprefix("value of the week = ").partition(", where ")
    names = dict(part.split(" = ", 1) for part in re.split(r", (?=\w+ = )", where)) if where else {}
    # A week without a row counts nothing, and has no median.
    known = {name: None if name.endswith("_value") else 0.0 for name in re.findall(r"\bx_\w+", spelled(said))}
    known |= {f"x{name}": None if value is None else float(value) for name, value in columns.items() if name != "week"}
    known |= {name: evaluate(parse_formula(spelled(text)), known) for name, text in names.items()}
    return evaluate(parse_formula(spelled(words)), known)


def spelled(text: str) -> str:
    """Names of a formula begin with a letter, those of intermediate columns with an underscore."""
    return re.sub(r"(?<!\w)_", "x_", text)


def metrics() -> Iterator[str]:
    said = yaml.safe_load((GROCERY / "playbook" / "delivery.yaml").read_text(encoding="utf-8"))
    yield said["north_star"]["metric"]
    yield from (one["metric"] for one in said["inputs"])
    yield from (one["metric"] for one in said["counter_metrics"])


@pytest.mark.slow
@pytest.mark.parametrize("metric", metrics())
def test_the_sql_that_is_shown_gives_the_number_that_is_stored(grocery: Open, metric: str) -> None:
    found = statements_of(grocery.playbook.use_cases["delivery"], metric, grocery.playbook.attributes())
    seen = []
    for week in grocery.weeks[:-1]:
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            tables_for(grocery, metric, week, connection)
            value = value_of(found.value, asked(found, week, connection))
        wanted = stored(grocery, week)[metric]
        assert value == pytest.approx(wanted) if wanted is not None else value is None, week
        seen.append(value)
    assert any(seen), "no week has a value other than 0: the comparison shows nothing"


def test_laying_a_statement_out_changes_nothing_that_it_says() -> None:
    sql = "SELECT count(*) FILTER (WHERE x IN ('a''b', '--', '``` ')) AS n FROM t WHERE y = $weeks"
    assert pretty(pretty(sql)) == pretty(sql)
    assert all(text in pretty(sql) for text in ("'a''b'", "'--'", "'``` '", "$weeks"))


def test_the_script_says_what_each_statement_does() -> None:
    playbook = load_playbook(GROCERY / "playbook")
    text = statements_of(playbook.use_cases["delivery"], "on_time_orders", playbook.attributes()).text()
    assert text.startswith("-- which events count")
    assert text.endswith("-- value of the week = _m0")
