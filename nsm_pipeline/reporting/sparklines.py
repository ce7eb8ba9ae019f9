"""Small lines without axes, as wide as a cell: the shape of half a year beside its newest number.

What belongs here: lines and thresholds of inputs, guardrails and the North Star in small. What does not: charts with
axes.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from nsm_pipeline.reporting.one_use_case import Row
from nsm_pipeline.reporting.svg import Linear, Weeks, band, el, group, mark, path, runs

WEEKS_SHOWN = 26


def sparkline(
    rows: Sequence[Row],
    label: str,
    colour: str = "",
    target: str | None = None,
    width: float = 170,
    height: float = 46,
) -> Markup:
    """As `spark_shapes`, as an element of a page with a label; empty where nothing has a value."""
    parts = spark_shapes(rows, colour, target, width, height)
    return _small(parts, label, width, height) if parts else Markup("")


def spark_shapes(rows: Sequence[Row], colour: str, target: str | None, width: float, height: float) -> list[Markup]:
    """Values by complete week, the newest one marked by its status. `target`: the column of a second, dashed line."""
    done = [row for row in rows if row["value"] is not None and row["stage"] != "flash"][-WEEKS_SHOWN:]
    if not done:
        return []
    there = [row for row in done if target and row[target] is not None]
    found = [row["value"] for row in done] + [row[target] for row in there if target]
    x = Weeks(done[0]["week"], done[-1]["week"], 4, width - 10)
    y = Linear(min(found), max(found), height - 9, 9)
    parts = [
        path([(x(there[p]["week"]), y(there[p][target])) for p in run], "target")
        for run in runs([row["week"] for row in there])
        if target
    ]
    parts += [
        path([(x(done[p]["week"]), y(done[p]["value"])) for p in run], "value")
        for run in runs([row["week"] for row in done])
    ]
    return [*parts, _end(done[-1], x, y, colour)]


def guardrail_sparkline(rows: Sequence[Row], label: str, width: float = 170, height: float = 46) -> Markup:
    """A counter-metric's values with its breach line, the side beyond it shaded."""
    shown = [row for row in rows if row["value"] is not None][-WEEKS_SHOWN:]
    if not shown:
        return Markup("")
    found = [row[key] for row in shown for key in ("value", "breach_at") if row[key] is not None]
    x = Weeks(shown[0]["week"], shown[-1]["week"], 4, width - 10)
    y = Linear(min(found), max(found), height - 9, 9)
    parts = threshold_lines(shown, x, y, (y.low, y.high), warn=False)
    for run in runs([row["week"] for row in shown]):
        parts.append(path([(x(shown[p]["week"]), y(shown[p]["value"])) for p in run], "value quiet"))
    parts.append(_end(shown[-1], x, y, shown[-1]["status"]))
    return _small(parts, label, width, height)


def threshold_lines(rows: Sequence[Row], x: Weeks, y: Linear, ends: Sequence[float], warn: bool = True) -> list[Markup]:
    """The lines from which on it is yellow and red, and the shaded side beyond the latter; week by week, as a median
    moves."""
    parts: list[Markup] = []
    for column, class_ in (("warn_at", "warn"), ("breach_at", "breach")):
        there = [row for row in rows if row[column] is not None]
        for run in runs([row["week"] for row in there]):
            points = [(x(there[place]["week"]), y(there[place][column])) for place in run]
            if column == "breach_at":
                far = ends[-1] if there[-1]["better"] == "lower" else ends[0]
                parts.insert(0, band([(at, y(far)) for at, _ in points], points, "beyond"))
            if warn or column == "breach_at":
                parts.append(path(points, class_))
    return parts


def _end(row: Row, x: Weeks, y: Linear, colour: str) -> Markup:
    at = (x(row["week"]), y(row["value"]))
    return mark(colour, *at, 5) if colour else el("circle", cx=at[0], cy=at[1], r=3, class_="newest")


def _small(parts: Sequence[Markup], label: str, width: float, height: float) -> Markup:
    return el("svg", group(parts), class_="spark", viewBox=f"0 0 {width:g} {height:g}", role="img",
              aria_label=label)  # fmt: skip
