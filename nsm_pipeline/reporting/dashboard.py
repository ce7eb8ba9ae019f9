"""The health dashboard: one page that opens from a file, needs no network and no script.

What belongs here: the page and its style. What does not: what a use case shows (`section`), words (`headline`), shapes
(`charts`).
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache

from jinja2 import Environment
from markupsafe import Markup, escape

from nsm_pipeline.reporting import wording
from nsm_pipeline.reporting.headline import Change, changes, growth_sentence, headline, lede
from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.section import section_of
from nsm_pipeline.reporting.svg import el, mark
from nsm_pipeline.reporting.templating import environment, sheet
from nsm_pipeline.reporting.tree_drawing import tree_css

COLOURS = {
    "green": "on course, within its limit",
    "yellow": "to watch",
    "red": "off course, past its limit",
    "no_colour": "not known",
}
SHEETS = ("style.css", "charts.css", "dashboard.css")
MANY = 6
"""From more use cases than these on, the first screen is set tighter."""
CHANGES = 6


def dashboard_html(monday: Monday) -> str:
    """The page as one file of HTML."""
    sections = [section_of(monday, case, place) for place, case in enumerate(monday.use_cases, start=1)]
    told = _worth_telling(monday)
    return (
        _environment()
        .get_template("dashboard.html")
        .render(
            monday=monday,
            headline=headline(monday),
            lede=lede(monday),
            changes=told[:CHANGES],
            more_changes=max(0, len(told) - CHANGES),
            sections=sections,
            many=len(sections) > MANY,
            published=_moment(monday.published_at),
            colours=COLOURS,
            style="\n".join([*map(sheet, SHEETS), tree_css()]),
        )
    )


def _worth_telling(monday: Monday) -> list[Change]:
    """What changed; why a North Star moved stands in its row already, where rows are few."""
    many = len(monday.use_cases) > MANY
    return [change for change in changes(monday) if many or change.kind != "movement"]


@cache
def _environment() -> Environment:
    ours = environment()
    ours.globals |= {"shape": shape, "growth_sentence": growth_sentence}
    ours.filters |= {
        "data": data,
        "cell": cell,
        "change": wording.relative,
        "share": wording.share,
        "day": wording.day,
        "week_span": wording.week_span,
        "sentence": wording.sentence,
        "capital": lambda words: words[:1].upper() + words[1:],
    }
    return ours


def shape(colour: str) -> Markup:
    """The mark of a status; the word stands beside it."""
    return el("svg", mark(colour, 9, 9, 7.6), viewBox="0 0 18 18", aria_hidden="true")


def data(value: float | None, unit: str = "", like: float | None = None) -> Markup:
    """A number that says which one it stands for."""
    if value is None:
        return escape(wording.NO_VALUE)
    return el("data", wording.number(value, unit, like), value=repr(value))


def cell(value: object, unit: str = "") -> object:
    """A cell of a table of numbers."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return data(value, unit)
    return wording.NO_VALUE if value is None else value


def _moment(when: datetime | None) -> str:
    return f"{when:%A}, {wording.day(when)}, {when:%H:%M} UTC" if when else ""
