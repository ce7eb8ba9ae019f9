"""`where` filters: a small, typed subset of SQL's boolean expressions, parsed by a real SQL parser.

What belongs here: reading, checking and naming a filter. What does not: turning it into a query
(`metrics.expressions`). Nothing here ever becomes SQL text: only the checked tree goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from nsm_pipeline.errors import nearest

COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
NUMERIC = {"integer", "number"}
LARGEST = 100


class FilterError(ValueError):
    """A filter that is not in the language or does not fit the declared columns; the message says why."""


def parse(text: str, columns: Mapping[str, str]) -> exp.Expression:
    """Checked tree of a filter over `columns` (name → string, integer, number, boolean or date).

    Raises FilterError for anything but comparisons, and/or/not, in, between, like and is null over
    declared columns and literals of a fitting type.
    """
    try:
        statements = sqlglot.parse(text, dialect="duckdb")
    except SqlglotError as error:
        raise FilterError(f"found '{text}', which does not parse: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise FilterError("found an expression with brackets that are nested too deeply") from None
    tree = statements[0] if len(statements) == 1 else None
    if tree is None:
        raise FilterError(f"found '{text}'; one boolean expression is accepted")
    if sum(1 for _ in tree.find_all(exp.And, exp.Or, exp.Not, exp.Paren)) > LARGEST:
        raise FilterError(f"found more than {LARGEST} and, or, not and brackets; nested too deeply")
    if _boolean(tree, columns) != "boolean":
        raise FilterError(f"found '{text}', which is not a yes-or-no expression")
    return tree


def used_columns(tree: exp.Expression) -> frozenset[str]:
    """Names of the columns a checked filter reads."""
    return frozenset(column.name for column in tree.find_all(exp.Column))


def canonical(tree: exp.Expression) -> str:
    """One spelling per meaning of white space and letter case of keywords, for fingerprints and documentation."""
    return str(tree.sql(dialect="duckdb", comments=False))


def _boolean(node: exp.Expression, columns: Mapping[str, str]) -> str:
    match node:
        case exp.Paren():
            return _boolean(node.this, columns)
        case exp.And() | exp.Or():
            for side in (node.left, node.right):
                _require_boolean(side, columns)
            return "boolean"
        case exp.Not():
            _require_boolean(node.this, columns)
            return "boolean"
        case exp.Is():
            _column(node.this, columns)
            if not isinstance(node.expression, exp.Null):
                raise FilterError(f"found '{node.sql()}'; after IS only NULL and NOT NULL are accepted")
            return "boolean"
        case exp.In():
            kind = _column(node.this, columns)
            if node.args.get("query") or node.args.get("unnest") or not node.expressions:
                raise FilterError(f"found '{node.sql()}'; IN takes a list of literals")
            for item in node.expressions:
                _fits(kind, item, node)
            return "boolean"
        case exp.Between():
            kind = _column(node.this, columns)
            if node.args.get("symmetric"):
                raise FilterError(f"found '{node.sql()}'; BETWEEN takes the lower bound first, without SYMMETRIC")
            _fits(kind, node.args["low"], node)
            _fits(kind, node.args["high"], node)
            return "boolean"
        case exp.Like():
            if _column(node.this, columns) != "string":
                raise FilterError(f"found '{node.sql()}'; LIKE needs a text column")
            _fits("string", node.expression, node)
            return "boolean"
        case exp.Column():
            return _column(node, columns)
        case exp.Boolean():
            return "boolean"
    if isinstance(node, COMPARISONS):
        left, right = node.left, node.right
        if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
            left, right = right, left
        kind = _column(left, columns)
        if isinstance(right, exp.Column):
            other = _column(right, columns)
            if other != kind and not {kind, other} <= NUMERIC:
                raise FilterError(f"found '{node.sql()}', which compares {kind} with {other}")
        else:
            _fits(kind, right, node)
        return "boolean"
    raise FilterError(
        f"found '{node.sql()}'; accepted are comparisons, and, or, not, in, between, like and is null "
        "over declared properties and account attributes"
    )


def _require_boolean(node: exp.Expression, columns: Mapping[str, str]) -> None:
    if _boolean(node, columns) != "boolean":
        raise FilterError(f"found '{node.sql()}' where a yes-or-no expression is needed")


def _column(node: exp.Expression, columns: Mapping[str, str]) -> str:
    if isinstance(node, exp.Paren):
        return _column(node.this, columns)
    if not isinstance(node, exp.Column) or node.table:
        raise FilterError(f"found '{node.sql()}' where the name of a property or attribute is needed")
    if node.name not in columns:
        raise FilterError(f"found the name '{node.name}'; {nearest(node.name, columns)}")
    return columns[node.name]


def literal(node: exp.Expression) -> str | float | int | bool | None:
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


def _fits(kind: str, node: exp.Expression, where: exp.Expression) -> None:
    if not fits(kind, literal(node)):
        raise FilterError(f"found '{where.sql()}', where a {kind} literal is needed and '{node.sql()}' stands")


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
    return True
