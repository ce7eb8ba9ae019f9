"""A filter on DuckDB says of every row what a slow evaluator of SQL's three-valued logic says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import duckdb
import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_pipeline.metrics.expressions import where
from nsm_pipeline.playbook.filters import canonical, parse

Row = dict[str, Any]
Truth = bool | None
Meaning = Callable[[Row], Truth]
COLUMNS = {
    "status": "string",
    "other": "string",
    "items": "integer",
    "amount": "number",
    "gift": "boolean",
    "day": "date",
}
ARROW = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}
TEXTS = ["", "a", "b", "ab", "a%", "a_b", "it's", "A", "ä"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(TEXTS),
    "integer": st.integers(-3, 3),
    "number": st.sampled_from([-1.5, -1.0, 0.0, 0.5, 1.0, 2.0]),
    "boolean": st.booleans(),
    "date": st.dates(date(2026, 1, 1), date(2026, 1, 4)),
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "==": lambda a, b: a == b, "<>": lambda a, b: a != b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def compared(name: str, sign: str, other: Callable[[Row], Any]) -> Meaning:
    def meaning(row: Row) -> Truth:
        left, right = row[name], other(row)
        return None if left is None or right is None else COMPARE[sign](left, right)

    return meaning


def every(truths: list[Truth]) -> Truth:
    return False if False in truths else None if None in truths else True


def some(truths: list[Truth]) -> Truth:
    return True if True in truths else None if None in truths else False


def negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def like(text: str | None, pattern: str) -> Truth:
    if text is None:
        return None
    parts = (".*" if mark == "%" else "." if mark == "_" else re.escape(mark) for mark in pattern)
    return re.fullmatch("".join(parts), text, re.S) is not None


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, Meaning]:
    name = draw(st.sampled_from(sorted(COLUMNS)))
    kind = COLUMNS[name]
    sign = draw(st.sampled_from(sorted(COMPARE)))
    shape = draw(st.sampled_from(["literal", "turned", "column", "in", "between", "like", "null", "bare"]))
    one, two, three = (draw(VALUES[kind]) for _ in range(3))
    if shape == "in":
        return f"{name} in ({spelled(one)}, {spelled(two)})", lambda row: some(
            [compared(name, "=", lambda _, value=value: value)(row) for value in (one, two)]
        )
    if shape == "between":
        return f"{name} between {spelled(one)} and {spelled(three)}", lambda row: every(
            [compared(name, ">=", lambda _: one)(row), compared(name, "<=", lambda _: three)(row)]
        )
    if shape == "null":
        no = draw(st.booleans())
        return f"{name} is {'not ' if no else ''}null", lambda row: (row[name] is None) != no
    if shape == "bare":
        return "gift", lambda row: row["gift"]
    if shape == "like" and kind == "string":
        pattern = draw(st.sampled_from(["a%", "%b", "_", "%", "a_", "", "%'%", "a"]))
        return f"{name} like {spelled(pattern)}", lambda row: like(row[name], pattern)
    if shape == "column":
        other = {"status": "other", "items": "amount", "amount": "items"}.get(name, name)
        return f"{name} {sign} {other}", compared(name, sign, lambda row: row[other])
    if shape == "turned":
        mirror = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
        return f"{spelled(one)} {sign} {name}", compared(name, mirror, lambda _: one)
    return f"{name} {sign} {spelled(one)}", compared(name, sign, lambda _: one)


def combined(inner: st.SearchStrategy[tuple[str, Meaning]]) -> st.SearchStrategy[tuple[str, Meaning]]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(
            lambda two: (f"({two[0][0]}) and ({two[1][0]})", lambda row: every([two[0][1](row), two[1][1](row)]))
        ),
        pairs.map(lambda two: (f"({two[0][0]}) OR ({two[1][0]})", lambda row: some([two[0][1](row), two[1][1](row)]))),
        inner.map(lambda one: (f"not ({one[0]})", lambda row: negated(one[1](row)))),
    )


rows = st.fixed_dictionaries({name: st.none() | VALUES[kind] for name, kind in COLUMNS.items()})
filters = st.recursive(comparisons(), combined, max_leaves=6)


def evaluated(text: str, table: pa.Table) -> list[Truth]:
    shape = {
        name: "float64" if kind == "number" else "int64" if kind == "integer" else kind
        for name, kind in COLUMNS.items()
    }
    usage = ibis.table(shape, name="usage")
    sql = str(ibis.to_sql(usage.select(truth=where(usage, parse(text, COLUMNS), COLUMNS)), dialect="duckdb"))
    with duckdb.connect() as connection:
        connection.register("usage", table)
        return [truth for (truth,) in connection.execute(sql).fetchall()]


@given(filters, st.lists(rows, min_size=1, max_size=12))
@settings(max_examples=120)
def test_filters_mean_what_sql_means(given_filter: tuple[str, Meaning], data: list[Row]) -> None:
    text, meaning = given_filter
    columns = {name: pa.array([row[name] for row in data], ARROW[kind]) for name, kind in COLUMNS.items()}
    expected = [meaning(row) for row in data]
    assert evaluated(text, pa.table(columns)) == expected
    assert evaluated(canonical(parse(text, COLUMNS)), pa.table(columns)) == expected


def test_and_binds_stronger_than_or() -> None:
    table = pa.table({name: pa.array([None], ARROW[kind]) for name, kind in COLUMNS.items()})
    table = table.set_column(0, "status", pa.array(["a"])).set_column(4, "gift", pa.array([False]))
    assert evaluated("status = 'a' or status = 'b' and gift", table) == [True]
    assert evaluated("(status = 'a' or status = 'b') and gift", table) == [False]
    assert evaluated("not status = 'b' and gift", table) == [False]


def test_the_largest_filter_that_is_accepted_runs() -> None:
    table = pa.table({name: pa.array([None], ARROW[kind]) for name, kind in COLUMNS.items()})
    assert evaluated(" and ".join(["gift"] * 101), table) == [None]
    assert evaluated("not " * 20 + "gift is null", table) == [True]
    assert evaluated("(" * 20 + "gift is null" + ")" * 20, table) == [True]
