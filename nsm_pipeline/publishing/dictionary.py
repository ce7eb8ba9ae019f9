"""The extract's metric dictionary: what every metric means, who owns it, what it drives or protects.

What belongs here: playbook → rows of `metric_dictionary`. What does not: values.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from nsm_pipeline.playbook.guardrails import better_of
from nsm_pipeline.playbook.kinds import definition_text
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.models import CounterMetric, Input, UseCase
from nsm_pipeline.publishing.tables import METRIC_DICTIONARY


def title_of(name: str, metric: Metric | None) -> str:
    return (metric.title if metric else "") or name.replace("_", " ").capitalize()


def dictionary(use_cases: Iterable[UseCase]) -> pa.Table:
    """metric_dictionary: one row per metric with a role; an outcome is one where it is nothing else."""
    rows: list[dict[str, object]] = []
    for use_case in use_cases:
        rows.append(row_of(use_case, use_case.north_star.metric, "north_star", None))
        rows.extend(row_of(use_case, item.metric, "inputs", item) for item in use_case.inputs)
        rows.extend(row_of(use_case, item.metric, "counter_metrics", item) for item in use_case.counter_metrics)
        known = {row["metric"] for row in rows if row["use_case"] == use_case.use_case}
        outcomes = dict.fromkeys(name for name in use_case.outcomes if name not in known)
        rows.extend(row_of(use_case, name, "outcomes", None) for name in outcomes)
    return pa.Table.from_pylist(rows, METRIC_DICTIONARY.schema)


def row_of(use_case: UseCase, name: str, role: str, item: Input | CounterMetric | None) -> dict[str, object]:
    """A metric's row; `role`: 'none' for one that only takes part in a formula."""
    metric = use_case.metrics[name]
    row: dict[str, object] = {
        "use_case": use_case.use_case,
        "use_case_title": use_case.title,
        "metric": name,
        "title": title_of(name, metric),
        "description": metric.description,
        "role": role,
        "kind": metric.kind,
        "definition": definition_text(metric),
        "unit": metric.unit,
        "better": metric.better,
        "owner": use_case.owner.name,
        "status": use_case.status,
        "is_outcome": name in use_case.outcomes,
    }
    if isinstance(item, Input):
        row |= {"dimension": item.dimension, "level": item.level, "drives": item.drives, "relation": item.relation}
        row["owner"] = item.owner or use_case.owner.name
    elif isinstance(item, CounterMetric):
        row |= {"protects": item.protects, "risk": item.risk, "better": better_of(use_case, item)}
    return row
