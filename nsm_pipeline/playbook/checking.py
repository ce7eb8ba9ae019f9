"""Rules between the keys of one use case: names that must exist, types that must agree, cycles.

What belongs here: everything that one key's shape cannot say. What does not: reading files (`loading`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from nsm_pipeline.errors import WrongKey, nearest
from nsm_pipeline.playbook.adoption import COMPOSITE, no_measure
from nsm_pipeline.playbook.filters import fits
from nsm_pipeline.playbook.formulas import FormulaError, operands, parse_identity
from nsm_pipeline.playbook.metric_checking import NUMBERS, MetricChecker
from nsm_pipeline.playbook.metric_models import CREATED
from nsm_pipeline.playbook.models import Event, Property, Source, UseCase
from nsm_pipeline.playbook.words import RESERVED

MOST_FACTORS = 8


class Checker:
    """Rules between the keys of one use case; each refusal names the key path."""

    def __init__(self, file: Path, use_case: UseCase, attributes: Mapping[str, str]) -> None:
        self.file, self.use_case, self.attributes = file, use_case, attributes

    def refuse(self, path: str, text: str) -> None:
        raise WrongKey(path, text)

    def known(self, path: str, name: str, accepted: Iterable[str]) -> None:
        accepted = list(accepted)
        if name not in accepted:
            self.refuse(path, f"found '{name}'; {nearest(name, accepted)}")

    def check(self) -> None:
        use_case = self.use_case
        for name, event in use_case.events.items():
            if name == CREATED:
                self.refuse(f"events.{name}", f"found the name '{name}', which stands for an account's creation.")
            self._event(f"events.{name}", event)
        self._property_types()
        self._one_meaning()
        metrics = MetricChecker(self)
        for position, name in enumerate(use_case.activity.of or ()):
            self.known(f"activity.{position}", name, use_case.events)
        shared = metrics.common("activity", use_case.active_events)
        metrics.filter("activity.where", use_case.activity.where, shared, events=True)
        for position, name in enumerate(use_case.slices):
            self.known(f"slices.{position}", name, self.attributes)
        for name, metric in use_case.metrics.items():
            self._free(f"metrics.{name}", name)
            for part in ("_numerator", "_denominator"):
                if f"{name}{part}" in use_case.metrics:
                    self.refuse(f"metrics.{name}{part}", f"found a name that is already taken by a part of '{name}'.")
            metrics.check(f"metrics.{name}", metric, (name,))
        self._roles()
        self._adoption()
        for position, gate in enumerate(use_case.gates):
            if gate.table == "outcomes" and not use_case.outcomes:
                self.refuse(f"gates.{position}.table", "found 'outcomes', of which none are declared.")
            if gate.metric is not None:
                self.known(f"gates.{position}.metric", gate.metric, use_case.metrics)

    def _event(self, path: str, event: Event) -> None:
        for name, declared in event.properties.items():
            self._free(f"{path}.properties.{name}", name)
            self._property(f"{path}.properties.{name}", declared)
        for position, name in enumerate(event.same):
            accepted = ["account_id", "user_id", *(f"properties.{name}" for name in event.properties)]
            self.known(f"{path}.same.{position}", name, accepted)
        for position, source in enumerate(event.sources):
            for name, mapping in source.properties.items():
                at = f"{path}.sources.{position}.properties.{name}"
                self.known(at, name, event.properties)
                if (mapping.divide_by or mapping.multiply_by) and event.properties[name].type not in NUMBERS:
                    self.refuse(at, f"found a factor, which needs a number; the type is {event.properties[name].type}.")
        if sum(source.preferred for source in event.sources) > 1:
            self.refuse(f"{path}.sources", "found several preferred sources; one at most is accepted.")
        overlaps = any(_overlap(a, b) for index, a in enumerate(event.sources) for b in event.sources[index + 1 :])
        if event.same and not overlaps:
            self.refuse(
                f"{path}.same",
                f"found {list(event.same)}, but no two sources overlap in time.",
            )

    def _free(self, path: str, name: str) -> None:
        """Refuse a name that another column of the same tables has."""
        if name in RESERVED or name in self.attributes:
            taken = "an account attribute" if name in self.attributes else "a column of the pipeline"
            self.refuse(path, f"found the name '{name}', which is already taken by {taken}.")

    def _property(self, path: str, declared: Property) -> None:
        low, high = declared.minimum, declared.maximum
        if declared.type not in NUMBERS and (low is not None or high is not None):
            self.refuse(path, f"found minimum or maximum, which need a number; the type is {declared.type}.")
        if low is not None and high is not None and low > high:
            self.refuse(path, f"found minimum {low}, which is above maximum {high}.")
        for key, values in (("missing", declared.missing), ("one_of", declared.one_of or ())):
            for value in values:
                if not fits(declared.type, value):
                    self.refuse(f"{path}.{key}", f"found {value!r}, which is no {declared.type}.")

    def _one_meaning(self) -> None:
        """A name as sent means one canonical event at a time."""
        sources = [
            (name, i, source) for name, event in self.use_case.events.items() for i, source in enumerate(event.sources)
        ]
        for index, (name, _, a) in enumerate(sources):
            for other, position, b in sources[index + 1 :]:
                if a.name == b.name and _overlap(a, b):
                    self.refuse(
                        f"events.{other}.sources.{position}.name",
                        f"found '{b.name}', which is a source of '{name}' at the same time.",
                    )

    def _property_types(self) -> None:
        """One property name has one type within a use case: it is one column of usage_events."""
        first: dict[str, tuple[str, str]] = {}
        for name, event in self.use_case.events.items():
            for key, declared in event.properties.items():
                event_name, kind = first.setdefault(key, (name, declared.type))
                if kind != declared.type:
                    self.refuse(
                        f"events.{name}.properties.{key}.type",
                        f"found '{declared.type}', and '{kind}' in event '{event_name}'; one name has one type.",
                    )

    def _roles(self) -> None:
        use_case = self.use_case
        self.known("north_star.metric", use_case.north_star.metric, use_case.metrics)
        for position, name in enumerate(use_case.outcomes):
            self.known(f"outcomes.{position}", name, use_case.metrics)
        seen = {use_case.north_star.metric: "north_star"}
        roles = {
            "inputs": [item.metric for item in use_case.inputs],
            "counter_metrics": [counter.metric for counter in use_case.counter_metrics],
        }
        for role, metrics in roles.items():
            for position, name in enumerate(metrics):
                path = f"{role}.{position}.metric"
                self.known(path, name, use_case.metrics)
                if name in seen:
                    self.refuse(path, f"found '{name}', which already has a role in {seen[name]}.")
                seen[name] = role
        self._identity({*seen, *use_case.outcomes})
        for position, item in enumerate(use_case.inputs):
            if item.drives is not None:
                self.known(f"inputs.{position}.drives", item.drives, seen)
        self._input_cycle()
        for position, counter in enumerate(use_case.counter_metrics):
            self.known(f"counter_metrics.{position}.protects", counter.protects, seen)
            metric = use_case.metrics.get(counter.metric)
            said = metric is not None and "better" in metric.model_fields_set
            if metric is not None and said and counter.better not in (None, metric.better):
                self.refuse(
                    f"counter_metrics.{position}.better",
                    f"found '{counter.better}', and '{metric.better}' in the metric; say it in one place.",
                )

    def _adoption(self) -> None:
        seen: set[str] = set()
        for position, item in enumerate(self.use_case.adoption):
            path = f"adoption.{position}.metric"
            self.known(path, item.metric, self.use_case.metrics)
            if item.metric in seen or item.metric == COMPOSITE:
                why = "which stands for all measures together" if item.metric == COMPOSITE else "a second time"
                self.refuse(path, f"found '{item.metric}', {why}.")
            if problem := no_measure(self.use_case.metrics, item.metric):
                self.refuse(path, problem)
            seen.add(item.metric)

    def _identity(self, with_role: set[str]) -> None:
        """`with_role`: metrics that are computed every week, and so can be reconciled."""
        if self.use_case.formula is None:
            return None
        try:
            name, tree = parse_identity(self.use_case.formula)
        except FormulaError as error:
            return self.refuse("formula", f"{str(error).rstrip('.')}.")
        for metric in (name, *operands(tree)):
            self.known("formula", metric, self.use_case.metrics)
        if name in operands(tree):
            self.refuse("formula", f"found '{name}' on both sides.")
        for metric in (name, *operands(tree)):
            if metric not in with_role:
                self.refuse(
                    "formula",
                    f"found '{metric}', which has no role, and so no weekly value to reconcile the formula with; make "
                    f"it an input with relation: formula. Metrics with a role: {', '.join(sorted(with_role))}.",
                )
        if len(operands(tree)) > MOST_FACTORS:
            self.refuse(
                "formula",
                f"found {len(operands(tree))} metrics; at most {MOST_FACTORS} are accepted, or nobody can read why the "
                "North Star moved. Put some of them together in a metric of their own.",
            )
        return None

    def _input_cycle(self) -> None:
        drives = {item.metric: item.drives for item in self.use_case.inputs if item.drives}
        for start in drives:
            trail, current = [start], drives.get(start)
            while current is not None:
                if current in trail:
                    self.refuse("inputs", f"found a cycle of drives: {' → '.join([*trail, current])}.")
                trail.append(current)
                current = drives.get(current)


def _overlap(a: Source, b: Source) -> bool:
    starts_in_time = a.since is None or b.until is None or a.since < b.until
    return starts_in_time and (b.since is None or a.until is None or b.since < a.until)
