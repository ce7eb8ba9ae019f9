"""`nsm query`: a result as a table, CSV or JSON.

What belongs here: printing. What does not: the catalogue.
"""

from __future__ import annotations

import csv
import json
import sys
from datetime import date

from rich.console import Console
from rich.table import Table

from nsm_pipeline.catalogue import run_query, run_query_as_published
from nsm_pipeline.errors import UserError, nearest
from nsm_pipeline.home import Home
from nsm_pipeline.publishing.record import Record, instant_text
from nsm_pipeline.steps.as_published import publication_of
from nsm_pipeline.steps.opening import Open, open_playbook

FORMATS = ("table", "csv", "json")
SHOWN = 200
WIDEST = 60


def print_query(home: Home, as_of: date | None, sql: str, format: str, as_published: str | None) -> None:
    """Run a query, over the home as it is or over what was published on a date, and print it. A table stops after 200
    rows and says so; CSV and JSON hold all."""
    if format not in FORMATS:
        raise UserError(f"--format: found '{format}'; {nearest(format, FORMATS)}")
    opened = Open.of(home, open_playbook(home, as_of))
    if as_published is None:
        result = run_query(opened, sql)
    else:
        publication = publication_of(home, opened.calendar, as_published)
        result = run_query_as_published(opened, sql, Record.of(home).tables(publication.version))
        print(f"As published on {instant_text(publication.at)}, version {publication.version}.", file=sys.stderr)
    if format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(result.column_names)
        for batch in result.to_batches():
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    elif format == "json":
        print(json.dumps(result.to_pylist(), default=str))
    else:
        table = Table(box=None, header_style="bold", pad_edge=False)
        numeric = {
            field.name
            for field in result.schema
            if str(field.type).startswith(("int", "uint", "double", "float", "decimal"))
        }
        for name in result.column_names:
            table.add_column(name, justify="right" if name in numeric else "left", no_wrap=True, max_width=WIDEST)
        for row in result.slice(0, SHOWN).to_pylist():
            table.add_row(*("" if value is None else str(value).replace("[", r"\[") for value in row.values()))
        # As wide as the rows are: a terminal wraps long lines better than a table folds narrow columns.
        console = Console()
        console.width = max(console.width, WIDEST * result.num_columns)
        console.print(table)
        if result.num_rows > SHOWN:
            print(f"… {result.num_rows - SHOWN} more rows; --format csv prints them all.")
