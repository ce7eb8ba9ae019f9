"""`nsm lint`: report cards and findings, for a person; the same as JSON for a script.

What belongs here: where playbook and data come from, printing, the exit code. What does not: rules and grades.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from itertools import groupby
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from nsm_pipeline.cli.exits import UNFIT
from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.linting.findings import CRITERIA, SEVERITIES, Finding, Grade, Severity
from nsm_pipeline.linting.grading import Mark, ReportCard
from nsm_pipeline.linting.report import Locate, Place, Report, document, lint
from nsm_pipeline.linting.rules import rules_table
from nsm_pipeline.playbook.loading import defining_documents
from nsm_pipeline.steps.opening import Open, open_folder, open_playbook
from nsm_pipeline.steps.sightings import sightings

GRADES: dict[Grade, tuple[str, str]] = {"pass": ("✔", "green"), "warn": ("!", "yellow"), "fail": ("✘", "red")}
MARKS: dict[Severity, tuple[str, str]] = {"error": ("✘", "red"), "warning": ("!", "yellow"), "note": ("·", "cyan")}
# As wide as leaves room for the evidence on 80 columns.
SHORT = {
    **CRITERIA,
    "expresses_customer_value": "Customer value",
    "represents_vision_and_strategy": "Vision and strategy",
}
PLURALS = {"error": "errors", "warning": "warnings", "note": "notes"}


def print_rules() -> None:
    print(rules_table())


def lint_home(home: Home, as_of: date | None, strict: bool, as_json: bool) -> int:
    """Lint a home's playbook with what its data show, where it has any."""
    playbook = open_playbook(home, as_of)
    seen = sightings(Open.of(home, playbook))
    return _say(lint(playbook, seen, playbook.calendar.today(), _places(home.playbook)), strict, as_json)


def lint_folder(folder: Path, as_of: date | None, strict: bool, as_json: bool) -> int:
    """Lint a folder of definitions by itself. Raises UserError where there are none in it."""
    if not folder.is_dir() or not any(
        file.stem != "settings" for file in (*folder.glob("*.yaml"), *folder.glob("*.yml"))
    ):
        raise UserError(
            f"--playbook: found '{folder}', in which there is no use case; a folder of YAML files is needed."
        )
    playbook = open_folder(folder, as_of)
    return _say(lint(playbook, None, playbook.calendar.today(), _places(folder)), strict, as_json)


def _places(folder: Path) -> Locate:
    documents = defining_documents(folder)

    def locate(use_case: str, path: str) -> Place:
        file, document = documents[use_case]
        return str(file), document.line(path)

    return locate


def _say(report: Report, strict: bool, as_json: bool) -> int:
    if as_json:
        print(json.dumps(document(report, strict), indent=1, default=str))
    else:
        print_report(report, strict)
    return UNFIT if report.fails(strict) else 0


def print_report(report: Report, strict: bool) -> None:
    console = Console()
    for card in report.cards:
        console.print(_card(card))
        _print_findings(console, card.findings)
    if report.home:
        console.print(Text("In the data, of no use case", "bold"))
        _print_findings(console, report.home)
    if report.seen is None:
        console.print(Text("No data was looked at: declarations alone.", "dim"))
    counts = ", ".join(_counted(report.counts[severity], severity) for severity in SEVERITIES)
    outcome = Text("failed", "bold red") if report.fails(strict) else Text("passed", "bold green")
    console.print(Text.assemble("Lint ", outcome, f": {counts}.", " Warnings fail (--strict)." if strict else ""))


def _counted(count: int, severity: str) -> str:
    return f"{count} {severity if count == 1 else PLURALS[severity]}"


def _card(card: ReportCard) -> Panel:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for mark in card.marks:
        symbol, colour = GRADES[mark.grade]
        table.add_row(Text(symbol, f"bold {colour}"), _criterion(mark, colour), _evidence(mark))
    status = "" if card.status == "agreed" else f" ({card.status})"
    title = Text.assemble((plain(card.title), "bold"), f" · {card.north_star}{status}")
    grades = Counter(mark.grade for mark in card.marks)
    said = ", ".join(f"{grades[grade]} {grade}" for grade in GRADES if grades[grade])
    worst: Grade = "fail" if grades["fail"] else "warn" if grades["warn"] else "pass"
    return Panel(
        table, title=title, title_align="left", subtitle=f"{card.use_case}: {said}", subtitle_align="right",
        border_style=GRADES[worst][1], padding=(0, 1),
    )  # fmt: skip


def _criterion(mark: Mark, colour: str) -> RenderableType:
    label = SHORT[mark.criterion]
    return Group(Text(label, "bold"), Text(mark.grade, colour))


def _evidence(mark: Mark) -> RenderableType:
    answer = Text(plain(mark.answer)) if mark.answer else Text("no answer", "italic yellow")
    return Group(answer, *(Text(plain(line), "dim") for line in mark.evidence))


def _print_findings(console: Console, findings: tuple[Finding, ...]) -> None:
    """Findings of one rule together: its places and what was found there, then once what to do."""
    for rule, found in groupby(findings, lambda one: one.rule):
        mine = list(found)
        symbol, colour = MARKS[mine[0].severity]
        head = Text.assemble((f"{symbol} {mine[0].severity}", f"bold {colour}"), " ", (rule, "bold"))
        console.print(Padding(head, (0, 0, 0, 1), expand=False))
        for one in mine:
            place = f"{Path(one.file).name}{f':{one.line}' if one.line else ''} " if one.file else ""
            console.print(Padding(Text.assemble((f"{place}{plain(one.path)}", "cyan")), (0, 0, 0, 3), expand=False))
            console.print(Padding(Text(plain(one.message)), (0, 0, 0, 5), expand=False))
        console.print(Padding(Text(f"→ {mine[0].do}", "dim"), (0, 0, 0, 3), expand=False))
    console.print()


def plain(text: str) -> str:
    """Text as it may go to a terminal: names come from files, and a control character in one could do anything."""
    return "".join(mark if mark.isprintable() else "�" for mark in text)
