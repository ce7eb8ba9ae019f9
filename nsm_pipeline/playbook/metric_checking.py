"""Rules of one metric against the rest of its use case: names, types, cycles, units.

What belongs here: what a kind asks of events, properties, attributes and other metrics. What does not: the other
parts of a use case (`checking`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from nsm_pipeline.playbook.filters import FilterError, joined, parse
from nsm_pipeline.playbook.formulas import FormulaError, mismatch, operands, parse_formula
from nsm_pipeline.playbook.metric_models import CREATED, Metric, Step
from nsm_pipeline.playbook.models import UseCase

NUMBERS = ("integer", "number")
ENTITIES = ("account", "user")
IDS = {"account_id": "string", "user_id": "string"}


class Refusals(Protocol):
    """What a checker offers: the use case, and refusing at a key path."""

    use_case: UseCase
    attributes: Mapping[str, str]

    def refuse(self, path: str, text: str) -> None: ...

    def known(self, path: str, name: str, accepted: Iterable[str]) -> None: ...


class MetricChecker:
    """Rules of a use case's metrics; each refusal names the key path."""

    def __init__(self, checker: Refusals) -> None:
        self.checker, self.use_case, self.attributes = checker, checker.use_case, checker.attributes

    def check(self, path: str, metric: Metric, trail: tuple[str, ...]) -> None:
        for position, name in enumerate(metric.slices or ()):
            self.checker.known(f"{path}.slices.{position}", name, self.attributes)
        match metric.kind:
            case "ratio":
                self._ratio(path, metric, trail)
            case "formula":
                self._formula(path, metric, trail)
            case "attribute":
                self._attribute(path, metric)
                self.filter(f"{path}.where", metric.where, {})
            case "conversion" | "time_between" | "cohort":
                self._journey(path, metric)
            case _:
                self._events(path, metric)

    def filter(self, path: str, text: str | None, properties: Mapping[str, str], events: bool = False) -> None:
        """Refuse a filter that is not over `properties`, account attributes and ids."""
        if text is None:
            return
        ids = IDS if events else {"account_id": "string"}
        try:
            parse(text, {**self.attributes, **ids, "is_internal": "boolean", **properties})
        except FilterError as error:
            self.checker.refuse(path, f"{str(error).rstrip('.')}.")

    def common(self, path: str, events: Iterable[str]) -> dict[str, str]:
        """Properties that all of some events declare, with their types."""
        events = tuple(events)
        for name in events:
            self.checker.known(path, name, self.use_case.events)
        declared = [self.use_case.events[name].properties for name in events]
        return {
            name: kept.type
            for name, kept in (declared[0] if declared else {}).items()
            if all(name in other for other in declared)
        }

    def _events(self, path: str, metric: Metric) -> None:
        key = "count" if metric.kind == "count" else "of"
        events = metric.count or metric.of or self.use_case.active_events
        properties = self.common(f"{path}.{key}", events)
        match metric.kind:
            case "count":
                pass
            case "count_distinct":
                self.checker.known(f"{path}.count_distinct", str(metric.count_distinct), [*ENTITIES, *properties])
            case "count_entities" | "retention" | "lifecycle":
                where = "entity" if metric.kind == "lifecycle" else metric.kind
                self._entity(f"{path}.{where}", metric.counted_entity, properties)
                self._having(path, metric, properties)
                if metric.kind == "lifecycle" and metric.of is None:
                    both = joined(metric.where, self.use_case.activity.where)
                    self.filter(f"{path}.where", both or None, properties, events=True)
                if metric.by == CREATED and metric.counted_entity != "account":
                    self.checker.refuse(f"{path}.by", "found 'created_on', which only accounts have.")
            case _:
                numeric = [name for name, kind in properties.items() if kind in NUMBERS]
                self.checker.known(f"{path}.{metric.kind}", str(getattr(metric, metric.kind)), numeric)
        self.filter(f"{path}.where", metric.where, properties, events=True)

    def _entity(self, path: str, name: str, properties: Mapping[str, str]) -> None:
        self.checker.known(path, name, [*ENTITIES, *properties])

    def _having(self, path: str, metric: Metric, properties: Mapping[str, str]) -> None:
        having = metric.having
        if having is None:
            return
        if having.how == "sum":
            numeric = [name for name, kind in properties.items() if kind in NUMBERS]
            self.checker.known(f"{path}.having", having.column, numeric)
        elif having.how == "distinct":
            self.checker.known(f"{path}.having", having.column, [*ENTITIES, *properties])
        if having.per:
            if metric.counted_entity != "account":
                self.checker.refuse(f"{path}.having", f"found 'per {having.per}', which only accounts have.")
            numeric = [name for name, kind in self.attributes.items() if kind in NUMBERS]
            self.checker.known(f"{path}.having", having.per, numeric)

    def _journey(self, path: str, metric: Metric) -> None:
        shared: list[dict[str, str]] = []
        for key, step in (("from", metric.start), ("to", metric.to)):
            if step is None:
                continue
            if key == "from" and CREATED in step.events:
                self._created(path, metric, step)
                shared.append({})
                continue
            properties = self.common(f"{path}.{key}", step.events)
            self.filter(f"{path}.{key}.where", step.where, properties, events=True)
            shared.append(properties)
            if key == "to":
                self._having(path, metric, properties)
        if metric.having is not None and metric.to is None:
            self.checker.refuse(f"{path}.having", "found a threshold without 'to: <event>', which it would be about.")
        everywhere = {name: kind for name, kind in shared[0].items() if all(name in other for other in shared)}
        self._entity(f"{path}.{metric.kind}", metric.counted_entity, everywhere)
        self.filter(f"{path}.where", metric.where, everywhere, events=not metric.begins_when_created)
        for key, step in (("from", metric.start), ("to", metric.to)):
            if step is not None and step.where is not None and metric.where is not None:
                properties = self.common(f"{path}.{key}", step.events)
                self.filter(f"{path}.{key}.where", joined(metric.where, step.where), properties, events=True)

    def _created(self, path: str, metric: Metric, step: Step) -> None:
        if step.events != (CREATED,) or step.where is not None:
            self.checker.refuse(f"{path}.from", f"found {CREATED} beside events or a filter; it stands alone.")
        if metric.counted_entity != "account":
            self.checker.refuse(f"{path}.from", f"found '{CREATED}', which only accounts have.")

    def _attribute(self, path: str, metric: Metric) -> None:
        name = str(metric.attribute)
        self.checker.known(f"{path}.attribute", name, ["account_id", *self.attributes])
        if metric.aggregate != "count" and self.attributes.get(name) not in NUMBERS:
            self.checker.refuse(
                f"{path}.attribute",
                f"found '{name}', which is no number; '{metric.aggregate or 'sum'}' needs one. Try aggregate: count.",
            )

    def _ratio(self, path: str, metric: Metric, trail: tuple[str, ...]) -> None:
        assert metric.ratio is not None
        for side in ("numerator", "denominator"):
            self._side(f"{path}.ratio.{side}", getattr(metric.ratio, side), trail)

    def _side(self, path: str, side: str | Metric, trail: tuple[str, ...]) -> None:
        if isinstance(side, str):
            self.checker.known(path, side, self.use_case.metrics)
            if side in trail:
                self.checker.refuse(path, f"found a cycle: {' → '.join([*trail, side])}.")
            target = self.use_case.metrics[side]
            if target.ratio is not None:
                for part in ("numerator", "denominator"):
                    inner = getattr(target.ratio, part)
                    if isinstance(inner, str):
                        self._side(f"metrics.{side}.ratio.{part}", inner, (*trail, side))
            if target.kind in ("ratio", "formula"):
                self.checker.refuse(
                    path, f"found '{side}', which is a {target.kind} itself; divide metrics with 'formula: a / b'."
                )
        elif side.kind in ("ratio", "formula"):
            self.checker.refuse(path, f"found a {side.kind}; divide metrics with 'formula: a / b'.")
        else:
            if side.slices is not None:
                self.checker.refuse(f"{path}.slices", "found slices on a side of a ratio; they belong to the ratio.")
            self.check(path, side, trail)

    def _formula(self, path: str, metric: Metric, trail: tuple[str, ...]) -> None:
        path = f"{path}.formula" if len(trail) == 1 else f"metrics.{trail[-1]}.formula"
        try:
            tree = parse_formula(str(metric.formula))
        except FormulaError as error:
            return self.checker.refuse(path, f"{str(error).rstrip('.')}.")
        names = operands(tree)
        if not names:
            self.checker.refuse(path, f"found '{metric.formula}', which names no metric.")
        for name in names:
            self.checker.known(path, name, self.use_case.metrics)
            if name in trail:
                self.checker.refuse(path, f"found a cycle: {' → '.join([*trail, name])}.")
            target = self.use_case.metrics[name]
            if target.kind == "formula":
                self._formula(path, target, (*trail, name))
        unlike = mismatch(tree, {name: self.use_case.metrics[name].unit for name in names})
        if unlike is not None:
            self.checker.refuse(
                path,
                f"found '{metric.formula}', which adds '{unlike[0]}' to '{unlike[1]}'; only what has one unit adds up.",
            )
        return None
