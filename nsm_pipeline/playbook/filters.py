"""`where` filters: a small, typed subset of SQL's boolean expressions, parsed by a real SQL parser.

What belongs here: reading, checking and naming a filter. What does not: turning it into a query
(`metrics.expressions`). Nothing here ever becomes SQL text: only the checked tree goes on.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from nsm_pipeline.errors import nearest
from nsm_pipeline.playbook.literals import fits as fits
from nsm_pipeline.playbook.literals import literal as literal
from nsm_pipeline.playbook.normal_form import connectives, normal_form
from nsm_pipeline.playbook.sql_text import read_tree

COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
# What a node of a checked tree may say. Whatever else a parser puts there, now or in a later version, is refused.
PARTS: Mapping[type[exp.Expression], tuple[str, ...]] = {
    **dict.fromkeys((*COMPARISONS, exp.And, exp.Or, exp.Is, exp.Like), ("this", "expression")),
    **dict.fromkeys((exp.Paren, exp.Not, exp.Neg, exp.Column, exp.Boolean), ("this",)),
    exp.Identifier: ("this", "quoted"),
    exp.Literal: ("this", "is_string"),
    exp.In: ("this", "expressions"),
    exp.Between: ("this", "low", "high"),
}
NUMERIC = {"integer", "number"}
LARGEST = 100


class FilterError(ValueError):
    """A filter that is not in the language or does not fit the declared columns; the message says why."""


def parse(text: str, columns: Mapping[str, str]) -> exp.Expression:
    """Checked tree of a filter over `columns` (name → string, integer, number, boolean or date).

    Raises FilterError for anything but comparisons, and/or/not, in, between, like and is null over
    declared columns and literals of a fitting type.
    """
    tree = read_tree(text, "boolean expression", FilterError)
    if sum(1 for _ in tree.find_all(exp.And, exp.Or, exp.Not, exp.Paren)) > LARGEST:
        raise FilterError(f"found more than {LARGEST} and, or, not and brackets; nested too deeply")
    tree = tree.transform(_without_negate)
    if _boolean(tree, columns) != "boolean":
        raise FilterError(f"found '{text}', which is not a yes-or-no expression")
    for node in tree.walk():
        if any(value for key, value in node.args.items() if key not in PARTS.get(type(node), ())):
            raise FilterError(f"found '{node.sql()}', which says more than this language has words for")
    if connectives(normal_form(tree)) > LARGEST:  # measures keep a filter in its normal form, and read that again
        raise FilterError(f"found more than {LARGEST} and, or, not and brackets, written out without BETWEEN")
    return tree


def _without_negate(node: exp.Expression) -> exp.Expression:
    """`x NOT LIKE y` as `NOT x LIKE y`: the parser makes a mark in the node of it, which is easily overlooked."""
    if not isinstance(node, exp.Like) or not node.args.get("negate"):
        return node
    return exp.Not(this=exp.Like(this=node.this, expression=node.expression))


def joined(*texts: str | None) -> str:
    """Filters that all must hold, as the text of one; '' where there is none."""
    given = [text for text in texts if text is not None]
    # On a line of its own, since a filter may end with a comment.
    return " AND ".join(f"({text}\n)" for text in given) if len(given) > 1 else "".join(given)


def used_columns(tree: exp.Expression) -> frozenset[str]:
    """Names of the columns a checked filter reads."""
    return frozenset(column.name for column in tree.find_all(exp.Column))


def canonical(tree: exp.Expression) -> str:
    """A checked filter in its normal form: one spelling for many of equal meaning, for fingerprints."""
    return str(normal_form(tree))


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


def _fits(kind: str, node: exp.Expression, where: exp.Expression) -> None:
    if not fits(kind, literal(node)):
        raise FilterError(f"found '{where.sql()}', where a {kind} literal is needed and '{node.sql()}' stands")
