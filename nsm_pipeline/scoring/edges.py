"""The metric tree's edges with what speaks for them: rows of TREE_EDGES.

What belongs here: one row per edge. What does not: how edges are reconciled (`arithmetic`) or tested (`hypotheses`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from nsm_pipeline.scoring.arithmetic import Reconciled, arithmetic_edges, reconciled
from nsm_pipeline.scoring.hypotheses import evidence
from nsm_pipeline.scoring.published import Published

Row = dict[str, Any]
Values = Mapping[str, Mapping[date, float]]


def edge_rows(published: Published) -> list[Row]:
    """Rows of TREE_EDGES of one use case, by what is published of its complete weeks."""
    values = {name: published.values(name) for name in published.use_case.metrics}
    return [*_arithmetic(published, values), *_tested(published, values), *_protecting(published)]


def _row(published: Published, metric: str, drives: str, relation: str, verdict: str, words: str) -> Row:
    return {
        "use_case": published.use_case.use_case,
        "metric": metric,
        "drives": drives,
        "relation": relation,
        "verdict": verdict,
        "words": words,
    }


def _arithmetic(published: Published, values: Values) -> Iterator[Row]:
    for metric, drives in arithmetic_edges(published.use_case):
        found = reconciled(published.use_case, metric, drives, values)
        verdict = "reconciled" if found.holds else "not reconciled"
        row = _row(published, metric, drives, "formula", verdict, f"{verdict}: {_sum(metric, drives, found)}")
        yield {**row, "gap": found.gap, "weeks": found.weeks}


def _sum(metric: str, drives: str, found: Reconciled) -> str:
    if found.formula is None:
        return (
            f"no formula says how '{drives}' follows from '{metric}'; declare it under formula, or the relation "
            "as a hypothesis"
        )
    if found.unpublished:
        return f"{found.formula} can't be held to values: none of {' and '.join(found.unpublished)} is published"
    if found.gap is None:
        return f"{found.formula} has all its values in no week yet"
    if found.holds:
        return f"{found.formula} holds in all {found.weeks} weeks"
    return f"{found.formula} is off by up to {100 * found.gap:.2f} %, in the week of {found.worst}; {found.weeks} weeks"


def _tested(published: Published, values: Values) -> Iterator[Row]:
    for edge, found in evidence(published.use_case, values).items():
        row = _row(published, edge.metric, edge.drives, edge.relation, found.verdict, found.words)
        yield {**row, "expected_sign": edge.sign, **found.numbers}


def _protecting(published: Published) -> Iterator[Row]:
    for counter in published.use_case.counter_metrics:
        yield _row(
            published, counter.metric, counter.protects, "protects", "declared", f"declared: {counter.risk.strip()}"
        )
