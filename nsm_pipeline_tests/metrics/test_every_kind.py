"""Random playbooks over random weeks, through landing and all: every kind against the slow reference."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from landing_zone import Zone
from slow import Cell, Row, Week, Within, World

from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.weekly import run_weeks

pytestmark = pytest.mark.slow

FIRST = date(2026, 2, 23)
EVENTS: dict[str, dict[str, str]] = {
    "signed_up": {},
    "ordered": {"amount": "number", "items": "integer", "paid": "boolean", "order": "string"},
    "delivered": {"items": "integer", "order": "string"},
}
MEANING: dict[str | None, Within] = {
    None: lambda _: True,
    "plan = 'pro'": lambda row: row["plan"] == "pro",
    "plan is null or seats >= 2": lambda row: row["plan"] is None or (row["seats"] is not None and row["seats"] >= 2),
    "not account_id like '%2'": lambda row: not row["account_id"].endswith("2"),
    "items > 1": lambda row: row.get("items") is not None and row["items"] > 1,
    "not paid": lambda row: row.get("paid") is False,
}
ANYWHERE = [None, None, "plan = 'pro'", "plan is null or seats >= 2", "not account_id like '%2'"]
WITH_ITEMS = [*ANYWHERE, "items > 1"]
accounts = st.sampled_from([f"a{number}" for number in range(5)])


def optional(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


@st.composite
def events(draw: st.DrawFn) -> Row:
    name = draw(st.sampled_from(sorted(EVENTS)))
    values = {"number": [0.5, 2.0, -1.0], "integer": [0, 1, 3], "boolean": [True, False], "string": ["o1", "o2", "o3"]}
    # Half hours, and now and then the first or last moment of a day, over five weeks and a little beyond.
    at = datetime(2026, 2, 22) + timedelta(minutes=30 * draw(st.integers(0, 36 * 48)))
    at -= timedelta(microseconds=draw(st.sampled_from([0, 0, 1])))
    properties = {key: draw(optional(values[kind])) for key, kind in EVENTS[name].items()}
    return {
        "event": name,
        "at": at,
        "account_id": draw(accounts),
        "user_id": draw(optional(["u1", "u2"])),
        **properties,
    }


@st.composite
def snapshots(draw: st.DrawFn) -> list[Row]:
    created = [date(2026, 1, 1), date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 8), date(2026, 3, 11)]
    return [
        {
            "account_id": account,
            "is_internal": draw(st.sampled_from([False, False, False, True])),
            "plan": draw(optional(["free", "pro"])),
            "segment": None,
            "seats": draw(optional([0, 1, 2])),
            "created_on": draw(optional(created)),
        }
        for account in draw(st.lists(accounts, unique=True, min_size=1))
    ]


def having(draw: st.DrawFn, entity: str, items: bool) -> str:
    measures = ["", "", "distinct user ", "distinct account ", *(["sum items ", "distinct items "] if items else [])]
    per = draw(st.sampled_from(["", "", " per seat"])) if entity == "account" else ""
    op, number = draw(st.sampled_from([">", ">=", "<=", "="])), draw(st.sampled_from([1, 2, 0.5]))
    return f"{draw(st.sampled_from(measures))}{op} {number}{per}"


@st.composite
def metric(draw: st.DrawFn, kind: str) -> Row:
    found: Row = {"include_internal": draw(st.booleans())}
    several = draw(st.sampled_from([["ordered"], ["delivered"], ["ordered", "delivered"]]))
    window = draw(st.sampled_from(["1 week", "2 weeks", "10 days", "3 days", "28 days"]))
    within = draw(st.sampled_from(["36 hours", "3 days", "1 week", "10 days"]))
    where = draw(st.sampled_from(WITH_ITEMS))
    match kind:
        case "count":
            found |= {"count": several, "window": window}
        case "count_distinct":
            what = draw(st.sampled_from(["account", "user", "order"]))
            found |= {"count_distinct": what, "of": several, "window": window}
        case "sum" | "average" | "median" | "minimum" | "maximum":
            found |= {kind: "items", "of": several, "window": window}
        case "quantile":
            found |= {"quantile": "items", "q": draw(st.sampled_from([0.25, "90%"])), "of": several, "window": window}
        case "count_entities":
            entity = draw(st.sampled_from(["account", "user", "order"]))
            found |= {kind: entity, "of": several, "having": having(draw, entity, items=True), "window": window}
        case "attribute":
            found |= {kind: "seats", "aggregate": draw(st.sampled_from(["sum", "average", "count"]))}
            found |= {"over": draw(st.sampled_from(["active", "all"]))}
            where = draw(st.sampled_from(ANYWHERE))
        case "conversion" | "time_between":
            found |= journey(draw, kind, within)
            if kind == "time_between":
                found |= draw(st.sampled_from([{}, {"aggregate": "average"}, {"aggregate": "quantile", "q": 0.9}]))
                found |= {"unit": draw(st.sampled_from(["seconds", "hours"]))}
            where = draw(st.sampled_from(ANYWHERE))
        case "cohort":
            found |= journey(draw, kind, within) | {"as": draw(st.sampled_from(["count", "share"]))}
            if draw(st.booleans()):
                found["having"] = having(draw, found[kind], items=found["to"] != "signed_up")
            if draw(st.integers(0, 4)) == 0:
                found = {key: value for key, value in found.items() if key not in ("to", "within", "having")}
            where = draw(st.sampled_from(ANYWHERE))
        case "retention":
            entity = draw(st.sampled_from(["account", "user", "order"]))
            found |= {kind: entity, "of": several, "weeks": draw(st.sampled_from([1, 2]))}
        case "lifecycle":
            which = draw(st.sampled_from(["new", "retained", "resurrected", "churned"]))
            found |= {kind: which, "entity": draw(st.sampled_from(["account", "user"]))}
            if which in ("new", "retained") and draw(st.booleans()):
                found |= {"by": "created_on", "entity": "account"}
            if draw(st.booleans()):
                found |= {"of": several}
            else:
                where = draw(st.sampled_from(ANYWHERE))
    return {**found, "where": where} if where else found


def journey(draw: st.DrawFn, kind: str, within: str) -> Row:
    entity = draw(st.sampled_from(["account", "user", "order"]))
    if entity == "order":
        start, to = draw(st.sampled_from([("ordered", "delivered"), ("delivered", "ordered"), ("ordered", "ordered")]))
        return {kind: entity, "from": start, "to": to, "within": within}
    start = draw(st.sampled_from(["signed_up", "ordered", *(["created_on"] if entity == "account" else [])]))
    to: Any = draw(st.sampled_from(["ordered", "delivered", "signed_up", {"events": "ordered", "where": "not paid"}]))
    return {kind: entity, "from": start, "to": to, "within": within}


KINDS = ("count", "count_distinct", "sum", "average", "median", "minimum", "maximum", "quantile", "count_entities",
         "attribute", "conversion", "time_between", "cohort", "retention", "lifecycle")  # fmt: skip


@st.composite
def playbooks(draw: st.DrawFn) -> Row:
    metrics = {f"m_{kind}": draw(metric(kind)) for kind in KINDS}
    metrics |= {f"extra_{place}": draw(metric(draw(st.sampled_from(KINDS)))) for place in range(3)}
    sides = st.sampled_from(sorted(metrics))
    metrics["a_ratio"] = {"ratio": {"numerator": draw(sides), "denominator": draw(sides)}}
    metrics["a_formula"] = {"formula": "m_count / (m_sum + 2) - m_median * 3"}
    metrics["orders_of_week"] = {"count": "ordered", "slices": []}
    activity = draw(st.sampled_from([None, "ordered", {"of": ["ordered", "delivered"], "where": "items > 1"}]))
    first, *others = metrics
    return {
        "use_case": "shop",
        "title": "Shop",
        "owner": {"name": "x"},
        "events": {
            name: {"properties": {key: {"type": kind} for key, kind in keys.items()}, "sources": [{"name": name}]}
            for name, keys in EVENTS.items()
        },
        "activity": activity,
        "metrics": metrics,
        "north_star": {"metric": first},
        "inputs": [{"metric": name, "dimension": "depth"} for name in others],
        "slices": ["plan", "seats"],
    }


def landed(rows: Sequence[Row]) -> list[Row]:
    """Events as a sender would deliver them."""
    return [
        {
            "event_id": f"e{place}",
            "event_name": row["event"],
            "occurred_at": row["at"].replace(tzinfo=UTC).isoformat(),
            "received_at": row["at"].replace(tzinfo=UTC).isoformat(),
            "account_id": row["account_id"],
            "user_id": row["user_id"],
            "properties": {key: row[key] for key in EVENTS[row["event"]] if row[key] is not None},
        }
        for place, row in enumerate(rows)
    ]


def compute(root: Path, playbook: Row, rows: Sequence[Row], known: Sequence[Sequence[Row]], zone: str) -> Zone:
    """A home with everything landed and built."""
    settings = {"time_zone": zone, "first_week": str(FIRST), "as_of": "2026-03-29"}
    it = Zone(root, yaml.safe_dump(playbook), yaml.safe_dump(settings))
    if rows:
        it.put("events.jsonl", landed(rows))
    for day, accounts_then in zip(DAYS, known, strict=False):
        it.put_accounts(str(day), accounts_then)
    opened = Open.of(it.home, it.playbook, it.engine, it.ingest())
    list(run_weeks(opened, opened.weeks, opened.plans, [("shop", table) for table in opened.plans["shop"].tables]))
    return it


DAYS = (date(2026, 3, 1), date(2026, 3, 12))


def compare(it: Zone, world: World, week: date) -> int:
    """Every cell of every metric of a week; returns how many there were."""
    seen = world.as_of(week)
    cells = {
        (row["metric"], row["slice"], row["slice_value"]): Cell(
            row["value"], row["numerator"], row["denominator"], row["entities"]
        )
        for table in ("north_star", "inputs")
        for row in it.lake.read(table, "shop", week).to_pylist()
    }
    for name, definition in world.use_case.metrics.items():
        assert close(cells[name, "all", "all"], seen.cell(definition)), (name, week, definition)
        slices = world.use_case.slices if definition.slices is None else definition.slices
        assert {key[1] for key in cells if key[0] == name} <= {"all", *slices}
        for by in slices:
            compare_slice(cells, seen, name, by)
    return len(cells)


def compare_slice(cells: dict[tuple[str, str, str], Cell], seen: Week, name: str, by: str) -> None:
    definition = seen.world.use_case.metrics[name]
    values = {str(row[by]) if row.get(by) is not None else "(unknown)" for row in (*seen.rows, *seen.known)}
    for value in values | {key[2] for key in cells if key[:2] == (name, by)}:

        def within(row: Row, value: str = value) -> bool:
            return (str(row[by]) if row.get(by) is not None else "(unknown)") == value

        expected = seen.cell(definition, within)
        found = cells.get((name, by, value))
        if found is None:  # nobody of this slice did anything in the week
            assert {expected.value, expected.numerator, expected.denominator} <= {None, 0}, (name, by, value)
        else:
            assert close(found, expected), (name, by, value, definition)


def close(found: Cell, expected: Cell) -> bool:
    """Equal, but for the last digits of a quotient."""
    pairs = [(found.value, expected.value), (found.numerator, expected.numerator)]
    pairs += [(found.denominator, expected.denominator)]
    same = all(a == b or (a is not None and b is not None and a == pytest.approx(b, rel=1e-12)) for a, b in pairs)
    if not (same and found.entities == expected.entities):
        print("found", found, "expected", expected)
    return same and found.entities == expected.entities


anything = given(
    playbooks(),
    st.lists(events(), min_size=0, max_size=60),
    st.lists(snapshots(), min_size=0, max_size=2),
    st.sampled_from(["UTC", "America/New_York"]),
)
some = settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@anything
@some
def test_every_kind_against_the_reference(
    tmp_path: Path, playbook: Row, rows: list[Row], known: list[list[Row]], zone: str
) -> None:
    root = tmp_path / "home"
    shutil.rmtree(root, ignore_errors=True)
    it = compute(root, playbook, rows, known, zone)
    use_case = it.playbook.use_cases["shop"]
    world = World(use_case, rows, dict(zip(DAYS, known, strict=False)), zone, MEANING)
    # What lies before the first week counts for no week, and for no window that reaches back there.
    world = replace(world, events=[row for row in rows if row["at"] >= world.midnight(FIRST)])
    checked = sum(compare(it, world, FIRST + timedelta(weeks=number)) for number in range(5))
    assert checked >= 5 * len(use_case.metrics)


@pytest.mark.soak
@anything
@settings(some, max_examples=120)
def test_many_playbooks_against_the_reference(
    tmp_path: Path, playbook: Row, rows: list[Row], known: list[list[Row]], zone: str
) -> None:
    inner = test_every_kind_against_the_reference.hypothesis.inner_test  # type: ignore[attr-defined]
    inner(tmp_path, playbook, rows, known, zone)
