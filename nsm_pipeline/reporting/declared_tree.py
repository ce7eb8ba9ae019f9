"""The metric tree of a definition alone: rows as of TREE_NODES and TREE_EDGES, without numbers.

What belongs here: what a drawing shows before anything is published. What does not: values and verdicts (`scoring`).
"""

from __future__ import annotations

from typing import Any

from nsm_pipeline.playbook.guardrails import better_of
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.dictionary import title_of

NOTHING = "nothing published yet"
Rows = list[dict[str, Any]]


def declared_tree(use_case: UseCase) -> tuple[Rows, Rows]:
    """Nodes and edges as the use case declares them: no values, no colours, nothing tested."""
    star = use_case.north_star.metric
    nodes = [_node(use_case, star, "north_star", level=0)]
    nodes += [
        _node(use_case, one.metric, "inputs", level=one.level, dimension=one.dimension, owner=one.owner)
        for one in use_case.inputs
    ]
    nodes += [
        _node(use_case, one.metric, "counter_metrics", better=better_of(use_case, one))
        for one in use_case.counter_metrics
    ]
    nodes += [_node(use_case, name, "outcomes") for name in use_case.outcomes]
    edges = [_edge(use_case, one.metric, one.drives or star, one.relation) for one in use_case.inputs]
    edges += [_edge(use_case, one.metric, one.protects, "protects") for one in use_case.counter_metrics]
    edges += [_edge(use_case, star, name, "outcome") for name in use_case.outcomes]
    return nodes, edges


def _node(use_case: UseCase, name: str, role: str, **said: Any) -> dict[str, Any]:
    metric = use_case.metrics[name]
    blank = dict.fromkeys(("level", "dimension", "week", "value", "change", "target", "reference", "work"))
    row = {"use_case": use_case.use_case, "metric": name, "role": role, "title": title_of(name, metric)}
    row |= {
        "unit": metric.unit,
        "better": metric.better,
        "status": "no_colour",
        "status_words": "nothing published yet",
    }
    return {**blank, **row, **said, "owner": said.get("owner") or use_case.owner.name}


def _edge(use_case: UseCase, metric: str, drives: str, relation: str) -> dict[str, Any]:
    row = {"use_case": use_case.use_case, "metric": metric, "drives": drives, "relation": relation}
    return {**row, "verdict": "declared", "words": f"declared; {NOTHING}", "lag": None, "weeks": None}
