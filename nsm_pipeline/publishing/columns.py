"""How a published table is declared: columns, types, key; and the columns that many tables share.

What belongs here: the words of a declaration. What does not: which tables there are (`tables`, `score_tables`).
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    description: str
    required: bool = False


@dataclass(frozen=True)
class ExtractTable:
    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(column.name, TYPES[column.type]) for column in self.columns])


STATE = Column(
    "state",
    "string",
    "certified; superseded_pending: the last certified value of a week whose newest ones have not passed or are held; "
    "flash while the week or the metric's window is in progress.",
    True,
)
STAGE = Column(
    "stage", "string", "flash; settling: complete, and still changed by late rows; final: changed with a reason.", True
)
