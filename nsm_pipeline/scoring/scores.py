"""All tables of this room, from the extract's other tables and the playbook.

What belongs here: which table comes of what. What does not: how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.score_tables import ANNOTATIONS, GUARDRAILS, MOVEMENTS, SCORECARD, TREE_EDGES, TREE_NODES
from nsm_pipeline.publishing.tables import SCORES
from nsm_pipeline.scoring.annotations import annotation_rows
from nsm_pipeline.scoring.edges import edge_rows
from nsm_pipeline.scoring.guardrails import guardrail_rows
from nsm_pipeline.scoring.movements import movement_rows
from nsm_pipeline.scoring.published import Published
from nsm_pipeline.scoring.scorecard import scorecard_rows
from nsm_pipeline.scoring.status import fill, settled_values, statuses
from nsm_pipeline.scoring.targets import path_of
from nsm_pipeline.scoring.tree import node_rows

Row = dict[str, Any]


def scores(
    use_cases: Sequence[UseCase],
    tables: Mapping[str, pa.Table],
    current: date,
    week_of: Callable[[date], date],
) -> dict[str, pa.Table]:
    """SCORES by name, of the extract's other tables. `current`: the week in progress; `week_of`: a day's week."""
    rows: dict[str, list[Row]] = {table.name: [] for table in SCORES}
    restated = tables["restatements"].to_pylist() if "restatements" in tables else []
    for use_case in use_cases:
        for name, found in _of(Published.of(use_case, tables, current)):
            rows[name] += found
        rows[ANNOTATIONS.name] += annotation_rows(use_case, restated, week_of)
    return {table.name: pa.Table.from_pylist(rows[table.name], table.schema) for table in SCORES}


def _of(published: Published) -> Iterator[tuple[str, list[Row]]]:
    """Rows of one use case, by table."""
    targets = target_paths(published)
    guards = guardrail_rows(published, statuses(published, targets))
    yield SCORECARD.name, fill(published, scorecard_rows(published), guards)
    yield GUARDRAILS.name, guards
    yield TREE_NODES.name, node_rows(published, targets, guards)
    yield TREE_EDGES.name, edge_rows(published)
    yield MOVEMENTS.name, movement_rows(published)


def target_paths(published: Published) -> dict[str, dict[date, float]]:
    """Where the North Star and every input with a target should be, by metric and published week."""
    use_case, weeks = published.use_case, sorted(published.growth)
    targets = {item.metric: item.target for item in use_case.inputs if item.target is not None}
    targets[published.north_star] = use_case.north_star.target
    return {metric: path_of(target, settled_values(published, metric), weeks) for metric, target in targets.items()}
