"""Which table of the extract refers to which: the star's foreign keys, by the names of columns.

What belongs here: the rule. What does not: the dimensions' rows (`star`).
"""

from __future__ import annotations

from dataclasses import dataclass

from nsm_pipeline.publishing.columns import ExtractTable

USE_CASE, METRIC, WEEK = ("use_case",), ("use_case", "metric"), ("week",)
BY_NAME = {USE_CASE: "use_cases", METRIC: "metric_dictionary", WEEK: "weeks"}
"""Columns that mean the same wherever they stand, with the dimension whose key they are."""
OTHERWISE_NAMED = {
    "use_cases": (("use_case", "north_star"),),
    "guardrails": (("use_case", "protects"),),
    "tree_edges": (("use_case", "drives"),),
}
"""Further metrics that a table refers to."""
APART = ("restatements", "data_dictionary")
"""Tables that are no part of the star: the ledger names what may be gone."""


@dataclass(frozen=True)
class Reference:
    """Columns that hold the key of a row in another table."""

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]


def references_of(table: ExtractTable) -> tuple[Reference, ...]:
    """What a table refers to. A key of several columns counts where all of them are required: half a key is none."""
    if table.name in APART:
        return ()
    required = {column.name: column.required for column in table.columns}
    found = [
        Reference(columns, name, columns)
        for columns, name in BY_NAME.items()
        if name != table.name and required.keys() >= set(columns)
        if len(columns) == 1 or all(required[column] for column in columns)
    ]
    further = OTHERWISE_NAMED.get(table.name, ())
    return (*found, *(Reference(columns, BY_NAME[METRIC], METRIC) for columns in further))
