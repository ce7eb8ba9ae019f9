"""What a metric is made of: the single counts behind ratios and formulas, their events, filters and properties.

What belongs here: walking checked definitions. What does not: judging them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from nsm_pipeline.playbook.filters import parse
from nsm_pipeline.playbook.formulas import operands, parse_formula, parse_identity
from nsm_pipeline.playbook.metric_models import CREATED, Metric, Step
from nsm_pipeline.playbook.models import Property, UseCase


@dataclass(frozen=True)
class Part:
    """A metric that is neither ratio nor formula, with the key path at which it stands."""

    path: str
    metric: Metric


@dataclass(frozen=True)
class Filter:
    """A filter: its key path, text and tree, and how the events that it reads declare each property."""

    path: str
    text: str
    tree: exp.Expression
    properties: Mapping[str, tuple[Property, ...]]


def parts(use_case: UseCase, name: str) -> list[Part]:
    """Everything that a named metric is computed from."""
    return list(_parts(use_case, f"metrics.{name}", use_case.metrics[name], growing=False))


def growing_parts(use_case: UseCase, name: str) -> list[Part]:
    """What a named metric grows with: its parts but for denominators and divisors."""
    return list(_parts(use_case, f"metrics.{name}", use_case.metrics[name], growing=True))


def _parts(use_case: UseCase, path: str, metric: Metric, growing: bool) -> Iterator[Part]:
    if metric.ratio is not None:
        sides = ("numerator",) if growing else ("numerator", "denominator")
        for side in sides:
            inner = getattr(metric.ratio, side)
            if isinstance(inner, str):
                yield from _parts(use_case, f"metrics.{inner}", use_case.metrics[inner], growing)
            else:
                yield from _parts(use_case, f"{path}.ratio.{side}", inner, growing)
    elif metric.formula is not None:
        tree = parse_formula(metric.formula)
        for name in _multiplied(tree) if growing else operands(tree):
            yield from _parts(use_case, f"metrics.{name}", use_case.metrics[name], growing)
    else:
        yield Part(path, metric)


def _multiplied(node: exp.Expression) -> Iterator[str]:
    match node:
        case exp.Column():
            yield str(node.name)
        case exp.Paren() | exp.Neg():
            yield from _multiplied(node.this)
        case exp.Div():
            yield from _multiplied(node.left)
        case exp.Add() | exp.Mul():
            yield from _multiplied(node.left)
            yield from _multiplied(node.right)
        case exp.Sub():
            yield from _multiplied(node.left)


def events(use_case: UseCase, metric: Metric) -> tuple[str, ...]:
    """Canonical events that a part reads; an attribute of accounts reads none."""
    if metric.kind == "attribute":
        return ()
    if steps := metric_steps(metric):
        return tuple(dict.fromkeys(name for _, step in steps for name in step.events if name != CREATED))
    return metric.count or metric.of or use_case.active_events


def metric_events(use_case: UseCase, name: str) -> tuple[str, ...]:
    """Canonical events behind a named metric."""
    return tuple(dict.fromkeys(event for part in parts(use_case, name) for event in events(use_case, part.metric)))


def filters(use_case: UseCase, part: Part, attributes: Mapping[str, str]) -> Iterator[Filter]:
    """The filters of a part, parsed."""
    metric = part.metric
    given = [("where", metric.where, events(use_case, metric))]
    given += [(f"{key}.where", step.where, step.events) for key, step in metric_steps(metric)]
    for key, text, names in given:
        if text is not None:
            declared = common_properties(use_case, names)
            types = {name: found[0].type for name, found in declared.items()}
            columns = {"account_id": "string", "user_id": "string", "is_internal": "boolean", **attributes, **types}
            yield Filter(f"{part.path}.{key}", text, parse(text, columns), declared)


def metric_steps(metric: Metric) -> list[tuple[str, Step]]:
    """The steps of a metric that begins with one event and ends with another, by key."""
    return [(key, step) for key, step in (("from", metric.start), ("to", metric.to)) if step is not None]


def common_properties(use_case: UseCase, names: Iterable[str]) -> dict[str, tuple[Property, ...]]:
    """Properties that all of some events declare, with each event's declaration."""
    declared = [use_case.events[name].properties for name in names]
    shared = set(declared[0]).intersection(*declared[1:]) if declared else set()
    return {name: tuple(one[name] for one in declared) for name in sorted(shared)}


def used_metrics(use_case: UseCase) -> set[str]:
    """Metrics that something rests on: a role, adoption, a gate, the formula, or a metric that is used."""
    used = {metric for metrics in use_case.roles.values() for metric in metrics}
    used |= {item.metric for item in use_case.adoption}
    used |= {gate.metric for gate in use_case.gates if gate.metric is not None}
    if use_case.formula is not None:
        name, tree = parse_identity(use_case.formula)
        used |= {name, *operands(tree)}
    found: set[str] = set()
    while used:
        name = used.pop()
        found.add(name)
        used |= set(_named(use_case.metrics[name])) - found
    return found


def _named(metric: Metric) -> tuple[str, ...]:
    """Metrics that a metric names directly."""
    if metric.ratio is not None:
        return tuple(side for side in (metric.ratio.numerator, metric.ratio.denominator) if isinstance(side, str))
    return operands(parse_formula(metric.formula)) if metric.formula is not None else ()
