"""Every chart as a file of its own, for slides, documents and chats: SVG with its colours in it.

What belongs here: a chart with its title, style and ground. What does not: the charts (`charts`), PNG (`painting`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup

from nsm_pipeline.reporting.charts import growth_chart, guardrail_chart, movement_chart, trust_chart
from nsm_pipeline.reporting.input_chart import inputs_chart
from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.north_star_chart import north_star_chart
from nsm_pipeline.reporting.one_use_case import OneUseCase
from nsm_pipeline.reporting.svg import Drawing, el, group, text
from nsm_pipeline.reporting.templating import sheet
from nsm_pipeline.reporting.tree_drawing import tree_css, tree_svg

FACES = "Arial, Helvetica, Liberation Sans, sans-serif"
"""What is everywhere, as a picture cannot ask for what a system has."""
MARGIN, HEADER, NOTE = 24.0, 58.0, 18.0
COMMENT = re.compile(r"/\*[^*]*\*/")
VARIABLE = re.compile(r"var\(--([a-z-]+)(?:, ([^()]*))?\)")


def drawings(monday: Monday) -> dict[str, str]:
    """SVG by name, `<use case>-<chart>`. Charts without numbers are left out."""
    style = resolved("\n".join((sheet("charts.css"), _marks(sheet("style.css")), tree_css())))
    return {
        f"{case.name}-{name}": svg
        for case in monday.use_cases
        for name, svg in (*_charts(case, style), *_tree(case, style))
    }


def _charts(case: OneUseCase, style: str) -> Iterator[tuple[str, str]]:
    drawings = (
        north_star_chart(case),
        *(guardrail_chart(rows) for rows in case.guardrails),
        growth_chart(case),
        inputs_chart(case),
        movement_chart(case),
        trust_chart(case),
    )
    for drawing in drawings:
        if drawing is not None:
            yield drawing.name, standing_alone(drawing, case.title, style)


def _tree(case: OneUseCase, style: str) -> Iterator[tuple[str, str]]:
    if case.nodes:
        ground = '<rect width="100%" height="100%" class="ground"/>'
        yield "tree", tree_svg(case.nodes, case.edges, style).replace("</style>", f"</style>{ground}", 1)


def standing_alone(drawing: Drawing, of: str, style: str) -> str:
    """A chart as an SVG file: title, sentence, shapes, notes of its numbered marks. `of`: the use case's title."""
    notes = [text(0, drawing.height + NOTE * place, f"{place}. {note}") for place, note in
             enumerate(drawing.notes, start=1)]  # fmt: skip
    width = max(drawing.width, 460.0) + 2 * MARGIN
    height = HEADER + drawing.height + NOTE * len(notes) + 2 * MARGIN
    body = [
        el("title", f"{of}: {drawing.title}"),
        el("desc", drawing.description),
        Markup("<style>{}</style>").format(style),
        el("rect", width=width, height=height, class_="ground"),
        text(MARGIN, MARGIN + 14, f"{of}: {drawing.title}", "headline"),
        text(MARGIN, MARGIN + 34, drawing.say or drawing.description),
        el("g", group([drawing.body, *notes]), transform=f"translate({MARGIN:g} {MARGIN + HEADER:g})"),
    ]
    return str(
        el("svg", Markup("").join(body), xmlns="http://www.w3.org/2000/svg", class_="chart", width=width, height=height,
           viewBox=f"0 0 {width:g} {height:g}")
    )  # fmt: skip


def resolved(style: str) -> str:
    """A sheet with the light colours in the place of variables."""
    variables: dict[str, str] = dict(re.findall(r"--([a-z-]+): ([^;]+);", sheet("style.css").split("@media")[0])) | {
        "font": FACES
    }
    told = VARIABLE.sub(lambda match: str(variables.get(match[1], match[2] or "none")), style)
    told = told.replace("font-weight: 650", "font-weight: 700")  # faces without a weight between show the lighter one
    return COMMENT.sub("", told) + (
        f".ground {{ fill: {variables['card']}; }} .chart .headline {{ font-weight: 700; font-size: 17px; "
        f"fill: {variables['ink']}; }}"
    )


def _marks(style: str) -> str:
    """The rules for status marks, the only ones of the pages' common sheet that a drawing needs."""
    return "\n".join(line for line in style.splitlines() if line.startswith(".mark"))
