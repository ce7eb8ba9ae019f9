"""The health dashboard: one page that opens from a file, needs no network and no script.

What belongs here: what each part of the page shows, and the page. What does not: words (`headline`), shapes (`charts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from nsm_pipeline.reporting import wording
from nsm_pipeline.reporting.charts import growth_chart, guardrail_chart, movement_chart, trust_chart
from nsm_pipeline.reporting.headline import COURSES, changes, growth_sentence, headline, lede, moved, outlook
from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.north_star_chart import NARROW, north_star_chart
from nsm_pipeline.reporting.one_use_case import OneUseCase, Row
from nsm_pipeline.reporting.sparklines import guardrail_sparkline, sparkline
from nsm_pipeline.reporting.svg import Drawing, el, mark

COLOURS = {"green": "on course, within limits", "yellow": "to watch", "red": "off course, past the limit",
           "no_colour": "not judged"}  # fmt: skip
RAIL_WORDS = {"green": "Within limit", "yellow": "Close to limit", "red": "Past limit", "no_colour": "Not judged"}
SHEETS = ("style.css", "charts.css", "dashboard.css")


def dashboard_html(monday: Monday) -> str:
    """The page as one file of HTML."""
    template = _environment().get_template("dashboard.html")
    return template.render(
        monday=monday,
        headline=headline(monday),
        lede=lede(monday),
        changes=changes(monday)[:6],
        cases=[_View.of(monday, case, place) for place, case in enumerate(monday.use_cases, start=1)],
        published=_moment(monday.published_at),
        colours=COLOURS,
        rail_words=RAIL_WORDS,
        style="\n".join(sheet(name) for name in SHEETS),
    )


def sheet(name: str) -> str:
    """A style sheet of the templates."""
    return files("nsm_pipeline.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def shape(colour: str) -> Markup:
    """The mark of a status; the word stands beside it."""
    return el("svg", mark(colour, 9, 9, 8), viewBox="0 0 18 18", aria_hidden="true")


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


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nsm_pipeline.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals |= {"shape": shape}
    environment.filters |= {"data": data, "cell": cell, "change": wording.relative, "share": wording.share,
                            "day": wording.day, "week_span": wording.week_span, "capital": _capital}  # fmt: skip
    return environment


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _moment(when: datetime | None) -> str:
    return f"{when:%A} {wording.day(when)}, {when:%H:%M} UTC" if when else ""


@dataclass(frozen=True)
class _View:
    """Everything the templates ask about one use case. `key`: what its ids begin with."""

    case: OneUseCase
    key: str
    course: str
    trust_words: str
    moved: str
    summary: str
    growth_words: str
    spark: Markup
    rail: Row | None
    rail_spark: Markup
    more_rails: int
    north_star: Drawing | None
    north_star_narrow: Drawing | None
    rails: tuple[tuple[Row, Drawing], ...]
    growth: Drawing | None
    movement: Drawing | None
    trust: Drawing | None

    @classmethod
    def of(cls, monday: Monday, case: OneUseCase, place: int) -> _View:
        row, trust = case.newest, monday.trust(case)
        rails: Any = tuple((rows[-1], guardrail_chart(rows)) for rows in case.guardrails)
        worst = case.guardrails[0] if case.guardrails else ()
        label = f"{case.metric_title}, the last half year"
        return cls(
            case=case,
            key=f"use-case-{place}",
            course=_capital(COURSES[row["status"]]) if row else "Not judged",
            trust_words=trust.word if trust else "No certificate",
            moved=moved(case),
            summary=outlook(case),
            growth_words=_capital(growth_sentence(row)) if row else "",
            spark=sparkline(case.scorecard, label, row["status"] if row else "", "target"),
            rail=worst[-1] if worst else None,
            rail_spark=guardrail_sparkline(worst, f"{worst[-1]['title']}, the last half year") if worst else Markup(""),
            more_rails=max(0, len(rails) - 1),
            north_star=north_star_chart(case),
            north_star_narrow=north_star_chart(case, NARROW, "north-star-narrow"),
            rails=rails,
            growth=growth_chart(case),
            movement=movement_chart(case),
            trust=trust_chart(case),
        )
