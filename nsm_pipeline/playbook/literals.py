"""Literals of the filter language: the value of a literal node, whether it is of a type, and its one spelling.

What belongs here: single values. What does not: expressions over columns (`filters`, `normal_form`).
"""

from __future__ import annotations

import re
from datetime import date

from sqlglot import exp

Value = str | float | int | bool
DAY = re.compile(r"\d{4}-\d\d-\d\d")
# From here on not every whole number is a float of its own.
EXACT = 2**53


def literal(node: exp.Expression) -> Value | None:
    """The Python value of a literal node, None where it is not one."""
    if isinstance(node, exp.Paren):
        return literal(node.this)
    if isinstance(node, exp.Neg):
        inner = literal(node.this)
        return -inner if isinstance(inner, int | float) and not isinstance(inner, bool) else None
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Literal):
        if node.is_string:
            return str(node.this)
        text = str(node.this)
        return float(text) if len(text) > 30 or any(mark in text for mark in ".eE") else int(text)
    return None


def fits(kind: str, value: object) -> bool:
    """Whether a value is one of a type: text, a 64-bit number, a yes-or-no or a date written as YYYY-MM-DD."""
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "date":
        return isinstance(value, str) and _is_date(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(float(str(value))) < 2.0**63


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return DAY.fullmatch(value) is not None


def one_number(value: Value) -> Value:
    """Equal numbers as one value: 1.0 is 1 and -0.0 is 0, while whole numbers are still told apart as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else value


def spelled(value: Value) -> str:
    """A value in the filter language."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value).upper() if isinstance(value, bool) else repr(value)
