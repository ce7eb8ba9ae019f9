"""What a leader reads on Monday, from the tables of one published version alone.

What belongs here: the company's use cases, its newest week, its seal of trust. What does not: words of the headline
(`headline`), one use case (`one_use_case`), drawing (`charts`, `dashboard`). No clock: new is what was published last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.reporting.one_use_case import OneUseCase, use_case_of
from nsm_pipeline.reporting.trust import Seal, Trust, last_restatement, seal_of

TABLES = (
    "metric_dictionary",
    "scorecard",
    "guardrails",
    "inputs",
    "tree_nodes",
    "tree_edges",
    "movements",
    "annotations",
    "restatements",
    "certificates",
)
MEANT = {"inputs": ("slice", "all"), "restatements": ("kind", "restatement")}
"""The rows of large tables that a page shows: of a column one value."""


@dataclass(frozen=True)
class Monday:
    """A published version as a reader sees it. `week`: the newest week that is over; None where there is none yet.
    `published_at`: when the version was published, None where that is not known."""

    company: str
    version: str
    published_at: datetime | None
    use_cases: tuple[OneUseCase, ...]
    seal: Seal
    week: date | None

    @classmethod
    def of(
        cls, tables: Mapping[str, pa.Table], company: str, version: str, published_at: datetime | None = None
    ) -> Monday:
        """From the extract's tables by name (`publishing.tables.EXTRACT`); those that are missing have no rows."""
        rows = _by_use_case(tables)
        cases = tuple(use_case_of(name, found) for name, found in rows.items())
        week = max((case.last_ended for case in cases if case.last_ended), default=None)
        newest = [(case.title, trust) for case in cases if week and (trust := case.trust(week))]
        restated = [row for case in cases for row in case.restatements]
        seal = seal_of(newest, last_restatement(restated, {case.name: case.title for case in cases}))
        return cls(company, version, published_at, cases, seal, week)

    def trust(self, case: OneUseCase) -> Trust | None:
        """What the certificate of the newest week says of a use case; None where it has no such week."""
        return case.trust(self.week) if self.week else None

    def is_late(self, case: OneUseCase) -> bool:
        """Whether what is shown of a use case is of an older week than the newest, or nothing at all."""
        return case.newest is None or case.newest["week"] != self.week


def _by_use_case(tables: Mapping[str, pa.Table]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Rows by use case and table, use cases in the order of the metric dictionary."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in TABLES:
        if name not in tables:
            continue
        table = tables[name]
        if name in MEANT:
            table = table.filter(pc.equal(table[MEANT[name][0]], MEANT[name][1]))
        for row in table.to_pylist():
            found.setdefault(row["use_case"], defaultdict(list))[name].append(row)
    return found
