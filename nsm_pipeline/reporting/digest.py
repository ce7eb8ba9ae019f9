"""The weekly digest for chat and mail: what the first screen says, as a few lines of Markdown that read well as they
are.

What belongs here: its lines. What does not: their words (`headline`), sending it.
"""

from __future__ import annotations

import re

from nsm_pipeline.reporting.headline import changes, course_words, guardrail_sentence, headline, lede, moved
from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.number_words import SPACE
from nsm_pipeline.reporting.one_use_case import OneUseCase
from nsm_pipeline.reporting.wording import day, number, relative, share, week_span, with_unit

SIGNS = {"green": "●", "yellow": "▲", "red": "◆", "no_colour": "○"}
"""Shapes of every face, none of them a pictogram: they come through chat and plain mail as they are."""
PAGE = "pages/dashboard.html"
MOST, MANY = 4, 6
"""Lines of a part: fewer where there are more use cases than MANY, so that it stays a page of chat."""
MARKUP = re.compile(r"[\\`*\[\]<>|]|\b_|_\b")


def digest_markdown(monday: Monday, page: str = PAGE) -> str:
    """Markdown that ends with a line break: headline, a line per use case, what moved and why, guardrails past their
    limit, calls for attention, trust. `page`: where the dashboard is."""
    week = f", week {monday.week.isocalendar().week} ({week_span(monday.week)})" if monday.week else ""
    lines = [f"**{_plain(monday.company)}{week}: {_plain(headline(monday))}.**"]
    lines += [f"{_plain(' '.join(lede(monday)))}"] if lede(monday) else []
    lines += ["", *(_use_case(monday, case) for case in monday.use_cases)] if monday.use_cases else []
    most = MOST if len(monday.use_cases) <= MANY else MOST // 2
    for title, told in (
        ("What moved most, and why", _moved(monday)[:most]),
        ("Guardrails past their limit", _guardrails(monday)),
        ("Calls for attention", _calls(monday)),
    ):
        if told:
            shown = f" ({most} of {len(told)})" if len(told) > most else ""
            lines += ["", f"{title}{shown}:", *(f"- {_plain(line)}" for line in told[:most])]
    trust = ". ".join((monday.seal.title, *monday.seal.lines))
    published = f", published {day(monday.published_at.date())}" if monday.published_at else ""
    lines += ["", f"Trust: {_plain(trust)}. Version {_plain(monday.version)}{published}.", f"The page: {page}"]
    return "\n".join(lines).replace(SPACE, " ") + "\n"


def _use_case(monday: Monday, case: OneUseCase) -> str:
    row, trust = case.newest, monday.trust(case)
    if row is None:
        return f"- {SIGNS['no_colour']} {_plain(case.title)}: no complete week is published"
    told = [with_unit(row["value"], case.unit)]
    if monday.is_late(case):
        told.append(f"of the week of {day(row['week'])}")
    if row["growth"] is not None:
        told.append(f"{relative(row['growth'])} on last week")
    if row["attainment"] is not None:
        told.append(f"{share(row['attainment'])} of target {number(row['target'], case.unit, row['value'])}")
    state = trust.word.lower() if trust else "no certificate"
    words = f"{row['joint_words']} ({row['joint_status'].replace('_', ' ')})"
    said = f"{case.title}: {', '.join(told)}; {words}; {state}"
    return f"- {SIGNS[row['joint_status']]} {_plain(said)}"


def _moved(monday: Monday) -> list[str]:
    """The largest movements of all use cases, by growth either way."""
    told = [(case, case.newest["growth"] or 0.0) for case in monday.use_cases if case.newest and moved(case)]
    return [f"{case.title} {moved(case)}" for case, _ in sorted(told, key=lambda one: -abs(one[1]))]


def _guardrails(monday: Monday) -> list[str]:
    red = [(case, rows[-1]) for case in monday.use_cases for rows in case.guardrails if rows[-1]["status"] == "red"]
    starts = ((case, row, row["starting_points"]) for case, row in red)
    return [
        guardrail_sentence(case, row) + (f" Where to look: {start}" if start else "") for case, row, start in starts
    ]


def _calls(monday: Monday) -> list[str]:
    """What turned worse or is unusual, and use cases far behind."""
    told = [
        f"{change.use_case.title} {change.text}"
        for change in changes(monday)
        if change.kind in ("status", "verdict") and change.colour in ("red", "yellow")
    ]
    turned = {change.use_case.name for change in changes(monday) if change.kind == "status"}
    return told + [
        f"{case.title} is {course_words(case.newest)}: {share(case.newest['attainment'])} of its target"
        for case in monday.use_cases
        if case.newest and case.newest["status"] == "red" and case.newest["attainment"] is not None
        and case.name not in turned
    ]  # fmt: skip


def _plain(words: str) -> str:
    """Text that Markdown leaves as it is, on one line; a _ inside a word means nothing there."""
    return MARKUP.sub(r"\\\g<0>", " ".join(words.splitlines()))
