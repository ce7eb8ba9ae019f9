"""A filter over declared values can be true exactly where DuckDB finds a row of them that passes it."""

from __future__ import annotations

from itertools import product

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_pipeline.linting.reach import Filter
from nsm_pipeline.linting.reachable import can_be_true
from nsm_pipeline.playbook.filters import parse
from nsm_pipeline.playbook.models import Property

pytestmark = pytest.mark.slow

STATUS = ("paid", "open", "lost")
STARS = (1, 2, 5)
PROPERTIES = {
    "status": (Property(type="string", one_of=STATUS),),
    "stars": (Property(type="integer", one_of=STARS),),
    "gift": (Property(type="boolean"),),
}
TYPES = {"status": "string", "stars": "integer", "gift": "boolean", "amount": "number"}
words = st.sampled_from([*STATUS, "else"]).map(lambda word: f"'{word}'")
numbers = st.integers(0, 6).map(str)
signs = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
single = st.one_of(
    st.builds("status {} {}".format, signs, words),
    st.builds("{} {} stars".format, numbers, signs),
    st.builds("status in ({}, {})".format, words, words),
    st.builds("stars not in ({}, {})".format, numbers, numbers),
    st.builds("stars between {} and {}".format, numbers, numbers),
    st.sampled_from(["gift", "gift = false", "gift is null", "status is not null", "status like '%o%'"]),
    st.sampled_from(["status like '_a%'", "not status like 'x%'", "true", "gift <> gift", "status = status"]),
)
filters = st.recursive(
    single,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def combinations() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE rows (status VARCHAR, stars INTEGER, gift BOOLEAN)")
    rows = list(product((*STATUS, None), (*STARS, None), (True, False, None)))
    connection.executemany("INSERT INTO rows VALUES (?, ?, ?)", rows)
    return connection


@settings(max_examples=300)
@given(text=filters)
def test_as_duckdb_says(combinations: duckdb.DuckDBPyConnection, text: str) -> None:
    found = combinations.execute(f"SELECT count(*) FROM rows WHERE {text}").fetchone()
    assert found is not None
    assert can_be_true(Filter("where", text, parse(text, TYPES), PROPERTIES)) == (found[0] > 0)


@given(text=filters)
def test_what_is_not_declared_may_be_anything(text: str) -> None:
    """A filter that can be true stays so beside a comparison with free numbers; one that can't, does not become so."""
    alone = can_be_true(Filter("where", text, parse(text, TYPES), PROPERTIES))
    joined = f"({text}) and amount > 5"
    assert can_be_true(Filter("where", joined, parse(joined, TYPES), PROPERTIES)) == alone
    either = f"({text}) or amount > 5"
    assert can_be_true(Filter("where", either, parse(either, TYPES), PROPERTIES))


def test_too_many_combinations_to_try() -> None:
    wide = {name: (Property(type="integer", one_of=tuple(range(100))),) for name in ("a", "b", "c")}
    text = "a > 200 and b > 200 and c > 200"
    assert can_be_true(Filter("where", text, parse(text, dict.fromkeys(wide, "integer")), wide))
    two = {name: wide[name] for name in ("a",)}
    assert not can_be_true(Filter("where", "a > 200", parse("a > 200", {"a": "integer"}), two))
