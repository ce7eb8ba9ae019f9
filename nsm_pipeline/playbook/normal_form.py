"""One spelling per meaning of a filter, so that a rewording changes no fingerprint.

What belongs here: rewritings that hold in SQL's three-valued logic (true, false, unknown). What does not: checking a
filter (`filters`). The form is not complete: two spellings of one meaning may stay two, two meanings never become one.

Brackets go; NOT moves inwards to the comparisons (De Morgan's laws and double negation hold with unknown, and so does
`not a < b` = `a >= b`); BETWEEN becomes two comparisons, a list of one an equation, equations of one column under OR a
list; the column stands left, the smaller name left of the other; equal operands of AND and OR stand once, in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from nsm_pipeline.playbook.literals import Value, literal, one_number, spelled

SIGNS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True)
class Leaf:
    """A statement about one column: `sign` a comparison, IN, LIKE, IS NULL, or '' for a yes-or-no column itself.
    `values` are literals; `other` is the column it is compared with instead."""

    column: str
    sign: str
    values: tuple[Value, ...] = ()
    other: str = ""
    negated: bool = False

    def __str__(self) -> str:
        name = f'"{self.column}"'
        no = "NOT " if self.negated else ""
        match self.sign:
            case "":
                return f"{no}{name}"
            case "IS NULL":
                return f"{name} IS {no}NULL"
            case "IN":
                return f"{name} {no}IN ({', '.join(map(spelled, self.values))})"
        right = f'"{self.other}"' if self.other else spelled(self.values[0])
        return f"{name} {no}{self.sign} {right}"


@dataclass(frozen=True)
class Joined:
    """Operands under AND or OR. Without an operand AND is true and OR is false."""

    word: str
    operands: tuple[Form, ...]

    def __str__(self) -> str:
        if not self.operands:
            return "TRUE" if self.word == "AND" else "FALSE"
        return f" {self.word} ".join(f"({one})" if isinstance(one, Joined) else str(one) for one in self.operands)


Form = Leaf | Joined


def normal_form(node: exp.Expression, negated: bool = False) -> Form:
    """The normal form of a checked filter, or of its negation. `str` spells it in the filter language."""
    match node:
        case exp.Paren():
            return normal_form(node.this, negated)
        case exp.Not():
            return normal_form(node.this, not negated)
        case exp.And() | exp.Or():
            word = "AND" if isinstance(node, exp.And) is not negated else "OR"
            return _joined(word, (normal_form(side, negated) for side in (node.left, node.right)))
        case exp.Between():
            ends = (("<", "low"), (">", "high")) if negated else ((">=", "low"), ("<=", "high"))
            sides = [_compared(_name(node.this), sign, _value(node.args[end])) for sign, end in ends]
            return _joined("OR" if negated else "AND", sides)
        case exp.Boolean():
            return Joined("AND" if bool(node.this) is not negated else "OR", ())
        case exp.Column():
            return Leaf(str(node.name), "", negated=negated)
        case exp.Is():
            return Leaf(_name(node.this), "IS NULL", negated=negated)
        case exp.In():
            return _listed(_name(node.this), map(_value, node.expressions), negated)
        case exp.Like():
            pattern = _value(node.expression)
            if not set(str(pattern)) & {"%", "_"}:
                return _compared(_name(node.this), "<>" if negated else "=", pattern)
            return Leaf(_name(node.this), "LIKE", (pattern,), negated=negated)
    sign = OPPOSITE[SIGNS[type(node)]] if negated else SIGNS[type(node)]
    left, right = _side(node.left), _side(node.right)
    if not isinstance(left, exp.Column):
        left, right, sign = right, left, TURNED.get(sign, sign)
    if not isinstance(right, exp.Column):
        return _compared(str(left.name), sign, _value(right))
    one, other = str(left.name), str(right.name)
    if other < one:
        one, other, sign = other, one, TURNED.get(sign, sign)
    return Leaf(one, sign, other=other)


def connectives(form: Form) -> int:
    """How many and, or, not and brackets a normal form has in its spelling."""
    if isinstance(form, Leaf):
        return int(form.negated)
    inner = sum(connectives(one) + isinstance(one, Joined) for one in form.operands)
    return inner + max(len(form.operands) - 1, 0)


def _compared(column: str, sign: str, value: Value) -> Form:
    if isinstance(value, bool) and sign in ("=", "<>"):
        return Leaf(column, "", negated=(sign == "=") is not value)
    return Leaf(column, sign, (value,))


def _listed(column: str, values: Iterable[Value], negated: bool) -> Form:
    # By spelling: 2**60 and 2.0**60 are equal here and two things to a column of whole numbers.
    ordered = tuple(value for _, value in sorted({spelled(value): value for value in values}.items()))
    if len(ordered) == 1:
        return _compared(column, "<>" if negated else "=", ordered[0])
    return Leaf(column, "IN", ordered, negated=negated)


def _joined(word: str, operands: Iterable[Form]) -> Form:
    flat: list[Form] = []
    for one in operands:
        flat += one.operands if isinstance(one, Joined) and one.word == word else [one]
    nothing = Joined("OR" if word == "AND" else "AND", ())  # false decides an AND, true an OR
    if nothing in flat:
        return nothing
    lists, rest = _lists(flat, word)
    found = [*rest, *(_listed(column, values, word == "AND") for column, values in lists.items())]
    ordered = tuple(one for _, one in sorted({str(one): one for one in found}.items()))
    return ordered[0] if len(ordered) == 1 else Joined(word, ordered)


def _lists(operands: Iterable[Form], word: str) -> tuple[dict[str, list[Value]], list[Form]]:
    """Values that a column may have under OR, or may not have under AND; and the operands that say something else."""
    lists: dict[str, list[Value]] = {}
    rest: list[Form] = []
    sign, negated = ("=", False) if word == "OR" else ("<>", True)
    for one in operands:
        if isinstance(one, Leaf) and one.values and (one.sign == sign or (one.sign, one.negated) == ("IN", negated)):
            lists.setdefault(one.column, []).extend(one.values)
        else:
            rest.append(one)
    return lists, rest


def _side(node: exp.Expression) -> exp.Expression:
    return _side(node.this) if isinstance(node, exp.Paren) else node


def _name(node: exp.Expression) -> str:
    return str(_side(node).name)


def _value(node: exp.Expression) -> Value:
    value = literal(node)
    assert value is not None
    return one_number(value)
