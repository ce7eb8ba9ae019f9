"""The step that makes scorecard, guardrails and tree of what is about to be published.

What belongs here: handing the home's playbook and calendar to the pure room. What does not: how it is computed
(`scoring`), when (`publication`).
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from nsm_pipeline.lake import digest
from nsm_pipeline.steps.opening import Open

SCORES_VERSION = 1
SCORED_BY = ("north_star", "inputs", "counter_metrics", "outcomes", "events", "formula", "annotations", "adoption")
"""What of a use case decides its scores, beside the published rows."""


def scored(opened: Open, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables of SCORES, from the extract's others by name."""
    from nsm_pipeline.scoring.scores import scores  # with it come the statistics: only where something is published

    use_cases = list(opened.playbook.use_cases.values())
    return scores(use_cases, tables, opened.calendar.current(), opened.calendar.week_of_day)


def scores_key(opened: Open) -> str:
    """What decides the scores beside published rows: targets, thresholds, edges, notes, as the playbook has them."""
    said = [
        [name, use_case.model_dump(mode="json", include=set(SCORED_BY))]
        for name, use_case in opened.playbook.use_cases.items()
    ]
    return digest(SCORES_VERSION, said)
