"""Formulas: arithmetic over metrics, parsed by a real parser, evaluated with "no value" where there is none.

What belongs here: reading, checking and evaluating a formula as a tree. What does not: which metrics there are.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from nsm_pipeline.playbook.sql_text import read_tree

OPERATIONS = (exp.Add, exp.Sub, exp.Mul, exp.Div)
LARGEST = 100


class FormulaError(ValueError):
    """A formula that is no arithmetic over metrics; the message says why."""


def parse_formula(text: str) -> exp.Expression:
    """Checked tree of a formula: metric names, numbers, + − * / and brackets. Raises FormulaError."""
    tree = _parsed(text)
    _check(tree, text)
    return tree


def parse_identity(text: str) -> tuple[str, exp.Expression]:
    """`metric = formula` as the metric's name and the formula's tree. Raises FormulaError."""
    tree = _parsed(text)
    if not isinstance(tree, exp.EQ) or not isinstance(tree.left, exp.Column) or tree.left.table:
        raise FormulaError(f"found '{text}'; an identity is written as 'metric = arithmetic over metrics'")
    _check(tree.right, text)
    return str(tree.left.name), tree.right


def _parsed(text: str) -> exp.Expression:
    tree = read_tree(text, "formula", FormulaError)
    if sum(1 for _ in tree.find_all(*OPERATIONS, exp.Paren, exp.Neg)) > LARGEST:
        raise FormulaError(f"found more than {LARGEST} operations and brackets; too long for a formula")
    return tree


def _check(node: exp.Expression, text: str) -> None:
    match node:
        case exp.Paren() | exp.Neg():
            _check(node.this, text)
        case exp.Column() if not node.table:
            pass
        case exp.Literal() if not node.is_string:
            pass
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
            _check(node.left, text)
            _check(node.right, text)
            if isinstance(node, exp.Div) and _number(node.right) == 0:
                raise FormulaError(f"found '{text}', which divides by zero")
        case _:
            raise FormulaError(
                f"found '{node.sql(dialect='duckdb')}' in '{text}'; accepted are metric names, numbers, +, -, *, / "
                "and brackets"
            )


def _number(node: exp.Expression) -> float | None:
    if isinstance(node, exp.Paren):
        return _number(node.this)
    return float(node.this) if isinstance(node, exp.Literal) else None


def operands(tree: exp.Expression) -> tuple[str, ...]:
    """Names of the metrics in a formula, each once, in order of their first place."""
    return tuple(dict.fromkeys(str(column.name) for column in tree.find_all(exp.Column, bfs=False)))


def evaluate(tree: exp.Expression, values: Mapping[str, float | None]) -> float | None:
    """A formula's value; none where an operand has none or a divisor is 0."""
    match tree:
        case exp.Paren():
            return evaluate(tree.this, values)
        case exp.Column():
            return values[str(tree.name)]
        case exp.Literal():
            return float(tree.this)
        case exp.Neg():
            inner = evaluate(tree.this, values)
            return None if inner is None else -inner
    left, right = evaluate(tree.left, values), evaluate(tree.right, values)
    if left is None or right is None:
        return None
    match tree:
        case exp.Add():
            return left + right
        case exp.Sub():
            return left - right
        case exp.Mul():
            return left * right
    return left / right if right else None


def mismatch(tree: exp.Expression, units: Mapping[str, str]) -> tuple[str, str] | None:
    """The two units that a formula adds or subtracts though they differ; None where all fit.

    Units are compared as declared, a metric's without a unit with any; products and quotients have a unit of their
    own ("orders / people"), so that a sum of unlike products is found too.
    """
    try:
        _unit(tree, units)
    except _Mismatch as found:
        return found.left, found.right
    return None


class _Mismatch(Exception):
    def __init__(self, left: str, right: str) -> None:
        self.left, self.right = left, right


def _unit(node: exp.Expression, units: Mapping[str, str]) -> str:
    match node:
        case exp.Paren() | exp.Neg():
            return _unit(node.this, units)
        case exp.Column():
            return units.get(str(node.name), "")
        case exp.Literal():
            return ""
    left, right = _unit(node.left, units), _unit(node.right, units)
    if isinstance(node, exp.Add | exp.Sub):
        if left and right and left != right:
            raise _Mismatch(left, right)
        return left or right
    if not left or not right:
        return ""  # what a product with something without a unit is in, nobody has said
    return f"{left} {'*' if isinstance(node, exp.Mul) else '/'} {right}"


def canonical_formula(tree: exp.Expression) -> str:
    """One spelling of a formula, for fingerprints: no white space, no needless brackets, the sides of + and * in order.

    Sides change places, but nothing is bracketed anew: rounding makes (a + b) + c another number than a + (b + c).
    """
    match tree:
        case exp.Paren():
            return canonical_formula(tree.this)
        case exp.Column():
            return str(tree.name)
        case exp.Literal():
            return f"{float(tree.this):.17g}"
        case exp.Neg():
            return f"-({canonical_formula(tree.this)})"
    left, right = canonical_formula(tree.left), canonical_formula(tree.right)
    if isinstance(tree, exp.Add | exp.Mul):
        left, right = sorted((left, right))
    return f"({left} {SIGNS[type(tree)]} {right})"


SIGNS = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
