"""Edges of the metric tree that are arithmetic: the formula that ties two metrics, and how far off it ever was.

What belongs here: finding the formula, evaluating it week by week. What does not: the gate that withholds a week whose
formula does not hold (`certification`), beliefs (`hypotheses`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from nsm_pipeline.playbook.formulas import canonical_formula, evaluate, operands, parse_formula, parse_identity
from nsm_pipeline.playbook.models import UseCase

# Values are sums and quotients of 64-bit numbers; what differs by less than this share is rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Reconciled:
    """A formula held to the values. `gap`: the largest over `weeks` weeks, as a share of the value; None without any.
    `worst`: its week. `formula`: as text; None where nothing declared says how the one follows from the other.
    `unpublished`: metrics in it of which no value is published."""

    formula: str | None
    weeks: int
    gap: float | None
    worst: date | None
    unpublished: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.gap is not None and self.gap <= ROUNDING


def arithmetic_edges(use_case: UseCase) -> Iterator[tuple[str, str]]:
    """Pairs (metric, what it drives): inputs that are declared as arithmetic, then other operands of `formula`."""
    found = [(item.metric, item.drives) for item in use_case.inputs if item.drives and item.relation == "formula"]
    yield from found
    if use_case.formula is not None:
        name, tree = parse_identity(use_case.formula)
        yield from ((operand, name) for operand in operands(tree) if (operand, name) not in found)


def reconciled(use_case: UseCase, metric: str, drives: str, values: Mapping[str, Mapping[date, float]]) -> Reconciled:
    """The formula by which one metric makes the other, evaluated in every week that has all its values."""
    tree = _formula(use_case, metric, drives)
    if tree is None:
        return Reconciled(None, 0, None, None)
    gaps = {
        week: _gap(value, right)
        for week, value in values.get(drives, {}).items()
        if (right := evaluate(tree, {name: values.get(name, {}).get(week) for name in operands(tree)})) is not None
    }
    worst = max(gaps, key=lambda week: gaps[week], default=None)
    text = f"{drives} = {tree.sql(dialect='duckdb')}"
    unpublished = tuple(name for name in (drives, *operands(tree)) if not values.get(name))
    return Reconciled(text, len(gaps), None if worst is None else gaps[worst], worst, unpublished)


def _gap(value: float, right: float) -> float:
    """The difference as a share of the value; of the formula's where the value is 0."""
    size = abs(value) or abs(right)
    return abs(value - right) / size if size else 0.0


def _formula(use_case: UseCase, metric: str, drives: str) -> exp.Expression | None:
    """`drives` as arithmetic in which `metric` stands: the use case's `formula`, or the driven metric's own kind (a
    formula, or a ratio of metrics by name), or the metric itself where it spells the same formula."""
    known = list(_identities(use_case, drives))
    for tree in known:
        if metric in operands(tree):
            return tree
    own = use_case.metrics[metric].formula
    if own is not None and any(canonical_formula(parse_formula(own)) == canonical_formula(tree) for tree in known):
        return parse_formula(metric)
    return None


def _identities(use_case: UseCase, name: str) -> Iterator[exp.Expression]:
    if use_case.formula is not None:
        said, tree = parse_identity(use_case.formula)
        if said == name:
            yield tree
    metric = use_case.metrics[name]
    if metric.formula is not None:
        yield parse_formula(metric.formula)
    ratio = metric.ratio
    if ratio is not None and isinstance(ratio.numerator, str) and isinstance(ratio.denominator, str):
        yield parse_formula(f"{ratio.numerator} / {ratio.denominator}")
