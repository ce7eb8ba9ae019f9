"""All tables of this room, from the extract's other tables and the playbook.

What belongs here: which table comes of what. What does not: how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.score_tables import ANNOTATIONS
from nsm_pipeline.publishing.tables import SCORES
from nsm_pipeline.scoring.annotations import annotation_rows
from nsm_pipeline.scoring.published import Published


def scores(
    use_cases: Sequence[UseCase],
    tables: Mapping[str, pa.Table],
    current: date,
    week_of: Callable[[date], date],
) -> dict[str, pa.Table]:
    """SCORES by name, of the extract's other tables. `current`: the week in progress; `week_of`: a day's week."""
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in SCORES}
    restated = tables["restatements"].to_pylist() if "restatements" in tables else []
    for use_case in use_cases:
        Published.of(use_case, tables, current)
        rows[ANNOTATIONS.name] += annotation_rows(use_case, restated, week_of)
    return {table.name: pa.Table.from_pylist(rows[table.name], table.schema) for table in SCORES}
