"""`make docs`: the star and the tables in docs/data_dictionary.md.

What belongs here: schemas as Markdown, put between their markers. What does not: their words (each column's own).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from nsm_pipeline.playbook.documenting import with_part
from nsm_pipeline.publishing.columns import ExtractTable
from nsm_pipeline.publishing.references import APART, BY_NAME, references_of
from nsm_pipeline.publishing.tables import DECLARED

DIMENSIONS = ("use_cases", "metric_dictionary", "weeks")


def star_text() -> str:
    """The star as text: a line per set of dimensions, with the tables that refer to them."""
    tables: dict[tuple[bool, ...], list[str]] = {}
    for declared in DECLARED:
        found = {reference.table for reference in references_of(declared)}
        if declared.name not in (*DIMENSIONS, *APART):
            tables.setdefault(tuple(name in found for name in DIMENSIONS), []).append(declared.name)
    heads = [f"{name} ({', '.join(key)})" for key, name in BY_NAME.items()]
    lines = ["  ".join(heads)]
    for refers, names in sorted(tables.items(), reverse=True):
        marks = ("●".center(len(head)) if one else " " * len(head) for head, one in zip(heads, refers, strict=True))
        lines.append(f"{'  '.join(marks)}  ◄ {', '.join(names)}")
    return "\n".join(["```", *lines, "```"])


def tables_text() -> str:
    """Every table with its columns."""
    return "\n".join(line for declared in DECLARED for line in _table(declared)).rstrip()


def _table(declared: ExtractTable) -> Iterator[str]:
    yield from (f"## {declared.name}", "", f"{declared.description} Key: {', '.join(declared.key)}.", "")
    yield from ("| column | type | |", "|---|---|---|")
    for column in declared.columns:
        always = "" if column.required or column.name in declared.key else " or null"
        text = column.description.replace("|", "\\|")
        yield f"| `{column.name}` | {column.type}{always} | {text} |"
    yield ""
    for one in references_of(declared):
        yield f"- {', '.join(one.columns)} → [{one.table}](#{one.table}) ({', '.join(one.key)})"
    if references_of(declared):
        yield ""


if __name__ == "__main__":
    file = Path(sys.argv[1]) / "data_dictionary.md"
    text = with_part(file.read_text(encoding="utf-8"), "star", star_text())
    file.write_text(with_part(text, "tables", tables_text()), encoding="utf-8")
