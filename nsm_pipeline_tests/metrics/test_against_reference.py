"""Every metric kind against a slow reference in plain Python, over random small weeks."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.metrics.weekly import WeeklyMetrics
from nsm_pipeline.playbook.checking import Checker
from nsm_pipeline.playbook.models import Role, UseCase

Row = dict[str, Any]
WEEK = date(2026, 3, 2)
ATTRIBUTES = {"plan": "string", "segment": "string", "seats": "integer", "created_on": "date", "arr": "number",
              "m0": "string", "is_active": "boolean"}  # fmt: skip
ARROW = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}
EVENTS = {
    "ordered": {"amount": "number", "items": "integer", "status": "string"},
    "viewed": {"items": "integer", "page": "string"},
    "searched": {},
}
PROPERTIES = {name: kind for event in EVENTS.values() for name, kind in event.items()}
# Filters by what they may read: of every event, of `ordered`, of attributes alone.
Filter = tuple[str | None, Callable[[Row], bool]]
ANYWHERE: list[Filter] = [
    (None, lambda _: True),
    ("plan = 'pro'", lambda row: row["plan"] == "pro"),
    ("plan is null or seats >= 2", lambda row: row["plan"] is None or (row["seats"] is not None and row["seats"] >= 2)),
    ("not plan = 'pro'", lambda row: row["plan"] is not None and row["plan"] != "pro"),
    ("is_internal", lambda row: bool(row["is_internal"])),
]
ORDERED: list[Filter] = [
    ("status = 'paid'", lambda row: row["status"] == "paid"),
    ("status <> 'paid' and amount > 0", lambda row: row["status"] not in (None, "paid") and (row["amount"] or 0) > 0),
]
MEANING = dict([*ANYWHERE, *ORDERED])


def use_case(metrics: dict[str, Any], slices: Sequence[str] = ("plan", "seats"), activity: Any = None) -> UseCase:
    """A checked use case: the first metric is the North Star, the others are inputs."""
    first, *others = metrics
    found = UseCase.model_validate(
        {
            "use_case": "shop",
            "title": "Shop",
            "owner": {"name": "x"},
            "events": {
                name: {
                    "properties": {key: {"type": kind} for key, kind in declared.items()},
                    "sources": [{"name": name}],
                }
                for name, declared in EVENTS.items()
            },
            "activity": activity,
            "metrics": metrics,
            "north_star": {"metric": first},
            "inputs": [{"metric": name, "dimension": "depth"} for name in others],
            "slices": slices,
        }
    )
    Checker(Path("shop.yaml"), found, ATTRIBUTES).check()
    return found


def compute(definition: UseCase, events: Sequence[Row], accounts: Sequence[Row]) -> WeekOfMetrics:
    """The program's answer: events know whether their account is internal, as usage events do."""
    internal = {row["account_id"]: row["is_internal"] for row in accounts}
    empty = dict.fromkeys(PROPERTIES)
    full = [{**empty, "is_internal": internal.get(row["account_id"], False), **row} for row in events]
    kinds = {
        "account_id": "string",
        "user_id": "string",
        "event": "string",
        "is_internal": "boolean",
        **PROPERTIES,
    }
    usage = pa.table({name: pa.array([row[name] for row in full], ARROW[kind]) for name, kind in kinds.items()})
    usage = usage.append_column("week", pa.array([WEEK] * len(full), pa.date32()))
    usage = usage.append_column("occurred_at", pa.array([datetime(2026, 3, 3)] * len(full), pa.timestamp("us")))
    kinds = {"account_id": "string", "is_internal": "boolean", **ATTRIBUTES}
    snapshot = pa.table({name: pa.array([row[name] for row in accounts], ARROW[kind]) for name, kind in kinds.items()})
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("usage", usage)
        connection.register("snapshot", snapshot)
        metrics = WeeklyMetrics(UseCasePlan(definition, ATTRIBUTES))
        numbers, account_weeks = metrics.near(connection, [WEEK])
        return WeekOfMetrics(account_weeks[WEEK], metrics.tables(WEEK, numbers, metrics.plan.roles))


@dataclass(frozen=True)
class WeekOfMetrics:
    account_weeks: pa.Table
    tables: Mapping[Role, pa.Table]


class Reference:
    """What each metric means, said slowly."""

    def __init__(self, definition: UseCase, events: Sequence[Row], accounts: Sequence[Row]) -> None:
        known = {row["account_id"]: row for row in accounts}
        unknown = {**dict.fromkeys(ATTRIBUTES), "is_internal": False}
        self.events = [{**dict.fromkeys(PROPERTIES), **known.get(row["account_id"], unknown), **row} for row in events]
        self.accounts = list(accounts)
        self.definition = definition
        self.active = {row["account_id"] for row in events if row["event"] in definition.active_events}

    def inside(self, metric: Any, within: Callable[[Row], bool]) -> list[Row]:
        """Events, or accounts of an attribute metric, that count."""
        meaning = MEANING[metric.where]
        names = metric.count or metric.of
        if metric.attribute:
            rows = [row for row in self.accounts if metric.over == "all" or row["account_id"] in self.active]
        else:
            rows = [row for row in self.events if row["event"] in names]
        rows = [row for row in rows if metric.include_internal or not row["is_internal"]]
        return [row for row in rows if within(row) and meaning(row)]

    def number(self, metric: Any, within: Callable[[Row], bool]) -> float | None:
        rows = self.inside(metric, within)

        def present(name: str) -> list[Any]:
            return [row[name] for row in rows if row[name] is not None]

        match metric.kind:
            case "count":
                return len(rows)
            case "count_distinct":
                return len(
                    set(
                        present(
                            {"account": "account_id", "user": "user_id"}.get(
                                metric.count_distinct, metric.count_distinct
                            )
                        )
                    )
                )
            case "sum":
                return sum(present(metric.sum))
            case "average":
                return statistics.fmean(present(metric.average)) if present(metric.average) else None
            case "median":
                return statistics.median(present(metric.median)) if present(metric.median) else None
            case "minimum":
                return min(present(metric.minimum), default=None)
            case "maximum":
                return max(present(metric.maximum), default=None)
            case "attribute":
                values = present(metric.attribute)
                if metric.aggregate == "average":
                    return statistics.fmean(values) if values else None
                return len(values) if metric.aggregate == "count" else sum(values)
        raise AssertionError(metric.kind)

    def row(self, name: str, within: Callable[[Row], bool]) -> dict[str, Any]:
        """value, numerator, denominator, entities of one metric over the rows that are `within`."""
        metric = self.definition.metrics[name]
        if metric.ratio is not None:
            sides = [
                self.definition.metrics[side] if isinstance(side, str) else side
                for side in (metric.ratio.numerator, metric.ratio.denominator)
            ]
            above, below = (self.number(side, within) for side in sides)
            value = above / below if above is not None and below else None
            of_events = [side for side in reversed(sides) if not side.attribute]
            entities = self.inside((of_events or sides)[0], within)
        else:
            value, above, below = self.number(metric, within), None, None
            entities = self.inside(metric, within)
            column = metric.average or metric.median or metric.minimum or metric.maximum
            if column:
                values = [row[column] for row in entities if row[column] is not None]
                below, above = len(values), sum(values) if metric.average else None
            else:
                above = value
        found = {"value": value, "numerator": above, "denominator": below}
        numbers = {key: None if number is None else float(number) for key, number in found.items()}
        return {**numbers, "entities": len({row["account_id"] for row in entities})}


NOTHING = ({None, 0.0}, 0)


def check(definition: UseCase, events: Sequence[Row], accounts: Sequence[Row]) -> WeekOfMetrics:
    """Compare every cell of every table with the reference."""
    found = compute(definition, events, accounts)
    reference = Reference(definition, events, accounts)
    rows = [row for table in found.tables.values() for row in table.to_pylist()]
    cells = {(row["metric"], row["slice"], row["slice_value"]): row for row in rows}
    assert len(cells) == len(rows)
    numbers = ("value", "numerator", "denominator", "entities")
    for name in definition.metrics:
        mine = {key: cells[name, "all", "all"][key] for key in numbers}
        assert mine == reference.row(name, lambda _: True), name
        for slice_name in definition.slices:

            def text(row: Row, slice_name: str = slice_name) -> str:
                return "(unknown)" if row[slice_name] is None else str(row[slice_name])

            values = {text(row) for row in [*reference.events, *accounts]}
            reported = {key[2] for key in cells if key[:2] == (name, slice_name)}
            assert reported <= values
            for value in values:
                expected = reference.row(name, lambda row, text=text, value=value: text(row) == value)
                if value in reported:
                    assert {key: cells[name, slice_name, value][key] for key in numbers} == expected, (
                        name,
                        slice_name,
                        value,
                    )
                else:
                    assert {expected["value"], expected["numerator"], expected["denominator"]} <= {None, 0.0}
                    assert expected["entities"] == 0
    check_account_weeks(definition, reference, found.account_weeks)
    return found


def check_account_weeks(definition: UseCase, reference: Reference, table: pa.Table) -> None:
    external = {row["account_id"] for row in reference.events if not row["is_internal"]}
    rows = table.to_pylist()
    assert [row["account_id"] for row in rows] == sorted(external & reference.active)
    for row in rows:
        mine = [event for event in reference.events if event["account_id"] == row["account_id"]]
        assert row["week"] == WEEK
        assert row["events"] == sum(event["event"] in definition.active_events for event in mine)
        assert {name: row[name] for name in ATTRIBUTES} == {name: mine[0][name] for name in ATTRIBUTES}
        for name, metric in definition.metrics.items():
            if name in row and metric.kind in ("count", "sum"):
                assert row[name] == reference.number(
                    metric, lambda event, row=row: event["account_id"] == row["account_id"]
                )


def optional(values: Iterable[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


accounts = st.lists(
    st.fixed_dictionaries(
        {
            "account_id": st.sampled_from([f"a{number}" for number in range(5)]),
            "is_internal": st.sampled_from([False, False, True]),
            "plan": optional(["free", "pro"]),
            "segment": st.none(),
            "seats": optional([1, 2, 3]),
            "created_on": st.none(),
            "arr": optional([0.5, 10.0]),
            "m0": optional(["x"]),
            "is_active": optional([True, False]),
        }
    ),
    max_size=5,
    unique_by=lambda row: row["account_id"],
)
usage = st.lists(
    st.sampled_from(sorted(EVENTS)).flatmap(
        lambda event: st.fixed_dictionaries(
            {
                "event": st.just(event),
                "account_id": st.sampled_from([f"a{number}" for number in range(6)]),
                "user_id": optional(["u1", "u2", "u3"]),
                **{
                    name: optional(
                        {"number": [0.0, 0.5, 2.5, -1.0], "integer": [0, 1, 4], "string": ["paid", "open"]}[kind]
                    )
                    for name, kind in EVENTS[event].items()
                },
            }
        )
    ),
    max_size=20,
)


@st.composite
def metrics(draw: st.DrawFn, kinds: Sequence[str]) -> Row:
    kind = draw(st.sampled_from(kinds))
    if kind == "ratio":
        side = metrics(["count", "count_distinct", "sum", "attribute"])
        return {"ratio": {"numerator": draw(side), "denominator": draw(side)}}
    metric: Row = {"include_internal": draw(st.booleans())}
    events = draw(st.sampled_from([["ordered"], ["viewed"], ["ordered", "viewed"], ["searched", "ordered"]]))
    if kind in ("average", "sum", "median", "minimum", "maximum"):
        events = draw(st.sampled_from([["ordered"], ["viewed"], ["ordered", "viewed"]]))
        metric |= {kind: draw(st.sampled_from(["amount", "items"])) if events == ["ordered"] else "items", "of": events}
    elif kind == "count_distinct":
        columns = ["account", "user", *(["status"] if events == ["ordered"] else [])]
        metric |= {kind: draw(st.sampled_from(columns)), "of": events}
    elif kind == "attribute":
        events = []
        aggregate = draw(st.sampled_from(["sum", "average", "count"]))
        names = ["seats", "arr", "account_id", "plan"] if aggregate == "count" else ["seats", "arr"]
        metric |= {
            kind: draw(st.sampled_from(names)),
            "aggregate": aggregate,
            "over": draw(st.sampled_from(["active", "all"])),
        }
    else:
        metric |= {kind: events}
    text = draw(st.sampled_from([*ANYWHERE, *(ORDERED if events == ["ordered"] else [])]))[0]
    return {**metric, "where": text} if text else metric


KINDS = ["count", "count_distinct", "sum", "average", "median", "minimum", "maximum", "attribute", "ratio"]


@pytest.mark.slow
@given(
    st.tuples(*(metrics([kind]) for kind in KINDS)), st.lists(metrics(KINDS), max_size=4), usage, accounts,
    optional([["viewed"], ["ordered", "searched"]]),
)  # fmt: skip
@settings(max_examples=20, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes minutes
def test_every_kind_against_the_reference(
    one_each: tuple[Row, ...], more: list[Row], events: list[Row], snapshot: list[Row], activity: list[str] | None
) -> None:
    named = {f"metric_{place}": metric for place, metric in enumerate([*one_each, *more])}
    check(use_case(named, activity=activity), events, snapshot)


ALL_KINDS = {
    "buyers": {"count_distinct": "account", "of": "ordered"},
    "orders": {"count": "ordered"},
    "people": {"count_distinct": "user", "of": ["ordered", "viewed"]},
    "turnover": {"sum": "amount", "of": "ordered"},
    "basket": {"average": "amount", "of": "ordered"},
    "typical": {"median": "amount", "of": "ordered"},
    "least": {"minimum": "amount", "of": "ordered"},
    "most": {"maximum": "amount", "of": "ordered"},
    "paid_share": {"ratio": {"numerator": {"count": "ordered", "where": "status = 'paid'"}, "denominator": "orders"}},
    "active_seats": {"attribute": "seats"},
    "all_arr": {"attribute": "arr", "over": "all"},
    "mean_seats": {"attribute": "seats", "aggregate": "average", "over": "all"},
    "orders_per_seat": {"ratio": {"numerator": "orders", "denominator": {"attribute": "seats"}}},
}


def account(name: str, **more: Any) -> Row:
    return {"account_id": name, "is_internal": False, **dict.fromkeys(ATTRIBUTES), **more}


def order(account_id: str, user: str | None, amount: float | None, status: str | None) -> Row:
    return {
        "event": "ordered",
        "account_id": account_id,
        "user_id": user,
        "amount": amount,
        "items": 1,
        "status": status,
    }


def test_a_week_worked_by_hand() -> None:
    """Five orders of two customers and one of our own; one view by a third; a fourth account that did nothing."""
    snapshot = [
        account("a1", plan="pro", seats=10, arr=100.0), account("a2", plan="free", seats=2, arr=0.0),
        account("a3", plan="free", seats=3, arr=5.0), account("a4", plan="pro", seats=50, arr=1000.0),
        account("ours", plan="pro", seats=1000, arr=0.0, is_internal=True),
    ]  # fmt: skip
    events = [
        order("a1", "u1", 10.0, "paid"), order("a1", "u1", 20.0, "paid"), order("a1", "u2", None, "open"),
        order("a2", "u3", 60.0, "paid"), order("a2", None, 30.0, None), order("ours", "us", 1e6, "paid"),
        {"event": "viewed", "account_id": "a3", "user_id": "u4", "items": 1, "page": "home"},
    ]  # fmt: skip
    found = check(use_case(ALL_KINDS, slices=("plan",)), events, snapshot)
    rows = [row for table in found.tables.values() for row in table.to_pylist()]
    cells = {(row["metric"], row["slice_value"]): row for row in rows}
    assert {name: cells[name, "all"]["value"] for name in ALL_KINDS} == {
        "buyers": 2, "orders": 5, "people": 4, "turnover": 120, "basket": 30, "typical": 25, "least": 10, "most": 60,
        "paid_share": 3 / 5, "active_seats": 15, "all_arr": 1105, "mean_seats": 65 / 4, "orders_per_seat": 5 / 15,
    }  # fmt: skip
    assert {name: cells[name, "pro"]["value"] for name in ALL_KINDS} == {
        "buyers": 1, "orders": 3, "people": 2, "turnover": 30, "basket": 15, "typical": 15, "least": 10, "most": 20,
        "paid_share": 2 / 3, "active_seats": 10, "all_arr": 1100, "mean_seats": 30, "orders_per_seat": 3 / 10,
    }  # fmt: skip
    assert (cells["basket", "all"]["numerator"], cells["basket", "all"]["denominator"]) == (120, 4)
    assert (cells["paid_share", "all"]["numerator"], cells["paid_share", "all"]["denominator"]) == (3, 5)
    assert [cells[name, "all"]["entities"] for name in ("buyers", "people", "all_arr", "active_seats")] == [2, 3, 4, 3]
    assert [row["account_id"] for row in found.account_weeks.to_pylist()] == ["a1", "a2", "a3"]
    assert found.account_weeks["turnover"].to_pylist() == [30, 90, 0]


def test_a_week_without_any_event() -> None:
    """Counts and sums are 0; what would need a value has none."""
    for snapshot in ([], [account("a1", plan="pro", seats=3, arr=1.0)]):
        found = check(use_case(ALL_KINDS), [], snapshot)
        rows = [row for table in found.tables.values() for row in table.to_pylist() if row["slice"] == "all"]
        values = {row["metric"]: row["value"] for row in rows}
        assert found.account_weeks.num_rows == 0
        assert {
            name: values[name] for name in ("buyers", "orders", "people", "turnover", "active_seats")
        } == dict.fromkeys(("buyers", "orders", "people", "turnover", "active_seats"), 0)
        assert {values[name] for name in ("basket", "typical", "least", "most", "paid_share", "orders_per_seat")} == {
            None
        }
        assert (values["all_arr"], values["mean_seats"]) == ((1.0, 3.0) if snapshot else (0.0, None))


def test_schemas_do_not_depend_on_the_rows() -> None:
    definition = use_case(ALL_KINDS)
    empty = compute(definition, [], [])
    full = compute(definition, [order("a1", "u1", 10.0, "paid")], [account("a1", seats=1)])
    assert empty.account_weeks.schema.equals(full.account_weeks.schema)
    for role, table in empty.tables.items():
        assert table.schema.equals(full.tables[role].schema)


def test_the_order_of_rows_makes_no_difference() -> None:
    definition = use_case(ALL_KINDS)
    events = [order(f"a{n % 7}", f"u{n % 5}", n / 2, ["paid", "open", None][n % 3]) for n in range(60)]
    snapshot = [account(f"a{n}", plan=["pro", "free", None][n % 3], seats=n, arr=n / 4) for n in range(6)]
    first = compute(definition, events, snapshot)
    second = compute(definition, events[::-1], snapshot[::-1])
    assert first.account_weeks.equals(second.account_weeks)
    assert all(table.equals(second.tables[role]) for role, table in first.tables.items())
