"""Filters and measures as Ibis expressions: the only place where a definition becomes a query.

What belongs here: total functions from checked definitions to expressions. What does not: which measures there
are (`measures`), running anything (`weekly`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir
from sqlglot import exp

from nsm_pipeline.metrics.measures import Measure, Scope, Threshold
from nsm_pipeline.playbook.filters import literal, parse


def condition(table: ir.Table, scope: Scope, columns: Mapping[str, str]) -> ir.BooleanValue:
    """Whether a usage event lies in a scope."""
    found: ir.BooleanValue = table.event.isin(list(scope.events)) if scope.events else ibis.literal(True)
    if not scope.include_internal:
        found &= ~table.is_internal
    if scope.where:
        found &= where(table, parse(scope.where, columns), columns)
    return found


def where(table: ir.Table, node: exp.Expression, columns: Mapping[str, str]) -> ir.BooleanValue:
    """A checked filter tree over a table. Comparisons with a missing value are not true, as in SQL."""
    match node:
        case exp.Paren():
            return where(table, node.this, columns)
        case exp.And():
            return where(table, node.left, columns) & where(table, node.right, columns)
        case exp.Or():
            return where(table, node.left, columns) | where(table, node.right, columns)
        case exp.Not():
            return ~where(table, node.this, columns)
        case exp.Boolean():
            return ibis.literal(bool(node.this))
        case exp.Column():
            return table[node.name]
        case exp.Is():
            return _operand(table, node.this, None).isnull()
        case exp.In():
            kind = columns[_name(node.this)]
            return _operand(table, node.this, None).isin([_value(item, kind) for item in node.expressions])
        case exp.Between():
            kind = columns[_name(node.this)]
            low, high = (_value(node.args[end], kind) for end in ("low", "high"))
            return _operand(table, node.this, None).between(low, high)
        case exp.Like():
            return _operand(table, node.this, None).like(str(literal(node.expression)))
    kind = next(columns[column.name] for column in node.find_all(exp.Column))
    left, right = _operand(table, node.left, kind), _operand(table, node.right, kind)
    return COMPARE[type(node)](left, right)


COMPARE = {
    exp.EQ: lambda left, right: left == right,
    exp.NEQ: lambda left, right: left != right,
    exp.LT: lambda left, right: left < right,
    exp.LTE: lambda left, right: left <= right,
    exp.GT: lambda left, right: left > right,
    exp.GTE: lambda left, right: left >= right,
}


COMPARE_NUMBERS = {"=": COMPARE[exp.EQ], "<": COMPARE[exp.LT], "<=": COMPARE[exp.LTE], ">": COMPARE[exp.GT],
                   ">=": COMPARE[exp.GTE]}  # fmt: skip


def _name(node: exp.Expression) -> str:
    return _name(node.this) if isinstance(node, exp.Paren) else str(node.name)


def _operand(table: ir.Table, node: exp.Expression, kind: str | None) -> ir.Value:
    if isinstance(node, exp.Paren):
        return _operand(table, node.this, kind)
    if isinstance(node, exp.Column):
        return table[node.name]
    return ibis.literal(_value(node, kind or "string"))


def _value(node: exp.Expression, kind: str) -> object:
    value = literal(node)
    return date.fromisoformat(str(value)) if kind == "date" else value


def total(table: ir.Table, measure: Measure, inside: ir.BooleanValue) -> ir.Value:
    """A measure over the events that are `inside` its scope. Counts and sums of nothing are 0; the rest have no
    value."""
    match measure.how:
        case "count":
            return table.count(where=inside)
        case "present":
            return table[measure.column].count(where=inside)
        case "sum":
            return table[measure.column].sum(where=inside).fill_null(0)
        case "median":
            return table[measure.column].cast("float64").median(where=inside)
        case "quantile":
            return table[measure.column].cast("float64").quantile(measure.q, where=inside)
        case "minimum":
            return table[measure.column].min(where=inside)
        case "maximum":
            return table[measure.column].max(where=inside)
    raise ValueError(f"{measure.how} is no aggregate over single events")


def own_measure(table: ir.Table, threshold: Threshold, inside: ir.BooleanValue) -> ir.Value:
    """What an entity is held to a threshold by: its events `inside` a scope, a sum or distinct values over them."""
    if threshold.how == "sum":
        return table[threshold.column].sum(where=inside).fill_null(0)
    if threshold.how == "distinct":
        return table[threshold.column].nunique(where=inside)
    return table.count(where=inside)


def passes(own: ir.Value, events: ir.Value, threshold: Threshold, per: ir.Value | None) -> ir.BooleanValue:
    """Whether an entity with at least one event passes; not where what it is divided by is missing or 0."""
    if per is None:
        return (events > 0) & COMPARE_NUMBERS[threshold.op](own, threshold.number)
    # Multiplied out, not divided: 40 per seat is exact, and so is its bound.
    return ((events > 0) & (per > 0) & COMPARE_NUMBERS[threshold.op](own, per * threshold.number)).fill_null(False)


def per_account(table: ir.Table, measure: Measure, inside: ir.BooleanValue) -> ir.Value:
    """An additive measure as one account's part of it; for distinct accounts the account's matching events."""
    return table.count(where=inside) if measure.how == "account" else total(table, measure, inside)


def over_accounts(accounts: ir.Table, column: str, measure: Measure) -> ir.Value:
    """An additive measure from its parts per account."""
    if measure.how in ("account", "passing"):
        return accounts.count(where=accounts[column] > 0)
    return accounts[column].sum().fill_null(0)


def attribute(accounts: ir.Table, measure: Measure, columns: Mapping[str, str]) -> ir.Value:
    """A measure over the week's account snapshot (with `_is_active`)."""
    inside = condition_on_accounts(accounts, measure, columns)
    if measure.aggregate == "count":
        return accounts.account_id.count(where=inside & accounts[measure.column].notnull())
    if measure.aggregate == "average":
        return accounts[measure.column].mean(where=inside)
    return accounts[measure.column].sum(where=inside).fill_null(0)


def condition_on_accounts(accounts: ir.Table, measure: Measure, columns: Mapping[str, str]) -> ir.BooleanValue:
    inside: ir.BooleanValue = ibis.literal(True) if measure.scope.include_internal else ~accounts.is_internal
    if measure.over == "active":
        inside &= accounts["_is_active"]
    if measure.scope.where:
        inside &= where(accounts, parse(measure.scope.where, columns), columns)
    return inside
