"""A change shared out among what it comes of: exactly, and the same in whatever order it is looked at.

What belongs here: the two methods as functions of numbers. What does not: which numbers (`movements`).

Products and quotients of positive numbers: logarithmic mean Divisia index, additive form (LMDI-I): B. W. Ang, The LMDI
approach to decomposition analysis: a practical guide, Energy Policy 33 (2005). Everything else: Shapley's value, the
mean of a factor's marginal effect over all orders: L. S. Shapley, A value for n-person games (1953).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations

from sqlglot import exp

from nsm_pipeline.playbook.formulas import evaluate, operands

Values = Mapping[str, float | None]


def shared_out(tree: exp.Expression, before: Values, after: Values) -> dict[str, float] | None:
    """What each operand adds to the change of a formula's value; None where the formula has no value for some mixture
    of both weeks. The parts add up to the change but for rounding."""
    names = operands(tree)
    old, new = ({name: values.get(name) for name in names} for values in (before, after))
    if evaluate(tree, old) is None or evaluate(tree, new) is None:
        return None
    powers = exponents(tree)
    if powers is not None:
        known = [value for side in (old, new) for value in side.values() if value is not None]
        if all(value > 0 for value in known) and _positive(tree, old) and _positive(tree, new):
            return _divisia(tree, powers, old, new)
    return _shapley(tree, names, old, new)


def exponents(tree: exp.Expression) -> dict[str, int] | None:
    """Exponents of the operands of a product of them, their quotients and positive numbers; None for other formulas."""
    match tree:
        case exp.Paren():
            return exponents(tree.this)
        case exp.Column():
            return {str(tree.name): 1}
        case exp.Literal():
            return {} if float(tree.this) > 0 else None
        case exp.Mul() | exp.Div():
            left, right = exponents(tree.left), exponents(tree.right)
            if left is None or right is None:
                return None
            sign = 1 if isinstance(tree, exp.Mul) else -1
            return {
                name: left.get(name, 0) + sign * right.get(name, 0)
                for name in (*left, *(one for one in right if one not in left))
            }
    return None


def _positive(tree: exp.Expression, values: Values) -> bool:
    """Whether a logarithm of its value can be had: a product of tiny numbers may round to 0."""
    found = evaluate(tree, values)
    return found is not None and 0 < found < math.inf


def _divisia(tree: exp.Expression, powers: Mapping[str, int], old: Values, new: Values) -> dict[str, float]:
    first, last = evaluate(tree, old), evaluate(tree, new)
    assert first is not None
    assert last is not None
    weight = logarithmic_mean(first, last)
    found = {}
    for name, power in powers.items():
        a, b = old[name], new[name]
        assert a is not None
        assert b is not None
        found[name] = weight * power * _log_ratio(a, b)
    return found


def logarithmic_mean(a: float, b: float) -> float:
    """(b − a) ÷ ln(b ÷ a) of two positive numbers; of equal ones the number itself."""
    ratio = _log_ratio(a, b)
    return a if ratio == 0 else (b - a) / ratio


def _log_ratio(a: float, b: float) -> float:
    """ln(b ÷ a), without the loss of digits that a quotient near 1 brings."""
    return math.log1p((b - a) / a) if 0.5 < b / a < 2 else math.log(b) - math.log(a)


def _shapley(tree: exp.Expression, names: tuple[str, ...], old: Values, new: Values) -> dict[str, float] | None:
    count = len(names)
    worth: dict[frozenset[str], float] = {}
    for size in range(count + 1):
        for moved in combinations(names, size):
            value = evaluate(tree, {name: (new if name in moved else old)[name] for name in names})
            if value is None or not math.isfinite(value):
                return None
            worth[frozenset(moved)] = value
    found = {}
    for name in names:
        effects = (
            (worth[moved | {name}] - value) / (count * math.comb(count - 1, len(moved)))
            for moved, value in worth.items()
            if name not in moved
        )
        found[name] = math.fsum(effects)
    return found
