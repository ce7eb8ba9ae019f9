"""What the UI shows of a table."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from nsm_pipeline.orchestration.metadata import preview, totals_of


def test_a_preview_is_a_markdown_table_of_the_first_rows() -> None:
    table = pa.table({"week": [date(2026, 1, 5)] * 3, "value": [0.123456, None, 2.0], "name": ["a|b", "c\nd", "e"]})
    assert preview(table, 2).value == (
        "| week | value | name |\n|---|---|---|\n| 2026-01-05 | 0.1235 | a\\|b |\n| 2026-01-05 |  | c d |"
    )
    assert preview(table.slice(0, 0)).value == "| week | value | name |\n|---|---|---|"


def test_totals_are_the_values_over_all_slices() -> None:
    rows = {"metric": ["m", "m", "n"], "slice": ["all", "plan", "all"], "value": [3.0, 1.0, None]}
    assert totals_of(pa.table(rows)) == {"m": 3.0}
