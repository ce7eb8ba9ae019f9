"""What a declared gate may say: which expectations, with which arguments over which columns.

What belongs here: the vocabulary, and refusing what is not in it before anything is computed. What does not: turning
declarations into gates (`gates`), running them (`judging`). Great Expectations takes seconds to import, so this is
a table of our own; the tests hold it against the library.

Left out are expectations that no single row can fail (on a column's type), that exist for SQL only (LIKE) or are about
JSON, which no column holds; and `mostly`, since a gate gives a verdict on each week, which has one row of each metric.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nsm_pipeline.certification.columns import METRIC_COLUMNS, WEEK_COLUMNS
from nsm_pipeline.errors import WrongKey, nearest
from nsm_pipeline.playbook.models import Gate, UseCase

COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
TEXT_COLUMNS = ("week", "use_case", "metric", "role", "slice", "slice_value")


@dataclass(frozen=True)
class Arguments:
    """Of one expectation: the arguments it needs, further ones, those of which one at least is needed, and whether
    its column must hold numbers."""

    needed: tuple[str, ...]
    further: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    numbers: bool = False

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.needed, *self.one_of, *self.further)


COLUMN = Arguments(("column",))
PAIR = ("column_A", "column_B")
EXPECTATIONS: Mapping[str, Arguments] = {
    "expect_column_pair_values_a_to_be_greater_than_b": Arguments(PAIR, ("or_equal", "ignore_row_if")),
    "expect_column_pair_values_to_be_equal": Arguments(PAIR, ("ignore_row_if",)),
    "expect_column_pair_values_to_be_in_set": Arguments((*PAIR, "value_pairs_set"), ("ignore_row_if",)),
    "expect_column_values_to_be_between": Arguments(
        ("column",), ("strict_min", "strict_max"), one_of=("min_value", "max_value"), numbers=True
    ),
    "expect_column_values_to_be_dateutil_parseable": COLUMN,
    "expect_column_values_to_be_decreasing": Arguments(("column",), ("strictly",)),
    "expect_column_values_to_be_in_set": Arguments(("column", "value_set")),
    "expect_column_values_to_be_increasing": Arguments(("column",), ("strictly",)),
    "expect_column_values_to_be_null": COLUMN,
    "expect_column_values_to_be_unique": COLUMN,
    "expect_column_values_to_match_regex": Arguments(("column", "regex")),
    "expect_column_values_to_match_regex_list": Arguments(("column", "regex_list"), ("match_on",)),
    "expect_column_values_to_match_strftime_format": Arguments(("column", "strftime_format")),
    "expect_column_values_to_not_be_in_set": Arguments(("column", "value_set")),
    "expect_column_values_to_not_be_null": COLUMN,
    "expect_column_values_to_not_be_outliers": Arguments(("column",), ("method", "multiplier"), numbers=True),
    "expect_column_values_to_not_match_regex": Arguments(("column", "regex")),
    "expect_column_values_to_not_match_regex_list": Arguments(("column", "regex_list")),
}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _plain(value: object) -> bool:
    return isinstance(value, str | bool) or _number(value)


def _filled(value: object) -> bool:
    return isinstance(value, list) and bool(value)


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_plain, value))


def _pattern(value: object) -> bool:
    try:
        re.compile(value if isinstance(value, str) else "(")
    except re.error:
        return False
    return True


def _one_of(*accepted: str) -> tuple[Callable[[object], bool], str]:
    return (lambda value: value in accepted), " or ".join(f"'{value}'" for value in accepted)


YES_OR_NO = ((lambda value: isinstance(value, bool)), "true or false")
NUMBER = (_number, "a number")
TEXT = ((lambda value: isinstance(value, str) and value != ""), "text")
ACCEPTED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(COLUMN_ARGUMENTS, TEXT),
    **dict.fromkeys(("min_value", "max_value"), NUMBER),
    **dict.fromkeys(("strict_min", "strict_max", "or_equal", "strictly"), YES_OR_NO),
    "ignore_row_if": _one_of("both_values_are_missing", "either_value_is_missing", "neither"),
    "match_on": _one_of("any", "all"),
    "method": _one_of("iqr", "std"),
    "multiplier": ((lambda value: _number(value) and value > 0), "a number above 0"),
    "regex": (_pattern, "a regular expression"),
    "regex_list": ((lambda value: _filled(value) and all(map(_pattern, value))), "a list of regular expressions"),
    "strftime_format": TEXT,
    "value_pairs_set": (
        (
            lambda value: (
                _filled(value) and all(_filled(pair) and len(pair) == 2 and all(map(_plain, pair)) for pair in value)
            )
        ),
        "a list of pairs of words and numbers",
    ),
    "value_set": ((lambda value: _filled(value) and all(map(_plain, value))), "a list of words and numbers"),
}
"""What each argument accepts, and that in words; it means the same in every expectation."""


def check_declared(use_case: UseCase) -> None:
    """Refuse declared gates that could not be judged. Raises WrongKey."""
    for place, gate in enumerate(use_case.gates):
        _check(f"gates.{place}", gate)


def _check(at: str, gate: Gate) -> None:
    expectation = EXPECTATIONS.get(gate.expectation)
    path = f"{at}.{gate.expectation}"
    if expectation is None:
        raise WrongKey(path, f"found '{gate.expectation}'; {nearest(gate.expectation, EXPECTATIONS)}")
    for name, value in gate.arguments.items():
        if name not in expectation.all:
            raise WrongKey(f"{path}.{name}", f"found the argument '{name}'; {nearest(str(name), expectation.all)}")
        accepts, words = ACCEPTED[name]
        if not accepts(value):
            raise WrongKey(f"{path}.{name}", f"found {value!r}; {words} is needed.")
        if name in COLUMN_ARGUMENTS:
            _check_column(f"{path}.{name}", gate, expectation, value)
    for name in expectation.needed:
        if name not in gate.arguments:
            raise WrongKey(f"{path}.{name}", f"the argument '{name}' is needed and missing.")
    if expectation.one_of and not set(expectation.one_of) & gate.arguments.keys():
        raise WrongKey(path, f"one of the arguments {' and '.join(expectation.one_of)} is needed and missing.")
    low, high = (gate.arguments.get(name) for name in ("min_value", "max_value"))
    if low is not None and high is not None and low > high:
        raise WrongKey(path, f"found min_value {low}, which is above max_value {high}.")


def _check_column(path: str, gate: Gate, expectation: Arguments, column: str) -> None:
    columns: tuple[str, ...] = WEEK_COLUMNS if gate.table in ("week", "growth") else METRIC_COLUMNS
    if expectation.numbers:
        columns = tuple(name for name in columns if name not in TEXT_COLUMNS)
    if column not in columns:
        raise WrongKey(path, f"found '{column}'; {nearest(column, columns)}")
