"""Where the weeks and values of the North Star's chart lie.

What belongs here: size, scales, axes. What does not: what is drawn on them (`north_star_chart`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from nsm_pipeline.reporting.one_use_case import WEEK, OneUseCase, Row
from nsm_pipeline.reporting.svg import Linear, Point, Weeks, band, group, line, months, path, runs, text, ticks
from nsm_pipeline.reporting.wording import number


@dataclass(frozen=True)
class Size:
    """A chart's measures; `weeks`: how many of the newest are shown."""

    width: float = 740
    height: float = 350
    left: float = 46
    right: float = 92
    top: float = 30
    bottom: float = 26
    weeks: int = 52


WIDE, SMALL = Size(), Size(width=360, height=300, left=40, right=70, weeks=26)


@dataclass(frozen=True)
class Frame:
    """Where weeks and values lie."""

    size: Size
    x: Weeks
    y: Linear
    values: tuple[float, ...]

    @classmethod
    def of(cls, case: OneUseCase, rows: Sequence[Row], size: Size) -> Frame:
        columns = ("value", "target", "expected_low", "expected_high", "forecast_low", "forecast_high", "forecast")
        found = [row[column] for row in rows for column in columns if row[column] is not None]
        last = max([rows[-1]["week"], *(row["forecast_week"] for row in rows if row["forecast_week"])])
        if case.newest is not None and ends_with_forecast(case.newest):
            found.append(case.newest["target_value"])
        values = ticks(min(found), max(found))
        x = Weeks(rows[0]["week"], last, size.left + 6, size.width - size.right)
        return cls(size, x, Linear(values[0], values[-1], size.height - size.bottom, size.top), tuple(values))

    def at(self, row: Row, column: str) -> Point:
        return self.x(row["week"]), self.y(row[column])

    def axes(self, unit: str) -> Markup:
        """Value lines with numbers, and months."""
        left, right = self.size.left, self.size.width - self.size.right
        parts = [line((left, self.y(value)), (right, self.y(value)), "grid") for value in self.values]
        parts += [text(left - 6, self.y(value) + 4, number(value, unit), anchor="end") for value in self.values]
        return group([*parts, months(self.x, self.size.height - 6)], "axis")

    def lines(self, rows: Sequence[Row], column: str, class_: str) -> list[Markup]:
        """A line per unbroken run of weeks."""
        there = [row for row in rows if row[column] is not None]
        return [
            path([self.at(there[place], column) for place in run], class_) for run in runs([r["week"] for r in there])
        ]

    def band(self, rows: Sequence[Row], low: str, high: str, class_: str) -> Markup:
        there = [row for row in rows if row[low] is not None and row[high] is not None]
        return group(
            band([self.at(there[p], high) for p in run], [self.at(there[p], low) for p in run], class_)
            for run in runs([row["week"] for row in there])
        )


def ends_with_forecast(row: Row) -> bool:
    """Whether the target's day lies in the week that is forecast."""
    by, week = row["target_by"], row["forecast_week"]
    return by is not None and week is not None and row["target_value"] is not None and week <= by < week + WEEK
