"""A table as CSV for spreadsheets: RFC 4180, UTF-8, one header line, the same bytes for the same rows.

What belongs here: cells as text. What does not: which tables have a CSV beside their Parquet file (`rendering`).
"""

from __future__ import annotations

import csv
import io
from datetime import date

import pyarrow as pa

FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""A spreadsheet takes a text that begins with one of these for a formula, and runs it."""


def csv_bytes(table: pa.Table) -> bytes:
    """Header and rows: dates as ISO 8601, numbers with a dot and every digit, true and false, nothing for null. A text
    that would be taken for a formula has an apostrophe before it."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(table.column_names)
    writer.writerows(zip(*([_cell(value) for value in column.to_pylist()] for column in table.columns), strict=True))
    return sink.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return repr(value)
