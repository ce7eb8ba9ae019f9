"""What happened, in words: the headline, what it costs, what changed, why it moved.

What belongs here: sentences, each from published rows. What does not: numbers' spelling (`wording`), colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.one_use_case import OneUseCase, Row
from nsm_pipeline.reporting.wording import (
    day,
    listed,
    number,
    relative,
    share,
    with_unit,
)
from nsm_pipeline.scoring.movement_words import movement_words
from nsm_pipeline.scoring.status import METRIC_WORDS

COLOUR_WORDS = {"green": "green", "yellow": "yellow", "red": "red", "no_colour": "no colour"}
AT_A_PRICE = "on course at a price"
NAMED = 6
"""Up to so many use cases the headline names them all; beyond, it counts them."""
UNPUBLISHED = ("withheld", "held", "missing")


@dataclass(frozen=True)
class Change:
    """Something that was not so a week ago: its use case, its kind (status, verdict, note, movement), a colour for its
    mark, and the sentence."""

    use_case: OneUseCase
    kind: str
    colour: str
    text: str


def headline(monday: Monday) -> str:
    """Which use cases are on course in the newest week, and which are not."""
    if monday.week is None:
        return "Nothing is published yet"
    groups: dict[str, list[str]] = {}
    for case in monday.use_cases:
        groups.setdefault(_course(monday, case), []).append(case.title)
    order = ("on course", AT_A_PRICE, "slightly behind", "behind", "not known", "without a certified number")
    said = [(course, groups[course]) for course in order if course in groups]
    if len(said) == 1 and len(monday.use_cases) > 1:
        quantity = "Both" if len(monday.use_cases) == 2 else f"All {len(monday.use_cases)} use cases"
        return f"{quantity} are {said[0][0]}"
    if len(monday.use_cases) > NAMED:
        return _counted_courses(len(monday.use_cases), {course: len(titles) for course, titles in said})
    return "; ".join(f"{listed(titles)} {_is(titles)} {course}" for course, titles in said)


def lede(monday: Monday) -> tuple[str, ...]:
    """The most important sentences below the headline, two at most: trust, then price, then risk, then the gap."""
    return tuple(_ranked(monday))[:2]


def _counted_courses(count: int, courses: Mapping[str, int]) -> str:
    """3 of 12 use cases are on course; 5 are slightly behind, 4 are behind."""
    good = courses.get("on course", 0)
    begin = f"{good or 'None'} of {count} use cases {'is' if good < 2 else 'are'} on course"
    others = [
        f"{many} {'is' if many == 1 else 'are'} {course}" for course, many in courses.items() if course != "on course"
    ]
    return f"{begin}; {', '.join(others)}"


def _ranked(monday: Monday) -> Iterator[str]:
    yield from _trust_sentences(monday)
    red = [(case, rows[-1]) for case in monday.use_cases for rows in case.guardrails if rows[-1]["status"] == "red"]
    for case, row in sorted(red, key=lambda found: found[0].newest is None or found[0].newest["status"] != "green"):
        yield guardrail_sentence(case, row)
    behind = [
        (case, case.newest)
        for case in monday.use_cases
        if case.newest and case.newest["status"] in ("red", "yellow") and case.newest["attainment"] is not None
    ]
    for case, row in sorted(behind, key=lambda found: found[1]["attainment"]):
        yield _gap_sentence(case, row)
    if monday.week is not None and not red:
        yield "No guardrail is past its limit."


def _trust_sentences(monday: Monday) -> Iterator[str]:
    for case in monday.use_cases:
        trust = monday.trust(case)
        if trust is not None and trust.kind in UNPUBLISHED:
            shown = f"; shown is the week of {day(case.newest['week'])}" if case.newest else ""
            yield f"{case.title} is {trust.kind}{f' ({trust.why})' if trust.why else ''}{shown}."
        elif trust is not None and trust.kind == "superseded":
            yield f"{case.title} shows its last certified value: newer ones are {trust.row['state']}."


def guardrail_sentence(case: OneUseCase, row: Row) -> str:
    """A red guardrail: what it stands at, against which limit, since when."""
    growing = case.newest is not None and case.newest["status"] == "green"
    begin = f"{case.title}’s growth has a price" if growing else f"{case.title} is at risk"
    limit = f"its limit of {number(row['breach_at'], row['unit'], row['value'])}" if row["breach_at"] else "its limit"
    since = f" since {day(row['since'])}" if row["since"] and row["since"] != row["week"] else ""
    return f"{begin}: {_lower(row['title'])} is {with_unit(row['value'], row['unit'])}, past {limit}{since}."


def _gap_sentence(case: OneUseCase, row: Row) -> str:
    aim = number(row["target"], row["unit"], row["value"])
    told = with_unit(row["value"], row["unit"])
    return f"{case.title} stands at {told}, {share(row['attainment'])} of its target of {aim}."


def _course(monday: Monday, case: OneUseCase) -> str:
    trust = monday.trust(case)
    if case.newest is None or (monday.is_late(case) and (trust is None or trust.kind != "flash")):
        return "without a certified number"
    at_a_price = case.newest["status"] == "green" and case.newest["guardrail_status"] == "red"
    return AT_A_PRICE if at_a_price else course_words(case.newest)


def course_words(row: Row) -> str:
    """The North Star's own status in words: on course, slightly behind, behind, not known."""
    return str(METRIC_WORDS[row["status"]])


def _is(titles: Sequence[str]) -> str:
    return "is" if len(titles) == 1 else "are"


def _lower(title: str) -> str:
    """As inside a sentence: without its capital, unless the word is an abbreviation."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def moved(case: OneUseCase) -> str:
    """Why the North Star moved: +31 teams: breadth +44, frequency −13; of which plan premium +29. Empty where
    nothing is known of it."""
    return movement_words(case.movements, case.unit, case.factor_names)


def changes(monday: Monday) -> tuple[Change, ...]:
    """What is not as it was a week ago, the gravest first."""
    found = [change for case in monday.use_cases for change in _changes_of(monday, case)]
    order = {"red": 0, "yellow": 1, "green": 2, "no_colour": 3}
    return tuple(sorted(found, key=lambda change: order[change.colour]))


def _changes_of(monday: Monday, case: OneUseCase) -> Iterator[Change]:
    row, before = case.newest, case.before
    if row is not None and before is not None and row["status"] != before["status"]:
        was, now = course_words(before), course_words(row)
        yield Change(case, "status", row["status"], f"went from {was} to {now}")
    for rows in case.guardrails:
        if len(rows) > 1 and rows[-1]["status"] != rows[-2]["status"]:
            was, now = (COLOUR_WORDS[one["status"]] for one in rows[-2:])
            yield Change(case, "status", rows[-1]["status"], f"{rows[-1]['title']} went from {was} to {now}")
    if row is not None and row["verdict"].startswith("unusually"):
        low, high = number(row["expected_low"], case.unit), number(row["expected_high"], case.unit)
        told = f"{row['verdict']} at {number(row['value'], case.unit)}, expected {low} to {high}"
        yield Change(case, "verdict", "yellow", told)
    for note in case.annotations:
        if note["week"] == monday.week:
            yield Change(case, "note", "no_colour", note["text"])
    if row is not None and (why := moved(case)):
        yield Change(case, "movement", "no_colour", why)


def outlook(case: OneUseCase) -> str:
    """Where the forecast ends, beside the target; empty without one."""
    row = case.newest
    if row is None or row["forecast"] is None:
        return ""
    unit = case.unit
    told = f"Forecast for {day(row['forecast_week'])}: {number(row['forecast'], unit, row['value'])}"
    low, high = (number(row[end], unit, row["value"]) for end in ("forecast_low", "forecast_high"))
    told += f" ({low} to {high})"
    if row["target_value"] is not None and row["target_by"] is not None:
        told += f"; the target is {number(row['target_value'], unit, row['value'])} by {day(row['target_by'])}"
    return f"{told}."


def expectation(row: Row) -> str:
    """The verdict on a week's value, with what was expected."""
    if row["expected"] is None:
        return str(row["verdict"])
    low, high = number(row["expected_low"], row["unit"]), number(row["expected_high"], row["unit"])
    return f"{row['verdict']}: {low} to {high}"


def growth_sentence(row: Row) -> str:
    """Growth on last week, against the habit and the mean."""
    if row["growth"] is None:
        return "The week before is not published, so there is no growth to tell"
    parts = [f"{relative(row['growth'])} on last week"]
    if row["habit"] is not None:
        parts.append(f"the habit is {relative(row['habit'])}")
    if row["mean_growth_13_weeks"] is not None:
        parts.append(f"the mean of 13 weeks {relative(row['mean_growth_13_weeks'])}")
    return ", ".join(parts)
