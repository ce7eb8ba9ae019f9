"""Whether a filter can be true at all, given which values its properties are declared to take.

What belongs here: trying a filter on every combination of declared values. What does not: ranges of numbers, text
without `one_of`: what is compared with those may be true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product

from sqlglot import exp

from nsm_pipeline.linting.reach import Filter
from nsm_pipeline.playbook.filters import literal
from nsm_pipeline.playbook.models import Property

Value = str | float | int | bool | None
Truth = frozenset[bool | None]
ANYTHING: Truth = frozenset({True, False, None})
MOST_COMBINATIONS = 10_000
COMPARE = {
    exp.EQ: lambda a, b: a == b,
    exp.NEQ: lambda a, b: a != b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
}


def can_be_true(one: Filter) -> bool:
    """Whether some combination of declared values makes a filter true; also yes where there are too many to try."""
    domains = _domains(one)
    size = 1
    for values in domains.values():
        size *= len(values)
    if size > MOST_COMBINATIONS:
        return True
    return any(
        True in _truth(one.tree, dict(zip(domains, values, strict=True))) for values in product(*domains.values())
    )


def undeclared_values(one: Filter) -> Iterator[tuple[str, Value, tuple[Value, ...]]]:
    """(property, value, declared values) of each value that a filter compares a property with and nobody declares."""
    domains = _domains(one)
    for node in one.tree.find_all(exp.EQ, exp.NEQ, exp.In):
        column, values = _compared(node)
        declared = tuple(value for value in domains.get(column, ()) if value is not None)
        # Yes-or-no is declared by its type; what is compared with it fits, or the filter would have been refused.
        if declared and not isinstance(declared[0], bool):
            yield from ((column, value, declared) for value in values if value is not None and value not in declared)


def _domains(one: Filter) -> dict[str, tuple[Value, ...]]:
    """Per property with declared values: these, and missing."""
    columns = {str(column.name) for column in one.tree.find_all(exp.Column)}
    found: dict[str, tuple[Value, ...]] = {}
    for name in sorted(columns & one.properties.keys()):
        values = _values(one.properties[name])
        if values is not None:
            found[name] = values
    return found


def _values(declared: tuple[Property, ...]) -> tuple[Value, ...] | None:
    if declared[0].type == "boolean":
        return (True, False, None)
    if any(property.one_of is None for property in declared):
        return None
    return (*dict.fromkeys(value for property in declared for value in property.one_of or ()), None)


def _compared(node: exp.Expression) -> tuple[str, list[Value]]:
    """The column and the literals of a comparison; no column where two columns are compared."""
    if isinstance(node, exp.In):
        return str(node.this.unnest().name), [literal(item) for item in node.expressions]
    left, right = node.left.unnest(), node.right.unnest()
    if isinstance(left, exp.Column) and isinstance(right, exp.Column):
        return "", []
    column, other = (left, right) if isinstance(left, exp.Column) else (right, left)
    return str(column.name), [literal(other)]


def _truth(node: exp.Expression, row: Mapping[str, Value]) -> Truth:
    """What a filter may come to for a row that says some of its columns: true, false, or neither (missing)."""
    match node:
        case exp.Paren():
            return _truth(node.this, row)
        case exp.Boolean():
            return frozenset({bool(node.this)})
        case exp.Not():
            return frozenset(None if value is None else not value for value in _truth(node.this, row))
        case exp.And() | exp.Or():
            decisive = isinstance(node, exp.Or)
            pairs = product(_truth(node.left, row), _truth(node.right, row))
            return frozenset(_joined(pair, decisive) for pair in pairs)
    known = {str(column.name) for column in node.find_all(exp.Column)} <= row.keys()
    return frozenset({_outcome(node, row)}) if known else ANYTHING


def _joined(pair: tuple[bool | None, bool | None], decisive: bool) -> bool | None:
    """Three-valued and (decisive: false) or or (decisive: true)."""
    if decisive in pair:
        return decisive
    return None if None in pair else not decisive


def _outcome(node: exp.Expression, row: Mapping[str, Value]) -> bool | None:
    """A single comparison whose columns are all known."""
    if isinstance(node, exp.Column):
        found = row[str(node.name)]
        return None if found is None else bool(found)
    if isinstance(node, exp.Is):
        return row[str(node.this.unnest().name)] is None
    if isinstance(node, exp.In | exp.Between | exp.Like):
        value = row[str(node.this.unnest().name)]
        return None if value is None else _holds(node, value)
    left, right = _operand(node.left, row), _operand(node.right, row)
    return None if left is None or right is None else bool(COMPARE[type(node)](left, right))


def _holds(node: exp.Expression, value: Value) -> bool:
    if isinstance(node, exp.In):
        return value in [literal(item) for item in node.expressions]
    if isinstance(node, exp.Between):
        low, high = literal(node.args["low"]), literal(node.args["high"])
        return bool(low <= value <= high)  # type: ignore[operator]
    pattern = "".join({"%": ".*", "_": "."}.get(mark, re.escape(mark)) for mark in str(literal(node.expression)))
    return re.fullmatch(pattern, str(value), re.DOTALL) is not None


def _operand(node: exp.Expression, row: Mapping[str, Value]) -> Value:
    inner = node.unnest()
    return row[str(inner.name)] if isinstance(inner, exp.Column) else literal(inner)
