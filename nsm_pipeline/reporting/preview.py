"""The dashboard in small, for places that show Markdown and nothing else, such as the metadata of a Dagster asset.

What belongs here: one table with a line per use case. What does not: the digest (`digest`), the page (`dashboard`).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from nsm_pipeline.reporting.headline import headline
from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.one_use_case import OneUseCase
from nsm_pipeline.reporting.wording import relative, share, with_unit

WEEKS, WIDTH, HEIGHT = 26, 104, 20
MARKS = {"green": "●", "yellow": "▲", "red": "◆", "no_colour": "○"}


def preview_markdown(monday: Monday) -> str:
    """The headline and a table: use case, sparkline, value, growth, attainment, status with its guardrails."""
    lines = [f"**{headline(monday)}**", "", "| use case | 26 weeks | North Star | growth | of target | status |"]
    lines.append("|---|---|---|---|---|---|")
    lines += [_line(case) for case in monday.use_cases]
    return "\n".join(lines)


def _line(case: OneUseCase) -> str:
    newest = case.newest
    if newest is None:
        return f"| {_plain(case.title)} | | nothing published yet | | | |"
    values = [row["value"] for row in case.complete[-WEEKS:] if row["value"] is not None]
    cells = (
        _plain(case.title),
        f"![{len(values)} weeks]({sparkline(values)})",
        _plain(with_unit(newest["value"], case.unit)),
        relative(newest["growth"]),
        share(newest["attainment"]),
        f"{MARKS[newest['joint_status']]} {newest['joint_words']}",
    )
    return f"| {' | '.join(cells)} |"


def sparkline(values: Sequence[float]) -> str:
    """A line as the address of an inlined picture; short, since Dagster shows none beyond 1,000 characters."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    step = WIDTH / max(len(values) - 1, 1)
    points = " ".join(
        f"{place * step:.0f},{1 + (HEIGHT - 2) * (high - value) / ((high - low) or 1):.0f}"
        for place, value in enumerate(values)
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
        f'<polyline points="{points}" fill="none" stroke="#3b5bdb" stroke-width="1.5"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _plain(text: str) -> str:
    """Text that cannot end a cell or begin Markdown or HTML of its own."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]()#+!|<>" else " " if one == "\n" else one for one in text)
