"""Inputs as one picture of small multiples, for files that stand alone; the page sets them as a list.

What belongs here: that picture. What does not: one small line (`sparklines`).
"""

from __future__ import annotations

from markupsafe import Markup

from nsm_pipeline.reporting.number_words import percent
from nsm_pipeline.reporting.one_use_case import Input, OneUseCase
from nsm_pipeline.reporting.sparklines import spark_shapes
from nsm_pipeline.reporting.svg import Drawing, el, group, mark, text
from nsm_pipeline.reporting.tree_words import STATUSES, held_to
from nsm_pipeline.reporting.wording import counted, with_unit

ACROSS, WIDTH, HEIGHT = 3, 250.0, 158.0
LONGEST = 34


def inputs_chart(case: OneUseCase) -> Drawing | None:
    """A cell per input: title, value, line, what it is held to, owner, status; None without inputs."""
    if not case.inputs:
        return None
    cells = [
        el("g", _cell(one), transform=f"translate({(place % ACROSS) * WIDTH:g} {place // ACROSS * HEIGHT:g})")
        for place, one in enumerate(case.inputs)
    ]
    rows = -(-len(case.inputs) // ACROSS)
    told = "; ".join(f"{one.node['title']} {STATUSES[one.node['status']]}" for one in case.inputs)
    return Drawing(
        "inputs",
        f"Inputs of {case.metric_title}",
        f"{counted(len(case.inputs), 'input')}: {told}.",
        WIDTH * min(ACROSS, len(case.inputs)),
        HEIGHT * rows,
        group(cells),
        say="What the teams can move, the last 26 weeks.",
    )


def _cell(one: Input) -> Markup:
    node = one.node
    change = f", {percent(node['change'], signed=True)} on last week" if node["change"] is not None else ""
    title = node["title"] if len(node["title"]) <= LONGEST else f"{node['title'][: LONGEST - 1]}…"
    return group(
        [
            text(0, 16, title, "strong"),
            text(0, 34, f"{with_unit(node['value'], node['unit'])}{change}"),
            el("g", group(spark_shapes(one.series, node["status"], None, 216, 58)), transform="translate(0 40)"),
            mark(node["status"], 7, 111, 6),
            text(18, 115, f"{STATUSES[node['status']]}{f', {held_to(node)}' if held_to(node) else ''}"),
            text(0, 134, node["owner"] or "no owner", "small"),
        ]
    )
