"""Formulas: their value against Python's own arithmetic, what they mean whatever the spelling, units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.playbook.formulas import canonical_formula, evaluate, mismatch, operands, parse_formula

NAMES = ("a", "b", "c")
leaves = st.sampled_from([*NAMES, "2", "0.5"])
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*"]), inner),
        st.builds("{} / {}".format, st.sampled_from(NAMES), st.builds("({} + a)".format, inner)),
        st.builds("-{}".format, st.sampled_from(NAMES)),
    ),
    max_leaves=8,
)
values = st.fixed_dictionaries({name: st.sampled_from([None, 0.0, 1.0, -2.5, 7.0]) for name in NAMES})


@given(formulas, values)
def test_a_formula_is_its_arithmetic(text: str, given_values: dict[str, float | None]) -> None:
    tree = parse_formula(text)
    try:
        expected = eval(text, {}, dict(given_values))
    except (TypeError, ZeroDivisionError):
        expected = None
    assert evaluate(tree, given_values) == expected


@given(formulas, values)
def test_the_canonical_spelling_has_the_same_value_and_is_its_own(
    text: str, given_values: dict[str, float | None]
) -> None:
    spelled = canonical_formula(parse_formula(text))
    again = parse_formula(spelled)
    assert canonical_formula(again) == spelled
    assert evaluate(again, given_values) == evaluate(parse_formula(text), given_values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a * b", "b*a"),
        ("(a) + ((b))", "b + a"),
        ("a / b", "(a / (b))"),
        ("2 * a", "a * 2.0"),
        ("(b * a) + c", "c + a * b"),
    ],
)
def test_spellings_of_one_meaning(one: str, other: str) -> None:
    assert canonical_formula(parse_formula(one)) == canonical_formula(parse_formula(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("a - b", "b - a"), ("a / b", "b / a"), ("a + b + c", "a + (b + c)"), ("a - (b - c)", "a - b - c")],
)
def test_different_meanings(one: str, other: str) -> None:
    """Also where only rounding tells them apart."""
    assert canonical_formula(parse_formula(one)) != canonical_formula(parse_formula(other))


def test_operands_and_units() -> None:
    tree = parse_formula("customers * orders_per_customer + returns")
    assert operands(tree) == ("customers", "orders_per_customer", "returns")
    units = {"customers": "people", "orders_per_customer": "orders"}
    assert mismatch(tree, units) is None  # nobody has said what returns are in
    assert mismatch(tree, {**units, "returns": "parcels"}) == ("people * orders", "parcels")
    assert mismatch(parse_formula("a / b - c"), {"a": "s", "b": "s", "c": "s"}) == ("s / s", "s")
    assert mismatch(parse_formula("a - b"), {"a": "s", "b": "s"}) is None
