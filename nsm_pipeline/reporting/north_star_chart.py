"""The North Star against its target, week by week: the chart that the rest of a page explains.

What belongs here: value, target path, gap, expectation, forecast, what happened when. What does not: other charts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from markupsafe import Markup

from nsm_pipeline.reporting.north_star_frame import WIDE, Frame, Size, ends_with_forecast
from nsm_pipeline.reporting.one_use_case import OneUseCase, Row
from nsm_pipeline.reporting.svg import Drawing, el, group, line, path, runs, text
from nsm_pipeline.reporting.wording import day, number, short_day, week_span, with_unit

LABEL = 15.0


def north_star_chart(case: OneUseCase, size: Size = WIDE, name: str = "north-star") -> Drawing | None:
    """None where no complete week is published."""
    if case.newest is None:
        return None
    rows = case.scorecard[-size.weeks :]
    frame = Frame.of(case, rows, size)
    parts = [
        frame.axes(case.unit),
        frame.band(rows, "expected_low", "expected_high", "expected"),
        *_shortfall(frame, rows),
        *_forecast(frame, case),
        *frame.lines(rows, "target", "target"),
        *_values(frame, rows),
        *_gaps(frame, case),
        *_notes(frame, case),
        *_labels(frame, case),
    ]
    return Drawing(
        name,
        f"{case.metric_title} against target",
        _description(case, rows),
        size.width,
        size.height,
        group(parts),
        notes=tuple(f"{short_day(week)}: {'; '.join(told)}" for week, told in _told(case, rows[0]["week"])),
        keys=_keys(frame, case, rows),
        columns=("Week", case.unit.capitalize() or "Value", "Target", "Expected from", "to", "Growth", "State"),
        rows=tuple(
            (row["week"], row["value"], row["target"], row["expected_low"], row["expected_high"], row["growth"],
             row["state"])
            for row in reversed(rows)
        ),
    )  # fmt: skip


def _keys(frame: Frame, case: OneUseCase, rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """Of the lines and areas that are there."""
    newest = case.newest
    there = (
        ("value", case.unit, True),
        ("target", "target", any(row["target"] is not None for row in rows)),
        ("shortfall", "short of it", bool(_shortfall(frame, rows))),
        ("expected", "expected, 95 %", any(row["expected_low"] is not None for row in rows)),
        ("forecast", "forecast", newest is not None and newest["forecast"] is not None),
        ("flash", "in progress", case.progress is not None),
        ("gap", "not published", bool(_gaps(frame, case))),
    )
    return tuple((class_, words) for class_, words, shown in there if shown)


def _description(case: OneUseCase, rows: Sequence[Row]) -> str:
    newest = case.newest
    assert newest is not None
    target = f", target {number(newest['target'], case.unit)}" if newest["target"] is not None else ""
    first = rows[0]
    return (
        f"{with_unit(newest['value'], case.unit)} in the week {week_span(newest['week'])}{target}; "
        f"{number(first['value'], case.unit)} in the week of {day(first['week'])}. The scale does not start at zero."
    )


def _shortfall(frame: Frame, rows: Sequence[Row]) -> list[Markup]:
    """The area between value and target where the value is below it."""
    there = [row for row in rows if row["target"] is not None and row["stage"] != "flash"]
    found: list[Markup] = []
    for run in runs([row["week"] for row in there]):
        for left, right in pairwise(run):
            a, b = there[left], there[right]
            gap_a, gap_b = a["target"] - a["value"], b["target"] - b["value"]
            if max(gap_a, gap_b) <= 0:
                continue
            corners = [frame.at(a, "target"), frame.at(b, "target"), frame.at(b, "value"), frame.at(a, "value")]
            if min(gap_a, gap_b) < 0:  # the lines cross between the two weeks
                part = gap_a / (gap_a - gap_b)
                (x0, y0), (x1, y1) = frame.at(a, "target"), frame.at(b, "target")
                cross = (x0 + part * (x1 - x0), y0 + part * (y1 - y0))
                corners = [corners[0], cross, corners[3]] if gap_a > 0 else [cross, corners[1], corners[2]]
            found.append(path(corners, "shortfall", closed=True))
    return found


def _values(frame: Frame, rows: Sequence[Row]) -> list[Markup]:
    """A line through complete weeks, and hollow points for those in progress: part of a week is no fall."""
    done = [row for row in rows if row["stage"] != "flash"]
    open_ = [row for row in rows if row["stage"] == "flash"]
    parts = frame.lines(done, "value", "value")
    parts += [el("circle", cx=x, cy=y, r=3.5, class_="flash") for x, y in (frame.at(row, "value") for row in open_)]
    if done:
        x, y = frame.at(done[-1], "value")
        parts.append(el("circle", cx=x, cy=y, r=4.5, class_="newest"))
    return parts


def _forecast(frame: Frame, case: OneUseCase) -> list[Markup]:
    row = case.newest
    if row is None or row["forecast"] is None:
        return []
    here = frame.at(row, "value")
    x = frame.x(row["forecast_week"])
    cone = [here, (x, frame.y(row["forecast_high"])), (x, frame.y(row["forecast_low"]))]
    parts = [path(cone, "cone", closed=True), path([here, (x, frame.y(row["forecast"]))], "forecast")]
    if ends_with_forecast(row) and row["target"] is not None:
        parts.append(path([frame.at(row, "target"), (x, frame.y(row["target_value"]))], "target"))
        parts.append(el("circle", cx=x, cy=frame.y(row["target_value"]), r=3.5, class_="goal"))
    return parts


def _gaps(frame: Frame, case: OneUseCase) -> list[Markup]:
    """A cross on the ground line for every week that is over and not published."""
    shown = {row["week"] for row in case.scorecard}
    y, found = frame.size.height - frame.size.bottom, []
    for trust in case.trusts:
        if frame.x.first <= trust.week <= frame.x.last and trust.week not in shown and trust.kind != "flash":
            x = frame.x(trust.week)
            found.append(el("path", d=f"M{x - 3:.1f} {y - 3:.1f}l6 6m0-6l-6 6", class_="gap"))
    return found


def _told(case: OneUseCase, since: date) -> list[tuple[date, list[str]]]:
    """What happened, by week from `since` on."""
    found: dict[date, list[str]] = {}
    last = case.scorecard[-1]["week"]
    for note in case.annotations:
        if since <= note["week"] <= last:
            found.setdefault(note["week"], []).append(note["text"])
    return sorted(found.items())


def _notes(frame: Frame, case: OneUseCase) -> list[Markup]:
    """A numbered mark per week in which something happened; below its neighbour where it would cover it."""
    parts, taken = [], [-99.0, -99.0]
    for place, (week, _) in enumerate(_told(case, frame.x.first), start=1):
        x = frame.x(week)
        row = 0 if x - taken[0] > 17 else 1
        taken[row] = x
        y = 10 + 17 * row
        parts.append(line((x, y + 8), (x, frame.size.height - frame.size.bottom), "event"))
        parts.append(group([el("circle", cx=x, cy=y, r=8), text(x, y + 3.5, str(place), anchor="middle")], "number"))
    return parts


def _labels(frame: Frame, case: OneUseCase) -> list[Markup]:
    """Words beside the ends of the lines, apart from each other."""
    row = case.newest
    assert row is not None
    whole = row["value"]
    x, y = frame.at(row, "value")
    right = frame.size.width - frame.size.right + 8
    if row["forecast"] is None:
        wanted = [(y, number(row["value"], case.unit), "this week", "strong value-text")]
        if row["target"] is not None:
            wanted.append((frame.y(row["target"]), number(row["target"], case.unit, whole), "target", "strong"))
        parts = []
    else:
        wanted = [
            (frame.y(row["forecast"]), number(row["forecast"], case.unit, whole), "forecast", "strong value-text")
        ]
        if ends_with_forecast(row):
            told = number(row["target_value"], case.unit, whole)
            wanted.append((frame.y(row["target_value"]), told, "target", "strong"))
        below = row["target"] is not None and row["value"] < row["target"]
        parts = [
            text(x, y + 22 if below else y - 12, number(row["value"], case.unit), "strong value-text halo", "middle")
        ]
    wanted.sort(key=lambda label: label[0])
    low = frame.size.top
    for place, (at, told, what, class_) in enumerate(wanted):
        after = 2 * LABEL * (len(wanted) - place - 1)
        at = min(max(at, low), frame.size.height - frame.size.bottom - LABEL - after)
        parts += [text(right, at + 2, told, class_), text(right, at + LABEL, what, "small")]
        low = at + 2 * LABEL + 2
    return parts
