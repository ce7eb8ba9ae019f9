"""What lies between two tables of equal columns: rows that were added or changed, keys that vanished.

What belongs here: comparing, applying and digesting tables, exactly: -0.0 is not 0.0. What does not: files (`record`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Delta:
    """`rows`: whole rows that were added or changed; `gone`: keys that vanished."""

    rows: pa.Table
    gone: pa.Table


def matched(before: pa.Table, after: pa.Table, key: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """Positions of the rows with equal keys side by side, null where only the other table has the key."""
    left = before.select(list(key)).append_column("before", pa.array(range(before.num_rows), pa.int64()))
    right = after.select(list(key)).append_column("after", pa.array(range(after.num_rows), pa.int64()))
    pairs = left.join(right, list(key), join_type="full outer", use_threads=False).combine_chunks()
    return one_piece(pairs["before"]), one_piece(pairs["after"])


def delta(before: pa.Table, after: pa.Table, key: Sequence[str]) -> Delta:
    """What turns one table into the other; both have the same columns."""
    old, new = matched(before, after, key)
    both = pc.and_(pc.is_valid(old), pc.is_valid(new))
    left, right = before.take(old.filter(both)), after.take(new.filter(both))
    equal = [same(one_piece(mine), one_piece(other)) for mine, other in zip(left.columns, right.columns, strict=True)]
    differ = pc.invert(reduce(pc.and_, equal))
    rows = [new.filter(both).filter(differ), new.filter(pc.is_null(old))]
    gone = before.select(list(key)).take(old.filter(pc.is_null(new)))
    return Delta(after.take(pa.concat_arrays(rows)), gone)


def applied(before: pa.Table, change: Delta, key: Sequence[str]) -> pa.Table:
    """The table after a change, sorted by key."""
    names = list(key)
    touched = pa.concat_tables([change.rows.select(names), change.gone])
    kept = before.join(touched, names, join_type="left anti", use_threads=False)
    table = pa.concat_tables([kept.select(before.column_names), change.rows])
    return table.sort_by([(name, "ascending") for name in names]).combine_chunks()


def same(left: pa.Array, right: pa.Array) -> pa.Array:
    """Whether two columns hold the same, row by row: null is null, and numbers are compared bit by bit."""
    if pa.types.is_floating(left.type):
        left, right = left.view(pa.int64()), right.view(pa.int64())
    equal = pc.fill_null(pc.equal(left, right), False)
    return pc.or_(equal, pc.and_(pc.is_null(left), pc.is_null(right)))


def rows_digest(table: pa.Table) -> str:
    """A digest of columns, types and rows in their order, however a library may write them: 16 hex digits."""
    found = hashlib.sha256()
    for field in table.schema:
        column = one_piece(table[field.name])
        found.update(f"{field.name}:{field.type}:{len(column)}\n".encode())
        if not len(column):
            continue
        found.update(pc.is_null(column).to_numpy(zero_copy_only=False).astype("u1").tobytes())
        for values in _values(column):
            found.update(values)
    return found.hexdigest()[:16]


def _values(column: pa.Array) -> list[bytes]:
    """A column's values as bytes of a fixed order; of text the lengths first."""
    if pa.types.is_string(column.type):
        filled = pc.fill_null(column, "")
        lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False).astype("<i8")
        # Arrow keeps texts one behind the other: what lies between the first one's start and the last one's end.
        _, offsets, letters = filled.buffers()
        bounds = np.frombuffer(offsets, np.int32)[filled.offset : filled.offset + len(filled) + 1]
        return [lengths.tobytes(), letters[bounds[0] : bounds[-1]].to_pybytes() if letters else b""]
    if pa.types.is_floating(column.type):
        return [pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False).astype("<f8").tobytes()]
    plain = column.cast(pa.int32()) if pa.types.is_date(column.type) else column
    return [pc.fill_null(plain.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype("<i8").tobytes()]


def one_piece(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
