"""Definitions in words, kept by the digest under which fingerprints know them: to say later what has changed.

What belongs here: one definition as a document for people, and the store of those that some table was made from. What
does not: what decides a table (`metrics.plans`, `events.instrumentation`), comparing two of them.

A digest covers what decides the outcome and no more. So the store says a definition as it was worded when a table was
first made from it: a filter that is only spelled otherwise since has the same digest, and stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from nsm_pipeline.events import instrumentation
from nsm_pipeline.events.inputs import WeekInputs
from nsm_pipeline.lake import Document, json_text, write_text
from nsm_pipeline.metrics.measures import Plan
from nsm_pipeline.metrics.plans import ADOPTION, UseCasePlan
from nsm_pipeline.playbook.formulas import operands, parse_formula
from nsm_pipeline.playbook.kinds import definition_text
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.models import PropertyMapping

DIGEST = re.compile("[0-9a-f]{16}")


@dataclass
class Wordings:
    """The definitions of some plans and of the mappings in some weeks; and the store, a JSON file per digest, written
    once. `tables`: digests of what decides each use case's weekly tables."""

    folder: Path
    plans: Mapping[str, UseCasePlan]
    tables: Mapping[tuple[str, str], str]
    usage: WeekInputs
    weeks: Sequence[date]
    _kept: set[str] = field(default_factory=set)

    def keep(self, name: str, week: date, tables: Iterable[str]) -> None:
        """Store what decides some tables (or usage_events) of a use case's week, unless it is stored already."""
        for table in tables:
            key = self._key(table, name, week)
            if key not in self._kept and not self._file(key).exists():
                write_text(self._file(key), json_text(self._say(table, name, week)))
            self._kept.add(key)

    def of(self, key: str) -> Document | None:
        """What a digest stands for: as declared now, else as stored; None where it is neither, or no digest."""
        now = self.in_force(key)
        return self._load(key) if now is None else now

    def in_force(self, key: str) -> Document | None:
        """What a digest stands for as declared now; None where it is another by now."""
        now = self._now.get(key)
        return None if now is None else now()

    def _key(self, table: str, name: str, week: date) -> str:
        if table == "usage_events":
            return self.usage.definition(self.plans[name].use_case, week)
        return self.tables[name, table]

    def _say(self, table: str, name: str, week: date) -> Document:
        if table == "usage_events":
            return mapping_in_words(self.usage.mapping(self.plans[name].use_case, week))
        return table_in_words(self.plans[name], table)

    @cached_property
    def _now(self) -> dict[str, Callable[[], Document]]:
        """How to say each definition that is in force in some week."""
        found = {key: partial(self._say, table, name, date.min) for (name, table), key in self.tables.items()}
        for name in self.plans:
            for week in self.weeks:
                key = self._key("usage_events", name, week)
                found.setdefault(key, partial(self._say, "usage_events", name, week))
        return dict(found)

    def _load(self, key: str) -> Document | None:
        if not DIGEST.fullmatch(key):
            return None
        try:
            return dict(json.loads(self._file(key).read_bytes()))
        except (FileNotFoundError, ValueError):
            return None

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def table_in_words(plan: UseCasePlan, table: str) -> Document:
    """What decides a weekly table: `metrics` by name (`normal` decides equality, `text` says it, `slices`, and in `of`
    the texts of the metrics that it is computed from), `activity` and account `attributes` with their types."""
    if table == ADOPTION:
        return _adoption_in_words(plan)
    normal = _normal_forms(plan, table)
    activity = " or ".join(plan.active.events)
    if plan.use_case.activity.where:
        activity += f" where {plan.use_case.activity.where}"
    return {
        "metrics": {one.metric: _metric(plan, one, normal[one.metric]) for one in plan.plans if one.metric in normal},
        "activity": {"normal": str(plan.active), "text": activity},
        "attributes": dict(sorted(plan.attributes.items())),
    }


def _adoption_in_words(plan: UseCasePlan) -> Document:
    """As `table_in_words`; what makes an account heard of stands for activity."""
    metrics, heard = plan.use_case.metrics, " or ".join(sorted(plan.use_case.events))
    said: Document = {}
    for one, item in zip(plan.adoption, plan.use_case.adoption, strict=True):
        bounds = f"red {item.red}, yellow {item.yellow}, green {item.green}"
        text = f"{definition_text(metrics[one.metric])} of each account in {one.days // 7} weeks: {bounds}"
        said[one.metric] = {"normal": str(one), "text": text, "slices": []}
        if below := _below(metrics, one.metric):
            said[one.metric]["of"] = {name: definition_text(metrics[name]) for name in sorted(below)}
    attributes = dict(sorted(plan.attributes.items()))
    return {"metrics": said, "activity": {"normal": heard, "text": heard}, "attributes": attributes}


def _normal_forms(plan: UseCasePlan, table: str) -> dict[str, object]:
    """What decides each metric's part in a table; of metrics without a part in it nothing."""
    if table != "account_weeks":
        return {one.metric: one.definition() for one in plan.plans if one.role == table}
    found: dict[str, object] = {}
    for one in plan.plans:
        names = (one.metric, f"{one.metric}_numerator", f"{one.metric}_denominator")
        columns = [[name, str(measure)] for name in names if (measure := plan.account_columns.get(name))]
        if columns:
            found[one.metric] = columns
    return found


def _metric(plan: UseCasePlan, one: Plan, normal: object) -> Document:
    metrics = plan.use_case.metrics
    said: Document = {"normal": normal, "text": definition_text(metrics[one.metric]), "slices": list(one.slices)}
    if below := _below(metrics, one.metric):
        said["of"] = {name: definition_text(metrics[name]) for name in sorted(below)}
    return said


def _below(metrics: Mapping[str, Metric], name: str) -> set[str]:
    """Metrics by name that a formula or ratio is computed from, at any depth."""
    metric = metrics[name]
    found: set[str] = set()
    if metric.formula is not None:
        found |= set(operands(parse_formula(metric.formula)))
    if metric.ratio is not None:
        found |= {side for side in (metric.ratio.numerator, metric.ratio.denominator) if isinstance(side, str)}
    return found.union(*(_below(metrics, one) for one in found))


def mapping_in_words(mapping: instrumentation.Mapping) -> Document:
    """What decides usage events in some weeks: `events` by name, each with its `sources` in force (`since`, `until`:
    instants inside the week, else null; `place`: which copy wins, the lower one; `declared`: the dates in the playbook,
    `properties`: how they are spelled), what is the `same` fact, and `properties` with their types."""
    decides = mapping.definition()
    events: dict[str, Any] = {
        name: {"sources": [], "same": decides["same"].get(name, []), "properties": properties}
        for name, properties in decides["properties"].items()
    }
    for source in sorted(mapping.sources, key=lambda one: (one.event, one.rank)):
        declared = source.source
        events[source.event]["sources"].append(
            {
                "name": declared.name,
                "since": None if source.since is None else source.since.isoformat(),
                "until": None if source.until is None else source.until.isoformat(),
                "place": mapping.place(source),
                "declared": {"since": _text(declared.since), "until": _text(declared.until)},
                "properties": {name: _spelled(one) for name, one in sorted(declared.properties.items())},
            }
        )
    return {"events": events, "columns": decides["columns"]}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _spelled(mapping: PropertyMapping) -> Document:
    return mapping.model_dump(by_alias=True, exclude_none=True)
