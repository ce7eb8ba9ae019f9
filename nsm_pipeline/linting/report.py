"""Linting a playbook: every rule on every use case, grades, and the whole as a document for scripts.

What belongs here: running rules, counting, the JSON document. What does not: rules, printing (`cli`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from nsm_pipeline.linting.data_rules import HOME_RULES
from nsm_pipeline.linting.findings import CRITERIA, SEVERITIES, Case, Finding, Hit, Rule, Subject, Whole
from nsm_pipeline.linting.grading import ReportCard, report_card
from nsm_pipeline.linting.rules import RULES
from nsm_pipeline.linting.seen import Seen, UseCaseSeen
from nsm_pipeline.playbook.loading import Playbook

Place = tuple[str | None, int | None]
Locate = Callable[[str, str], Place]


@dataclass(frozen=True)
class Report:
    """All that linting found. `seen` is None where declarations alone were looked at."""

    today: date
    seen: Seen | None
    cards: tuple[ReportCard, ...]
    home: tuple[Finding, ...]

    @property
    def findings(self) -> list[Finding]:
        return [*(one for card in self.cards for one in card.findings), *self.home]

    @property
    def counts(self) -> Counter[str]:
        return Counter(one.severity for one in self.findings)

    def fails(self, strict: bool = False) -> bool:
        """Whether a pull request should be stopped: an error or, if strict, a warning."""
        return self.counts["error"] > 0 or (strict and self.counts["warning"] > 0)


def lint(playbook: Playbook, seen: Seen | None, today: date, locate: Locate | None = None) -> Report:
    """Hold every use case to every rule. `locate` gives (file, line) of a use case's key path, where they
    stand in files."""
    attributes = playbook.attributes()
    cards = []
    for name, use_case in playbook.use_cases.items():
        sight = None if seen is None else seen.use_cases.get(name, UseCaseSeen())
        case = Case(use_case, attributes, sight, today)
        findings = [
            _finding(one, hit, name, *(locate(name, hit.path) if locate else (None, None)))
            for one in RULES
            for hit in one.find(case)
        ]
        cards.append(report_card(case, _by_severity(findings)))
    whole = Whole(playbook, seen, today)
    home = [_finding(one, hit, None, None, None) for one in HOME_RULES for hit in one.find(whole)]
    return Report(today, seen, tuple(cards), tuple(_by_severity(home)))


def _finding(one: Rule[Subject], hit: Hit, use_case: str | None, file: str | None, line: int | None) -> Finding:
    criterion = hit.criterion or one.criterion
    return Finding(one.id, one.severity, criterion, use_case, hit.path, hit.message, one.do, file, line)


def _by_severity(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: SEVERITIES.index(one.severity))


def document(report: Report, strict: bool = False) -> dict[str, Any]:
    """The report as plain data; docs/lint.md says what each key holds."""
    return {
        "today": report.today,
        "data": report.seen is not None,
        "weeks": report.seen.weeks if report.seen else 0,
        "failed": report.fails(strict),
        "counts": {severity: report.counts[severity] for severity in SEVERITIES},
        "use_cases": [_card(card, report.seen) for card in report.cards],
        "findings": [asdict(one) for one in report.home],
    }


def _card(card: ReportCard, seen: Seen | None) -> dict[str, Any]:
    sight = seen.use_cases.get(card.use_case) if seen else None
    return {
        "use_case": card.use_case,
        "title": card.title,
        "status": card.status,
        "owner": card.owner,
        "north_star": card.north_star,
        "criteria": [{**asdict(mark), "title": CRITERIA[mark.criterion]} for mark in card.marks],
        "events": {name: asdict(event) for name, event in sight.events.items()} if sight else {},
        "outcomes": {
            name: {"verdict": said.verdict, "words": said.words, **said.numbers} for name, said in card.outcomes.items()
        },
        "findings": [asdict(one) for one in card.findings],
    }
