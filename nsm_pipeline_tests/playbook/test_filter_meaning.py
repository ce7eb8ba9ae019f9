"""A filter on DuckDB says of every row what a slow evaluator of SQL's three-valued logic says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from nsm_pipeline.metrics.expressions import where
from nsm_pipeline.playbook.filters import FilterError, canonical, parse

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
CONNECTION = duckdb.connect(config={"threads": 1})
"""One for all: opening one takes as long as a hundred filters."""


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
        if draw(st.booleans()):
            return f"{name} not like {spelled(pattern)}", lambda row: negated(like(row[name], pattern))
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
    CONNECTION.register("usage", table)
    return [truth for (truth,) in CONNECTION.execute(sql).fetchall()]


@given(filters, st.lists(rows, min_size=1, max_size=12))
@settings(max_examples=120)
def test_filters_mean_what_sql_means(given_filter: tuple[str, Meaning], data: list[Row]) -> None:
    text, meaning = given_filter
    columns = {name: pa.array([row[name] for row in data], ARROW[kind]) for name, kind in COLUMNS.items()}
    expected = [meaning(row) for row in data]
    assert evaluated(text, pa.table(columns)) == expected
    assert evaluated(canonical(parse(text, COLUMNS)), pa.table(columns)) == expected


Tree = tuple[Any, ...]
MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@st.composite
def statements(draw: st.DrawFn) -> Tree:
    name = draw(st.sampled_from(["status", "items", "amount", "day"]))
    values = VALUES[COLUMNS[name]]
    match draw(st.sampled_from(["compare", "in", "between", "null", "bare", "like"])):
        case "compare":
            return ("compare", name, draw(st.sampled_from(sorted(OPPOSITE))), draw(values))
        case "in":
            return ("in", name, draw(st.lists(values, min_size=1, max_size=3)))
        case "between":
            return ("between", name, draw(values), draw(values))
        case "null":
            return ("null", name)
        case "like":
            return ("like", "status", draw(st.sampled_from(["a%", "%b", "_", "a"])))
    return ("bare", "gift")


trees = st.recursive(
    statements(),
    lambda inner: st.one_of(
        st.tuples(st.just("and"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("or"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=6,
)


def worded(tree: Tree, chance: Random) -> str:
    """One of many wordings of a filter: its tree decides its meaning."""

    def pick(*spellings: str) -> str:
        return chance.choice(spellings)

    def word(value: Any) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer():
            return pick(str(int(value)), f"{value:.1f}", f"{value:.2e}", f"({int(value)})")
        return spelled(value)

    match tree:
        case ("and" | "or" as joint, parts):
            parts = [*parts, *chance.sample(parts, chance.randint(0, 1))]
            chance.shuffle(parts)
            if chance.random() < 0.3:
                other = "or" if joint == "and" else "and"
                text = "not (" + f" {other} ".join(f"({worded(('not', part), chance)})" for part in parts) + ")"
            else:
                text = pick(f" {joint} ", f"\n{joint.upper()}\t").join(f"({worded(part, chance)})" for part in parts)
            return text
        case ("not", ("compare", name, sign, value)) if chance.random() < 0.5:
            return worded(("compare", name, OPPOSITE[sign], value), chance)
        case ("not", inner):
            return pick("not ", "NOT NOT not ") + f"({worded(inner, chance)})"
        case ("compare", name, "=", value) if chance.random() < 0.3:
            return f"{name} in ({', '.join([word(value)] * chance.randint(1, 2))})"
        case ("compare", name, sign, value):
            if sign in ("=", "<>"):
                sign = pick(sign, "==" if sign == "=" else "!=")
            turned = f"{word(value)} {MIRROR.get(sign, sign)} {name}"
            return pick(
                f"{name} {sign} {word(value)}",
                f"({name}) {sign}{word(value)}",
                turned,
                f'"{name}" {sign} {word(value)}',
            )
        case ("in", name, values):
            values = chance.sample(values, len(values))
            listed = f"{name} IN ({', '.join(map(word, values))})"
            return pick(
                listed,
                f"not {name} not in ({', '.join(map(word, values))})",
                " or ".join(f"{name} = {word(value)}" for value in values),
            )
        case ("between", name, low, high):
            return pick(
                f"{name} between {word(low)} and {word(high)}", f"{name} <= {word(high)} and {word(low)} <= {name}"
            )
        case ("null", name):
            return pick(f"{name} is null", f"not {name} IS NOT null", f"({name}) is null /* yet */")
        case ("like", name, pattern):
            return f"{name} like {spelled(pattern)}"
    return pick("gift", "gift = true", "(gift)", "gift <> false", "true = gift", "gift -- it was one\n")


def short_enough(text: str) -> exp.Expression:
    """A filter's tree; wordings with more brackets than a filter may have are none of this test's."""
    try:
        return parse(text, COLUMNS)
    except FilterError as error:
        assume("found more than" not in str(error))
        raise


@pytest.mark.slow
@given(trees, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_a_rewording_has_the_same_normal_form(tree: Tree, chance: Random) -> None:
    one, other = worded(tree, chance), worded(tree, chance)
    found = canonical(short_enough(one))
    assert canonical(short_enough(other)) == found
    assert canonical(parse(found, COLUMNS)) == found


DIFFERENT = [
    "status = 'a'", "status = 'A'", "status <> 'a'", "status is null", "status is not null", "other = 'a'",
    "status = 'a' and gift", "status = 'a' or gift", "not (status = 'a' and gift)", "gift", "not gift", "gift is null",
    "items > 1", "items >= 1", "items > 2", "items < 1", "items > amount", "items < amount", "items in (1, 2)",
    "items not in (1, 2)", "items between 1 and 2", "not items between 1 and 2", "status like 'a%'",
    "status not like 'a%'", "status = 'a%'", "status like '%'", "amount = 0.1", "amount = 0.10000001", "true", "false",
    "items = 9007199254740993", "items = 9007199254740992", "items = 9007199254740992.0", "status = '1'", "status = ''",
    "(status = 'a' or gift) and items = 1", "status = 'a' or gift and items = 1", "gift is null or not gift",
]  # fmt: skip


def test_different_meanings_have_different_normal_forms() -> None:
    assert len({canonical(parse(text, COLUMNS)) for text in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("not (items between 1 and 3.0 or gift)", '("items" < 1 OR "items" > 3) AND NOT "gift"'),
        ("status = 'b' or 'a' == status or status in ('a')", "\"status\" IN ('a', 'b')"),
        ("status <> 'b' and not status in ('a', 'c')", "\"status\" NOT IN ('a', 'b', 'c')"),
        ("gift and true and not false", '"gift"'),
        ("gift or true", "TRUE"),
        ("false and gift", "FALSE"),
        ("amount >= items", '"amount" >= "items"'),
        ("items <= amount", '"amount" >= "items"'),
        ("status like 'it''s'", "\"status\" = 'it''s'"),
        ("status not like 'x_' and day <> '2026-01-01'", "\"day\" <> '2026-01-01' AND \"status\" NOT LIKE 'x_'"),
        ("gift is unknown", '"gift" IS NULL'),
        ("items = 1_000 -- a comment; drop table x", '"items" = 1000'),
        ("status = 'a -- b /* c'';'", "\"status\" = 'a -- b /* c'';'"),
        ("status = 'back\\slash'", "\"status\" = 'back\\slash'"),
        ("items = -0.0", '"items" = 0'),
        ("amount < 1e-7 and amount > -1e17", '"amount" < 1e-07 AND "amount" > -1e+17'),
    ],
)
def test_normal_forms(text: str, form: str) -> None:
    assert canonical(parse(text, COLUMNS)) == form
    assert canonical(parse(form, COLUMNS)) == form


def test_the_normal_form_of_the_largest_filter_is_no_larger() -> None:
    """It is read again by the same rules, so it must not have outgrown them."""
    columns = {f"c{number}": "integer" for number in range(200)}
    pairs = [f"c{number} between 1 and {number}" for number in range(60)]
    with pytest.raises(FilterError, match="without BETWEEN"):
        parse(" and ".join(pairs), columns)
    largest = canonical(parse(" and ".join(pairs[:50]), columns))
    assert canonical(parse(largest, columns)) == largest


def test_and_binds_stronger_than_or() -> None:
    table = pa.table({name: pa.array([None], ARROW[kind]) for name, kind in COLUMNS.items()})
    table = table.set_column(0, "status", pa.array(["a"])).set_column(4, "gift", pa.array([False]))
    assert evaluated("status = 'a' or status = 'b' and gift", table) == [True]
    assert evaluated("(status = 'a' or status = 'b') and gift", table) == [False]
    assert evaluated("not status = 'b' and gift", table) == [False]


def test_the_largest_filter_that_is_accepted_runs() -> None:
    table = pa.table({name: pa.array([None], ARROW[kind]) for name, kind in COLUMNS.items()})
    assert evaluated(" and ".join(["gift"] * 101), table) == [None]
    assert evaluated(" and ".join(f"items <> {number} and amount < {number}" for number in range(50)), table) == [None]
    assert evaluated("not " * 20 + "gift is null", table) == [True]
    assert evaluated("(" * 20 + "gift is null" + ")" * 20, table) == [True]


TOKENS = [
    "status", "items", "amount", "gift", "day", "'a'", "'2026-01-01'", "1", "-1", "1.5", "1e3", "true", "false", "null",
    "=", "<>", "<", ">=", "+", "-", "*", "||", "::", ".", ",", ";", "(", ")", "[", "]", "{", "}", "$1", "?", "@", "#1",
    "and", "or", "not", "in", "between", "like", "ilike", "escape", "is", "any", "all", "exists", "select", "from",
    "case", "when", "then", "else", "end", "cast", "as", "interval", "lambda", "->", "over", "collate", "distinct", "'",
    '"', "--", "/*", "*/", "\\", "$$", "e'", "\x00", "\u2028", "😀", "%", "_", "unknown", "lower", "date", "row",
]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS) | st.text(max_size=3), max_size=12), st.sampled_from([" ", ""]))
@settings(max_examples=400)
def test_anything_is_read_or_refused(tokens: list[str], between: str) -> None:
    """And what is read has a normal form that is read too, to the same."""
    text = between.join(tokens)
    try:
        tree = parse(text, COLUMNS)
    except FilterError:
        return
    assert parse(canonical(tree), COLUMNS)
    assert canonical(parse(canonical(tree), COLUMNS)) == canonical(tree)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=100)
def test_any_text_can_be_compared_with(text: str) -> None:
    tree = parse(f"status = {spelled(text)}", COLUMNS)
    table = pa.table(
        {name: pa.array([text if name == "status" else None], ARROW[kind]) for name, kind in COLUMNS.items()}
    )
    assert evaluated(canonical(tree), table) == [True]
