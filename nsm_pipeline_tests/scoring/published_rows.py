"""A use case's published rows for tests: values by week, accounts by week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import yaml
from landing_zone import SHOP

from nsm_pipeline.metrics.growth import growth_series
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.tables import GROWTH
from nsm_pipeline.scoring.published import Published

FIRST = date(2023, 1, 2)  # a Monday
NOBODY = dict.fromkeys(("active", "new", "retained", "resurrected", "new_by_creation", "unknown_creation"), 0)


def week(number: int) -> date:
    return FIRST + timedelta(weeks=number)


def weekly(values: Sequence[float | None], first: date = FIRST) -> list[tuple[date, float | None]]:
    """Values of consecutive weeks."""
    return [(first + timedelta(weeks=number), value) for number, value in enumerate(values)]


def published(
    values: Sequence[tuple[date, float | None]],
    current: date,
    north_star: Mapping[str, Any] | None = None,
    accounts: Mapping[date, Mapping[str, int]] | None = None,
) -> Published:
    """The shop's rows as the extract has them. `values`: weeks that are published; `current`: the week in progress;
    `north_star`: keys to add to it; `accounts`: counts by week, 0 where none are said."""
    document = yaml.safe_load(SHOP)
    document["north_star"] |= north_star or {}
    use_case = UseCase.model_validate(document)
    counts = {when: {**NOBODY, **said} for when, said in (accounts or {}).items()}
    series = growth_series(use_case.use_case, values, counts, current, use_case.growth_target)
    rows = [
        {**row, "state": "certified" if row["complete"] else "flash", "stage": "settling", "certificate_id": None}
        for row in series.to_pylist()
    ]
    return Published.of(use_case, {"growth": pa.Table.from_pylist(rows, GROWTH.schema)}, current)
