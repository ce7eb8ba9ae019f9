"""Metrics reduced to measures: what is counted or summed, over which rows, once each.

What belongs here: the plan of one use case's computation, as values. What does not: expressions (`expressions`)
or running them (`weekly`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from nsm_pipeline.errors import UserError
from nsm_pipeline.playbook.filters import canonical, parse, used_columns
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.words import ONE_WEEK

How = Literal["count", "account", "distinct", "sum", "present", "median", "minimum", "maximum", "attribute"]
Role = Literal["north_star", "inputs", "counter_metrics"]
ROLES: tuple[Role, ...] = ("north_star", "inputs", "counter_metrics")


@dataclass(frozen=True, order=True)
class Scope:
    """Which usage events a measure reads: events by name, a filter in canonical spelling, internal accounts or not."""

    events: tuple[str, ...]
    where: str = ""
    include_internal: bool = False


@dataclass(frozen=True, order=True)
class Measure:
    """One aggregate. `account` counts distinct accounts, `distinct` distinct values of a column, `present` the
    values that are not missing; `attribute` aggregates account attributes instead of events."""

    how: How
    scope: Scope
    column: str = ""
    aggregate: str = ""
    over: str = ""

    @property
    def adds_up(self) -> bool:
        """Whether the total is the sum over accounts, so that slices by account attributes add up to it."""
        additive = self.how in ("count", "account", "sum", "present")
        return additive and not self.scope.include_internal


@dataclass(frozen=True)
class Plan:
    """How one metric's row comes about: value = numerator ÷ denominator where `divides`, else the value measure."""

    metric: str
    role: Role
    value: Measure
    numerator: Measure | None
    denominator: Measure | None
    divides: bool
    entities: Scope | None

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(m for m in (self.value, self.numerator, self.denominator) if m is not None)

    @property
    def adds_up(self) -> bool:
        """Whether the values of its slices add up to its total."""
        return not self.divides and (
            self.value.adds_up or (self.value.how == "attribute" and self.value.aggregate != "average")
        )

    def definition(self) -> list[str]:
        """What decides its rows, as plain data: no title, owner or order of keys."""
        return [self.metric, self.role, str(self.value), str(self.numerator), str(self.denominator), str(self.divides)]


@dataclass(frozen=True)
class UseCasePlan:
    """Everything one use case computes per week."""

    use_case: UseCase
    attributes: Mapping[str, str]

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """Plans of all metrics that have a role, North Star first."""
        use_case = self.use_case
        north_star = [self._plan(use_case.north_star.metric, "north_star")]
        inputs = [self._plan(item.metric, "inputs") for item in use_case.inputs]
        counters = [self._plan(item.metric, "counter_metrics") for item in use_case.counter_metrics]
        return (*north_star, *inputs, *counters)

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(sorted({measure for plan in self.plans for measure in plan.measures}))

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """Every distinct scope: of the measures over events, and of the entities counted behind them."""
        found = {measure.scope for measure in self.measures if measure.how != "attribute"}
        return tuple(sorted(found | {plan.entities for plan in self.plans if plan.entities is not None}))

    @cached_property
    def filter_attributes(self) -> frozenset[str]:
        """Account attributes that some filter over events reads."""
        filters = [scope.where for scope in self.scopes if scope.where]
        used = [used_columns(parse(where, self.columns())) for where in filters]
        return frozenset().union(*used) & self.attributes.keys()

    @cached_property
    def account_columns(self) -> dict[str, Measure]:
        """Measure columns of account_weeks by name: the additive parts of each metric with a role."""
        columns: dict[str, Measure] = {}
        for plan in self.plans:
            parts = (
                {"": plan.value}
                if not plan.divides
                else {"_numerator": plan.numerator, "_denominator": plan.denominator}
            )
            columns.update({f"{plan.metric}{end}": m for end, m in parts.items() if m is not None and m.adds_up})
        return columns

    def definition(self, role: str) -> list[object]:
        """What decides one metric table, as plain data for its fingerprint."""
        plans = sorted(plan.definition() for plan in self.plans if plan.role == role)
        return [
            plans,
            sorted(self.use_case.slices),
            sorted(self.use_case.active_events),
            sorted(self.attributes.items()),
        ]

    def account_definition(self) -> list[object]:
        columns = sorted((name, str(measure)) for name, measure in self.account_columns.items())
        return [columns, sorted(self.use_case.active_events), sorted(self.attributes.items())]

    def _scope(self, metric: Metric) -> Scope:
        if metric.window != ONE_WEEK:
            raise UserError("Windows other than one week are not computed yet.")
        where = ""
        if metric.where is not None:
            where = canonical(parse(metric.where, self.columns()))
        events = metric.count or metric.of or ()
        return Scope(tuple(sorted(events)), where, metric.include_internal)

    def columns(self) -> dict[str, str]:
        """Columns that a filter may name, with their types."""
        properties = {
            name: declared.type
            for event in self.use_case.events.values()
            for name, declared in event.properties.items()
        }
        return {**self.attributes, "is_internal": "boolean", **properties}

    def _measure(self, metric: Metric) -> Measure:
        scope = self._scope(metric)
        match metric.kind:
            case "count":
                return Measure("count", scope)
            case "count_distinct":
                if metric.count_distinct == "account":
                    return Measure("account", scope)
                column = "user_id" if metric.count_distinct == "user" else str(metric.count_distinct)
                return Measure("distinct", scope, column)
            case "attribute":
                return Measure("attribute", scope, str(metric.attribute), metric.aggregate or "sum", metric.over)
            case "average" | "sum":
                return Measure("sum", scope, str(metric.sum or metric.average))
            case "median":
                return Measure("median", scope, str(metric.median))
            case "minimum":
                return Measure("minimum", scope, str(metric.minimum))
            case "maximum":
                return Measure("maximum", scope, str(metric.maximum))
        raise UserError(f"The metric kind '{metric.kind}' is not computed yet.")

    def _plan(self, name: str, role: Role) -> Plan:
        metric = self.use_case.metrics[name]
        if metric.ratio is not None:
            numerator, denominator = (
                self._measure(self.use_case.metrics[side] if isinstance(side, str) else side)
                for side in (metric.ratio.numerator, metric.ratio.denominator)
            )
            entities = next((m.scope for m in (denominator, numerator) if m.how != "attribute"), None)
            return Plan(name, role, numerator, numerator, denominator, True, entities)
        measure = self._measure(metric)
        entities = measure.scope if measure.how != "attribute" else None
        if metric.kind == "average":
            present = Measure("present", measure.scope, measure.column)
            return Plan(name, role, measure, measure, present, True, entities)
        if measure.how in ("median", "minimum", "maximum"):
            return Plan(name, role, measure, None, Measure("present", measure.scope, measure.column), False, entities)
        return Plan(name, role, measure, measure, None, False, entities)
