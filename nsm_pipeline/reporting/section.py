"""One use case's section of the dashboard, and its row on the first screen: everything that the templates ask.

What belongs here: which words, numbers and drawings a use case has. What does not: how they stand on the page
(templates), the page (`dashboard`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from nsm_pipeline.reporting.charts import growth_chart, guardrail_chart, movement_chart, trust_chart
from nsm_pipeline.reporting.headline import course_words, expectation, moved, outlook
from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.north_star_chart import north_star_chart
from nsm_pipeline.reporting.north_star_frame import SMALL
from nsm_pipeline.reporting.one_use_case import Input, OneUseCase, Row
from nsm_pipeline.reporting.sparklines import guardrail_sparkline, sparkline
from nsm_pipeline.reporting.svg import Drawing
from nsm_pipeline.reporting.tree_drawing import tree_svg
from nsm_pipeline.reporting.tree_words import HEAD, LINKS_HEAD, STATUSES, held_to, role_of, tree_table
from nsm_pipeline.reporting.trust import Trust
from nsm_pipeline.reporting.wording import day, number, share, with_unit

HALF_A_YEAR = "the last 26 weeks"
RAIL_WORDS = {"green": "Within limit", "yellow": "Close to limit", "red": "Past limit", "no_colour": "Not known"}
RESTATEMENTS = 8


@dataclass(frozen=True)
class Rail:
    """A guardrail: its newest row, its charts in large and in small, and facts as pairs of term and words."""

    row: Row
    drawing: Drawing
    spark: Markup
    word: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Goal:
    """A goal of the week in progress, or of the newest week where none is in progress; `part` is value ÷ goal."""

    label: str
    value: float
    goal: float
    part: float


@dataclass(frozen=True)
class Work:
    words: str
    url: str | None


@dataclass(frozen=True)
class Multiple:
    """An input as a small multiple."""

    node: Row
    word: str
    held_to: str
    role: str
    work: tuple[Work, ...]
    spark: Markup


@dataclass(frozen=True)
class Table:
    """Texts under headings."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """`key`: what its ids begin with; `course`: the North Star's own status in words; `trust`: of the newest week."""

    case: OneUseCase
    key: str
    course: str
    trust: Trust | None
    is_late: bool
    moved: str
    outlook: str
    expectation: str
    spark: Markup
    rails: tuple[Rail, ...]
    north_star: Drawing | None
    north_star_small: Drawing | None
    growth: Drawing | None
    movement: Drawing | None
    certificates: Drawing | None
    certificates_small: Drawing | None
    goals: tuple[Goal, ...]
    inputs: tuple[Multiple, ...]
    tree: str
    tree_tables: tuple[Table, ...]
    restatements: Table


def section_of(monday: Monday, case: OneUseCase, place: int) -> Section:
    """`place`: of the use case on the page, from 1."""
    row = case.newest
    return Section(
        case=case,
        key=f"use-case-{place}",
        course=_capital(course_words(row)) if row else "Not published",
        trust=monday.trust(case),
        is_late=monday.is_late(case),
        moved=moved(case),
        outlook=outlook(case),
        expectation=_capital(expectation(row)) if row else "",
        spark=sparkline(case.scorecard, f"{case.metric_title}, {HALF_A_YEAR}", row["status"] if row else "", "target"),
        rails=tuple(map(_rail, case.guardrails)),
        north_star=north_star_chart(case),
        north_star_small=north_star_chart(case, SMALL, "north-star-small"),
        growth=growth_chart(case),
        movement=movement_chart(case),
        certificates=trust_chart(case),
        certificates_small=trust_chart(case, 26, 360.0, "trust-small"),
        goals=_goals(case),
        inputs=tuple(map(_multiple, case.inputs)),
        tree=tree_svg(case.nodes, case.edges) if case.nodes else "",
        tree_tables=_tree_tables(case),
        restatements=_restatements(case),
    )


def _rail(rows: Sequence[Row]) -> Rail:
    row = rows[-1]
    since = f"{row['status'].replace('_', ' ')} since {day(row['since'])}" if row["since"] else ""
    held = "an absolute limit"
    if row["rule"] == "median":
        held = f"the trailing median, {number(row['reference'], row['unit'], row['value'])}"
    width = row["breach_in_noise"]
    noise = ""
    if width is not None and width <= 0:
        noise = "its usual value is past the limit already"
    elif width is not None:
        wide = "wide enough" if row["is_wide_enough"] else "so near that noise alone may breach it"
        noise = f"the limit is {number(width)} usual weekly changes away: {wide}"
    facts = (
        ("Together", _capital(row["joint_words"])),
        ("Status", since),
        ("Held to", held),
        ("Width", noise),
        ("Coverage", f"{share(row['coverage'])} of the weeks it is judged by"),
        ("Where to look", row["starting_points"] or ""),
    )
    return Rail(
        row,
        guardrail_chart(rows),
        guardrail_sparkline(rows, f"{row['title']}, {HALF_A_YEAR}"),
        RAIL_WORDS[row["status"]],
        tuple((term, words) for term, words in facts if words),
    )


def _goals(case: OneUseCase) -> tuple[Goal, ...]:
    row = case.progress or case.newest
    if row is None:
        return ()
    created = "_by_creation" if row["goals_by"] == "creation" else ""
    wanted = (
        ("All", "value", "goal_total", "progress_total"),
        ("Retained", f"retained{created}", "goal_retained", "progress_retained"),
        ("New", f"new{created}", "goal_new", "progress_new"),
    )
    return tuple(
        Goal(label, row[value], row[goal], row[part])
        for label, value, goal, part in wanted
        if row[part] is not None and row[value] is not None and row[goal] is not None
    )


def _multiple(one: Input) -> Multiple:
    node = one.node
    lines = (node["work"] or "").splitlines()
    label = f"{node['title']}, {HALF_A_YEAR}"
    return Multiple(
        node,
        _capital(STATUSES[node["status"]]),
        held_to(node),
        role_of(node).removeprefix("Input, "),
        tuple(map(_work, filter(None, lines))),
        sparkline(one.series, label, node["status"], width=240, height=56),
    )


def _work(line: str) -> Work:
    """A line of the column `work`, its link apart; only one that leads to a web page."""
    words, _, url = line.rpartition(", ")
    return Work(words, url) if words and url.startswith(("https://", "http://")) else Work(line, None)


def _tree_tables(case: OneUseCase) -> tuple[Table, ...]:
    metrics, links = tree_table(case.nodes, case.edges)
    return Table("Metrics of the tree", HEAD, metrics), Table(
        "Links of the tree and what speaks for them", LINKS_HEAD, links
    )


def _restatements(case: OneUseCase) -> Table:
    """The last ones, the newest first."""
    rows = [
        (
            row["at"][:10],
            f"week of {day(row['week'])}",
            case.titles.get(row["metric"]) or row["metric"],
            "in all" if row["slice"] == "all" else f"{row['slice']} {row['slice_value']}",
            with_unit(row["old"], ""),
            with_unit(row["new"], ""),
            (row["reason"] or row["cause"]) + (f" ({row['by']})" if row["by"] else ""),
        )
        for row in reversed(case.restatements[-RESTATEMENTS:])
    ]
    return Table("Restatements", ("Published", "Week", "Metric", "Of", "Before", "Since", "Why"), rows)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
