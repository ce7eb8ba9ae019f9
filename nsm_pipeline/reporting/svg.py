"""Shapes as SVG text: elements with escaped attributes, lines with gaps, scales, axes of weeks and values.

What belongs here: geometry that every chart shares. What does not: which chart shows what (`charts`, …); colours,
which are classes of `templates/charts.css`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from markupsafe import Markup, escape

Point = tuple[float, float]
NOTHING = Markup("")
LETTER = 0.56
"""Width of a letter as a share of its size: the mean of the usual sans-serif faces."""


def el(tag: str, content: object = "", **attributes: object) -> Markup:
    """An element: `class_` is class, `_` in a name is `-`, numbers have one decimal, None leaves one out."""
    # Not by Markup.format, which takes several times as long: a chart of years has thousands of elements.
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{told}>{escape(content)}</{tag}>")  # noqa: S704 (its parts are escaped)


def group(parts: Iterable[Markup], class_: str | None = None) -> Markup:
    return el("g", Markup("").join(parts), class_=class_)


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> Markup:
    """A line of text; `anchor`: start, middle or end."""
    return el("text", words, x=x, y=y, class_=class_ or None, text_anchor=None if anchor == "start" else anchor)


def line(start: Point, end: Point, class_: str) -> Markup:
    return el("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=class_)


def path(points: Sequence[Point], class_: str, closed: bool = False) -> Markup:
    """A line through points; nothing for fewer than two."""
    if len(points) < 2:
        return NOTHING
    steps = "L".join(f"{_text(x)} {_text(y)}" for x, y in points)
    return el("path", d=f"M{steps}{'Z' if closed else ''}", class_=class_)


def band(upper: Sequence[Point], lower: Sequence[Point], class_: str) -> Markup:
    """The area between two lines."""
    return path([*upper, *reversed(lower)], class_, closed=True) if len(upper) > 1 else NOTHING


def runs(weeks: Sequence[date]) -> list[list[int]]:
    """Places of weeks that follow each other without a gap."""
    found: list[list[int]] = []
    for place, week in enumerate(weeks):
        if place and week - weeks[place - 1] == timedelta(days=7):
            found[-1].append(place)
        else:
            found.append([place])
    return found


def mark(colour: str, x: float, y: float, size: float = 8) -> Markup:
    """A status: circle with a tick, triangle with !, diamond with ×, ring with a dash; never by colour alone."""

    def at(right: float, down: float) -> Point:
        return x + size * right, y + size * down

    if colour == "yellow":
        shape = path([at(0, -1), at(1.1, 0.85), at(-1.1, 0.85)], "shape", closed=True)
        signs = [path([at(0, -0.4), at(0, 0.25)], "sign"), path([at(0, 0.57), at(0, 0.6)], "sign")]
    elif colour == "red":
        shape = path([at(0, -1.12), at(1.12, 0), at(0, 1.12), at(-1.12, 0)], "shape", closed=True)
        signs = [path([at(-0.33, down), at(0.33, -down)], "sign") for down in (-0.33, 0.33)]
    elif colour == "green":
        shape = el("circle", cx=x, cy=y, r=size, class_="shape")
        signs = [path([at(-0.45, 0), at(-0.12, 0.36), at(0.48, -0.34)], "sign")]
    else:
        shape = el("circle", cx=x, cy=y, r=0.86 * size, class_="shape")
        signs = [path([at(-0.35, 0), at(0.35, 0)], "sign")]
    return group([shape, *signs], f"mark {colour}")


@dataclass(frozen=True)
class Linear:
    """A straight scale from values to places."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        width = self.high - self.low
        return self.start + (self.end - self.start) * ((value - self.low) / width if width else 0.5)


@dataclass(frozen=True)
class Weeks:
    """A straight scale from weeks to places."""

    first: date
    last: date
    start: float
    end: float

    def __call__(self, week: date) -> float:
        days = (self.last - self.first).days
        return self.start + (self.end - self.start) * ((week - self.first).days / days if days else 1.0)

    @property
    def step(self) -> float:
        """The width of a week."""
        return abs(self.end - self.start) / max(1, (self.last - self.first).days / 7)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values that span low to high, about so many."""
    width = high - low or abs(high) or 1.0
    raw = width / max(1, about - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 10) for place in range(first, max(last, first + 1) + 1)]


def months(x: Weeks, y: float, space: float = 46) -> Markup:
    """Names of months below the weeks that they begin in, as many as there is room for."""
    starts, week = [], x.first
    while week <= x.last:
        if week.day <= 7 or week == x.first:
            starts.append(week)
        week += timedelta(days=7)
    if len(starts) > 1 and x(starts[1]) - x(starts[0]) < space:
        starts = starts[1:]
    each = max(1, math.ceil(space / max(1.0, x.step * 4.35)))
    every = next((count for count in (1, 2, 3, 4, 6, 12) if count >= each), 12)
    shown = sorted(week for place, week in enumerate(reversed(starts)) if place % every == 0)
    many_years = x.first.year != x.last.year
    firsts = {week.year: week for week in reversed(shown)}
    return group(
        (
            text(
                x(week), y, f"{week:%b %Y}" if many_years and firsts[week.year] == week else f"{week:%b}", "", "middle"
            )
            for week in shown
        ),
        "axis",
    )


@dataclass(frozen=True)
class Drawing:
    """A chart: its name in file names and ids, title and description for those who do not see it, size, shapes; `notes`
    are what numbered marks mean; `columns` and `rows` are its
    numbers as a table, `say` a sentence for everybody, `keys` the classes of its lines and areas with their meaning."""

    name: str
    title: str
    description: str
    width: float
    height: float
    body: Markup
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[object, ...], ...] = field(default=(), repr=False)
    say: str = ""
    keys: tuple[tuple[str, str], ...] = ()

    def inline(self, key: str, class_: str = "") -> Markup:
        """As an element of a page; `key` makes its ids unique there."""
        body = el("title", self.title, id=f"{key}-t") + el("desc", self.description, id=f"{key}-d") + self.body
        view = f"0 0 {_text(self.width)} {_text(self.height)}"
        return el("svg", body, class_=f"chart {class_}".strip(), viewBox=view, role="img",
                  aria_labelledby=f"{key}-t {key}-d")  # fmt: skip


def _text(value: object) -> str:
    if isinstance(value, float):
        told = f"{value:.1f}"
        return told.removesuffix(".0").replace("-0", "0") if told in ("-0.0", "0.0") else told.removesuffix(".0")
    return str(value)
