"""`nsm playbook diff`: changes of definitions as a table, as Markdown for a pull request, or as JSON.

What belongs here: showing. What does not: finding them (`steps.definition_changes`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nsm_pipeline.errors import printable
from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.reporting.handbook_markdown import plain
from nsm_pipeline.steps.definition_changes import Changed, definition_changes

NOTHING = "No definition changed."
COUNTS = "What is counted changes:"
SAME_NUMBERS = "What is counted stays the same."
NEXT = "nsm plan --playbook FOLDER --preview shows which weeks and values that changes."


def show_diff(old: Playbook, new: Playbook, shape: str) -> None:
    """Print what changed from one playbook to another in a shape: table, markdown or json."""
    found = definition_changes(old, new)
    if shape == "json":
        print(json.dumps({"changed": bool(found), "use_cases": [_document(one) for one in found]}, indent=1))
    elif shape == "markdown":
        print("\n".join(_markdown(found)))
    else:
        _print(found)


def _print(found: Sequence[Changed]) -> None:
    console = Console()
    if not found:
        console.print(NOTHING)
    for one in found:
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(Text(_clean(one.title), "bold not dim"), ratio=2)
        table.add_column("was", ratio=3)
        table.add_column("is", ratio=3)
        for change in one.changes:
            was, now = (("–", "dim") if value is None else (_clean(value), "") for value in (change.old, change.new))
            table.add_row(Text(_clean(" › ".join(change.path))), Text(*was), Text(*now))
        console.print(table)
        if said := _consequence(one):
            console.print(Text(said, "dim"))
        for clause in one.counts:
            console.print(Text(f"  {_clean(clause)}", "dim"))
        console.print()
    if any(one.counts for one in found):
        console.print(NEXT)


def _consequence(one: Changed) -> str:
    """What a changed use case's numbers have of it; nothing to say of the settings and of one that came or went."""
    if one.use_case is None or one.changes[0].path == (one.use_case,):
        return ""
    return COUNTS if one.counts else SAME_NUMBERS


def _markdown(found: Sequence[Changed]) -> Iterator[str]:
    yield "## Definitions that this changes"
    yield ""
    if not found:
        yield NOTHING
    for one in found:
        yield f"### {plain(one.title)}"
        yield ""
        yield from (f"- {plain(change.words)}" for change in one.changes)
        yield ""
        if said := _consequence(one):
            yield from (said, "")
        if one.counts:
            yield from (f"- {plain(clause)}" for clause in one.counts)
            yield ""
    if any(one.counts for one in found):
        yield f"`{NEXT.split(' shows')[0]}` shows{NEXT.split(' shows')[1]}"


def _document(one: Changed) -> dict[str, object]:
    changes = [{"path": change.path, "old": change.old, "new": change.new} for change in one.changes]
    return {"use_case": one.use_case, "title": one.title, "changes": changes, "counts": one.counts}


def _clean(text: str) -> str:
    return printable(" ".join(text.split()))
