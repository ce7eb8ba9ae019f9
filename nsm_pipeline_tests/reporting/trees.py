"""Rows of TREE_NODES and TREE_EDGES for tests: of a playbook's declarations, with values made up by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.steps.opening import open_folder

Row = dict[str, Any]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COLOURS = ("green", "yellow", "red", "no_colour")
HYPOTHESES = ("supported", "not supported", "contradicted", "too early to say")


def grocery() -> UseCase:
    return open_folder(EXAMPLES / "grocery" / "playbook", None).use_cases["delivery"]


def node(metric: str, role: str, draw: random.Random, **said: Any) -> Row:
    value = draw.choice([None, 0.943, 3.78, 1284.0, 13_550.0])
    row = {
        "use_case": "delivery",
        "metric": metric,
        "role": role,
        "title": metric.replace("_", " "),
        "level": None,
        "dimension": None,
        "owner": "Delivery group",
        "week": date(2026, 3, 2),
        "unit": "customers",
        "better": "higher",
        "value": value,
        "change": None if value is None else 0.031,
        "target": None if value is None else draw.choice([None, value * 1.05]),
        "reference": value,
        "status": "no_colour" if value is None else draw.choice(COLOURS[:3]),
        "status_words": "",
        "work": None,
    }
    return {**row, **said}


def edge(metric: str, drives: str, relation: str, draw: random.Random) -> Row:
    verdicts = {"formula": ("reconciled", "not reconciled"), "protects": ("declared",)}.get(relation, HYPOTHESES)
    verdict = draw.choice(verdicts)
    lag = draw.choice([0, 1, 2]) if verdict in ("supported", "contradicted") else None
    return {
        "use_case": "delivery",
        "metric": metric,
        "drives": drives,
        "relation": relation,
        "verdict": verdict,
        "words": f"{verdict}, as it was made up",
        "lag": lag,
        "weeks": 14 if relation == "hypothesis" else None,
        "gap": 0.032 if verdict == "not reconciled" else None,
    }


def rows_of(use_case: UseCase, seed: int = 4) -> tuple[list[Row], list[Row]]:
    """Nodes and edges as the use case declares them."""
    draw = random.Random(seed)
    star = use_case.north_star.metric

    def titled(metric: str, role: str, **said: Any) -> Row:
        declared = use_case.metrics[metric]
        return node(metric, role, draw, title=declared.title or metric, unit=declared.unit or "", **said)

    nodes = [titled(star, "north_star", level=0)]
    nodes += [
        titled(one.metric, "inputs", level=one.level, dimension=one.dimension, owner=one.owner)
        for one in use_case.inputs
    ]
    nodes += [titled(one.metric, "counter_metrics") for one in use_case.counter_metrics]
    nodes += [titled(one, "outcomes") for one in use_case.outcomes]
    edges = [edge(one.metric, one.drives or star, one.relation, draw) for one in use_case.inputs]
    edges += [edge(one.metric, one.protects, "protects", draw) for one in use_case.counter_metrics]
    edges += [edge(star, one, "outcome", draw) for one in use_case.outcomes]
    return nodes, edges


def a_tree(levels: Sequence[int], counters: int, outcomes: int, seed: int) -> tuple[list[Row], list[Row]]:
    """A tree with inputs of these levels, each driving some metric before it, and a few edges more."""
    draw = random.Random(seed)
    words = ["share", "of", "customers", "who order again", "within", "a week", "Donaudampfschifffahrtsgesellschaft"]
    nodes = [node("star", "north_star", draw, level=0, title="The star")]
    edges: list[Row] = []
    for number, level in enumerate(levels):
        before = [one["metric"] for one in nodes]
        title = " ".join(draw.choices(words, k=draw.randint(1, 9)))
        nodes.append(node(f"input_{number}", "inputs", draw, level=level, title=title, owner=draw.choice(words)))
        for drives in set(draw.choices(before, k=draw.choice([1, 1, 1, 2]))):
            edges.append(edge(f"input_{number}", drives, draw.choice(["formula", "hypothesis"]), draw))
    for number in range(counters):
        protected = draw.choice([one["metric"] for one in nodes])
        nodes.append(node(f"counter_{number}", "counter_metrics", draw, title=" ".join(draw.choices(words, k=4))))
        edges.append(edge(f"counter_{number}", protected, "protects", draw))
    for number in range(outcomes):
        nodes.append(node(f"outcome_{number}", "outcomes", draw))
        edges.append(edge("star", f"outcome_{number}", "outcome", draw))
    return nodes, edges
