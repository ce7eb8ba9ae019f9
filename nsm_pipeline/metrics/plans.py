"""Definitions reduced to plans over distinct measures and journeys, each computed once.

What belongs here: one use case's metrics as plans, and what they read. What does not: expressions (`expressions`,
`journeys`) or running them (`weekly`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from nsm_pipeline.metrics.measures import (
    ANY,
    Figure,
    Journey,
    Key,
    Measure,
    OwnMeasure,
    Part,
    Plan,
    Scope,
    Side,
    Threshold,
    column_of,
)
from nsm_pipeline.metrics.reach import Reach, reach_of
from nsm_pipeline.playbook.adoption import Adoption
from nsm_pipeline.playbook.filters import canonical, joined, parse, used_columns
from nsm_pipeline.playbook.formulas import operands, parse_formula
from nsm_pipeline.playbook.metric_models import TIME_UNITS, Metric, Step
from nsm_pipeline.playbook.models import Role, UseCase

ADOPTION = "account_adoption"
"""The weekly table of colours per account."""


@dataclass(frozen=True)
class UseCasePlan:
    """Everything one use case computes per week."""

    use_case: UseCase
    attributes: Mapping[str, str]

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """Plans of all metrics that have a role, North Star first; of one with two roles, one for each."""
        roles = self.use_case.roles
        return tuple(self._plan(metric, role) for role, metrics in roles.items() for metric in metrics)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Roles that its metrics have, each a weekly table."""
        return tuple(self.use_case.roles)

    @property
    def tables(self) -> tuple[str, ...]:
        """The weekly tables that it has, by name."""
        adoption = (ADOPTION,) if self.use_case.adoption else ()
        return ("account_weeks", *self.roles, *adoption)

    @cached_property
    def adoption(self) -> tuple[OwnMeasure, ...]:
        """Measures of adoption, as declared."""
        return tuple(self._own_measure(item) for item in self.use_case.adoption)

    @cached_property
    def slices(self) -> tuple[str, ...]:
        """Account attributes by which some metric is cut."""
        return tuple(sorted({name for plan in self.plans for name in plan.slices}))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Every distinct part of the plans."""
        return tuple(dict.fromkeys(part for plan in self.plans for part in plan.parts))

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(sorted({part for part in self.parts if isinstance(part, Measure)}))

    @cached_property
    def journeys(self) -> tuple[Journey, ...]:
        return tuple(sorted({part.journey for part in self.parts if isinstance(part, Figure)}, key=repr))

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """Every distinct scope: of the measures over events, and of the entities counted behind them."""
        found = {measure.scope for measure in self.measures if measure.how != "attribute"}
        leaves = [leaf for plan in self.plans for leaf in plan.leaves]
        return tuple(sorted(found | {leaf.entities for leaf in leaves if isinstance(leaf.entities, Scope)}))

    @cached_property
    def active(self) -> Scope:
        """Events that make an account active in the week."""
        activity = self.use_case.activity
        return Scope(tuple(sorted(self.use_case.active_events)), self._canonical(activity.where))

    @cached_property
    def events_read(self) -> tuple[str, ...]:
        """Canonical events that some metric, or activity, is about."""
        steps = [scope for one in self.journeys for scope in (one.start, one.then) if scope is not None]
        scopes = [*self.scopes, *steps, self.active]
        return tuple(sorted({event for scope in scopes for event in scope.events}))

    @cached_property
    def account_columns(self) -> dict[str, Measure]:
        """Measure columns of account_weeks by name: the additive parts of each metric with a role."""
        columns: dict[str, Measure] = {}
        for plan in self.plans:
            parts: dict[str, Part | None] = {"": plan.value}
            if plan.divides:
                parts = {"_numerator": plan.numerator, "_denominator": plan.denominator}
            for end, part in parts.items():
                if isinstance(part, Measure) and part.in_account_weeks:
                    columns[f"{plan.metric}{end}"] = part
        return columns

    def wheres(self, keys: Iterable[Scope]) -> frozenset[str]:
        """Columns that the filters of some scopes read."""
        used = [used_columns(parse(scope.where, self.columns())) for scope in keys if scope.where]
        return frozenset().union(*used)

    def reach(self, table: str) -> Reach:
        """How far a weekly table reads beyond its week."""
        if table == ADOPTION:
            return Reach(max(one.days for one in self.adoption), stored=True)
        reach = Reach()
        for plan in self.plans:
            if plan.role == table:
                reach |= self.reach_of(plan)
        return reach

    def reach_of(self, plan: Plan) -> Reach:
        reach = Reach()
        for part in plan.parts:
            reach |= reach_of(part)
        return reach

    def definition(self, table: str) -> list[object]:
        """What decides a weekly table, as plain data for its fingerprint."""
        if table == "account_weeks":
            return self.account_definition()
        if table == ADOPTION:
            measures = sorted(str(one) for one in self.adoption)
            return [measures, sorted(self.use_case.events), sorted(self.attributes.items())]
        plans = sorted((plan.definition() for plan in self.plans if plan.role == table), key=str)
        return [plans, str(self.active), sorted(self.attributes.items())]

    def account_definition(self) -> list[object]:
        columns = sorted((name, str(measure)) for name, measure in self.account_columns.items())
        return [columns, str(self.active), sorted(self.attributes.items())]

    def columns(self) -> dict[str, str]:
        """Columns that a filter may name, with their types."""
        properties = {
            name: declared.type
            for event in self.use_case.events.values()
            for name, declared in event.properties.items()
        }
        ids = {"account_id": "string", "user_id": "string"}
        return {**ids, **self.attributes, "is_internal": "boolean", **properties}

    def _canonical(self, *wheres: str | None) -> str:
        """Filters that all must hold, as one in canonical spelling."""
        text = joined(*wheres)
        return canonical(parse(text, self.columns())) if text else ""

    def _scope(self, metric: Metric, events: Iterable[str], *wheres: str | None) -> Scope:
        where = self._canonical(metric.where, *wheres)
        return Scope(tuple(sorted(set(events))), where, metric.include_internal, metric.window.days)

    def _step(self, metric: Metric, step: Step) -> Scope:
        return self._scope(metric, step.events, step.where)

    def _measure(self, metric: Metric) -> Measure:
        scope = self._scope(metric, metric.count or metric.of or ())
        match metric.kind:
            case "count":
                return Measure("count", scope)
            case "count_distinct" if metric.count_distinct == "account":
                return Measure("account", scope)
            case "count_distinct":
                return Measure("distinct", scope, column_of(str(metric.count_distinct)))
            case "count_entities":
                assert metric.having is not None
                entity = column_of(str(metric.count_entities))
                return Measure("passing", scope, entity, threshold=Threshold.of(metric.having))
            case "attribute":
                return Measure("attribute", scope, str(metric.attribute), metric.aggregate or "sum", metric.over)
            case "average" | "sum":
                return Measure("sum", scope, str(metric.sum or metric.average))
            case "median":
                return Measure("median", scope, str(metric.median))
            case "quantile":
                return Measure("quantile", scope, str(metric.quantile), q=metric.q or 0.5)
            case "minimum":
                return Measure("minimum", scope, str(metric.minimum))
        return Measure("maximum", scope, str(metric.maximum))

    def _own_measure(self, item: Adoption) -> OwnMeasure:
        metrics = self.use_case.metrics
        metric = metrics[item.metric]
        named = (metric,) if metric.ratio is None else (metric.ratio.numerator, metric.ratio.denominator)
        above, *below = (self._side(metrics[side] if isinstance(side, str) else side, item) for side in named)
        return OwnMeasure(item.metric, item.window.days, above, below[0] if below else None, item.red, item.yellow)

    def _side(self, metric: Metric, item: Adoption) -> Side:
        """Of an account itself: whether it is active or internal is no question here."""
        own = {"window": item.window, "include_internal": True, "over": "all"}
        measure = self._measure(metric.model_copy(update=own))
        over = Measure("present", measure.scope, measure.column) if metric.kind == "average" else None
        return Side(measure, over)

    def _journey(self, metric: Metric) -> Journey:
        entity = column_of(metric.counted_entity)
        if metric.kind == "retention":
            return Journey("retention", entity, self._scope(metric, metric.of or ()), weeks=metric.weeks)
        if metric.kind == "lifecycle":
            scope = self._scope(metric, metric.of or self.use_case.active_events)
            if metric.of is None:
                scope = self._scope(metric, scope.events, self.use_case.activity.where)
            return Journey("lifecycle", entity, scope, which=str(metric.lifecycle), by=metric.by)
        assert metric.start is not None
        start = self._scope(metric, ()) if metric.begins_when_created else self._step(metric, metric.start)
        then = self._step(metric, metric.to) if metric.to is not None else None
        hours = metric.within.hours if metric.within is not None else 0
        if metric.kind == "conversion":
            return Journey("conversion", entity, start, then, hours)
        if metric.kind == "cohort":
            threshold = Threshold.of(metric.having) if metric.having else ANY
            return Journey("cohort", entity, start, then, hours, threshold)
        aggregate, unit = metric.aggregate or "median", TIME_UNITS[metric.unit or "seconds"]
        return Journey("time", entity, start, then, hours, aggregate=aggregate, q=metric.q or 0.5, unit=unit)

    def _plan(self, name: str, role: Role) -> Plan:
        metric = self.use_case.metrics[name]
        slices = tuple(sorted(self.use_case.slices if metric.slices is None else metric.slices))
        if metric.formula is not None:
            tree = parse_formula(metric.formula)
            below = tuple(self._plan(operand, role) for operand in operands(tree))
            return Plan(name, role, slices, formula=tree, operands=below)
        if metric.ratio is not None:
            numerator, denominator = (
                self._leaf("", self.use_case.metrics[side] if isinstance(side, str) else side, role, ())
                for side in (metric.ratio.numerator, metric.ratio.denominator)
            )
            return _ratio(name, role, slices, numerator, denominator)
        return self._leaf(name, metric, role, slices)

    def _leaf(self, name: str, metric: Metric, role: Role, slices: tuple[str, ...]) -> Plan:
        if metric.kind in ("conversion", "time_between", "retention", "cohort", "lifecycle"):
            return _of_journey(name, role, slices, self._journey(metric), metric.shown_as == "share")
        measure = self._measure(metric)
        entities: Key = measure if measure.how == "attribute" else measure.scope
        if metric.kind == "average":
            present = Measure("present", measure.scope, measure.column)
            return Plan(name, role, slices, measure, measure, present, True, entities)
        if measure.how in ("median", "quantile", "minimum", "maximum"):
            present = Measure("present", measure.scope, measure.column)
            return Plan(name, role, slices, measure, None, present, False, entities)
        return Plan(name, role, slices, measure, measure, None, False, entities)


def _of_journey(name: str, role: Role, slices: tuple[str, ...], journey: Journey, as_share: bool) -> Plan:
    numerator, denominator = Figure(journey, "numerator"), Figure(journey, "denominator")
    accounts = Figure(journey, "accounts")
    if journey.kind == "time":
        return Plan(name, role, slices, Figure(journey, "value"), numerator, denominator, False, accounts)
    if journey.kind in ("conversion", "retention") or (journey.kind == "cohort" and as_share):
        return Plan(name, role, slices, numerator, numerator, denominator, True, accounts)
    below = denominator if journey.kind == "cohort" else None
    return Plan(name, role, slices, numerator, numerator, below, False, accounts)


def _ratio(name: str, role: Role, slices: tuple[str, ...], above: Plan, below: Plan) -> Plan:
    """The value of one plan over the value of another; a side that is a quotient itself stays one."""
    sides = [side for side in (below, above) if not _is_attribute(side.value)]
    entities = (sides or [above])[0].entities
    if above.divides or below.divides:
        tree = parse_formula("above / below")
        named = tuple(
            Plan(key, role, slices, side.value, side.numerator, side.denominator, side.divides, side.entities)
            for key, side in (("above", above), ("below", below))
        )
        return Plan(name, role, slices, formula=tree, operands=named)
    return Plan(name, role, slices, above.value, above.value, below.value, True, entities)


def _is_attribute(part: Part | None) -> bool:
    return isinstance(part, Measure) and part.how == "attribute"
