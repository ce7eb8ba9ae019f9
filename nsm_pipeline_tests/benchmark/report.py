"""The table of figures, on the terminal and between two marks in docs/performance.md.

What belongs here: words and layout. What does not: measuring.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from scenarios import Figure, Size

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
START, END = "<!-- benchmark:start -->", "<!-- benchmark:end -->"


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table that reads well as plain text too."""
    said = {None: "", True: "yes", False: "**no**"}
    rows = [("what", "found", "target", "met")]
    rows += [(one.what, one.found, one.target, said[one.good]) for one in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def conditions(size: Size) -> str:
    """On what it was measured: the size of the sample, the machine by cores and memory alone, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0))
    pairs = "one pair of runs" if size.pairs == 1 else f"the faster of {size.pairs} runs each"
    return (
        f"{size.events:,} events, {size.weeks} weeks, {size.accounts:,} accounts; {pairs}; {cores} cores, "
        f"{memory:.0f} GiB of memory; Python {platform.python_version()}, DuckDB {version('duckdb')}, "
        f"Dagster {version('dagster')}."
    )


def write(figures: Sequence[Figure], size: Size, document: Path = DOCUMENT) -> None:
    """Put the table between the marks of the document. Raises ValueError where it has none."""
    text = document.read_text(encoding="utf-8")
    if START not in text or END not in text:
        raise ValueError(f"{document.name} has no {START} … {END} to write between")
    before, after = text.split(START)[0], text.split(END)[1]
    document.write_text(f"{before}{START}\n{conditions(size)}\n\n{table(figures)}\n{END}{after}", encoding="utf-8")
