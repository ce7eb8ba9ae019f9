"""Rows of several tables in one: a publication changes a few rows of many tables, and every file has its price.

What belongs here: one wide table of parts, and the parts of it again. What does not: files (`record`).
Columns of equal name and type are shared; a part's other columns are null. `table` and `gone` say whose a row is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

EMPTY = pa.schema([("table", pa.string()), ("gone", pa.bool_())])


@dataclass(frozen=True)
class Part:
    """Rows of a table, or with `gone` the keys that vanished from it."""

    name: str
    rows: pa.Table
    gone: bool = False


def packed(parts: Iterable[Part]) -> pa.Table:
    """The parts that have rows, one after the other."""
    wide = [_widened(part) for part in parts if part.rows.num_rows]
    return pa.concat_tables([EMPTY.empty_table(), *wide], promote_options="default")


def unpacked(wide: pa.Table, name: str, schema: pa.Schema, *, gone: bool = False) -> pa.Table:
    """The rows of one part, in their order, with the columns of a schema."""
    mine = wide.filter(pc.and_(pc.equal(wide["table"], name), pc.equal(wide["gone"], gone)))
    if not mine.num_rows:
        return schema.empty_table()
    return pa.table([mine[_column(field)] for field in schema], schema=schema)


def columns_of(schema: pa.Schema) -> list[str]:
    """What the columns of a table are called among those of all."""
    return [*EMPTY.names, *map(_column, schema)]


def _widened(part: Part) -> pa.Table:
    rows, count = part.rows, part.rows.num_rows
    marks = [pa.array([part.name] * count, pa.string()), pa.array([part.gone] * count, pa.bool_())]
    return pa.table([*marks, *rows.columns], names=columns_of(rows.schema))


def _column(field: pa.Field) -> str:
    # A name alone will not do: `new` is a count in one table and a value in another.
    return f"{field.name}:{field.type}"
