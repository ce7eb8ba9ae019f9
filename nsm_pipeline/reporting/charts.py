"""Charts of one use case beside the North Star's own: where accounts come from, guardrails, why it moved, trust.

What belongs here: what each chart shows. What does not: shapes (`svg`), colours (`templates/charts.css`), the North
Star against its target (`north_star_chart`), small lines without axes (`sparklines`).
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from nsm_pipeline.reporting.one_use_case import OneUseCase, Part, Row
from nsm_pipeline.reporting.sparklines import threshold_lines
from nsm_pipeline.reporting.svg import Drawing, Linear, Weeks, el, group, line, mark, months, path, runs, text, ticks
from nsm_pipeline.reporting.trust import WORDS, Trust
from nsm_pipeline.reporting.wording import counted, day, number, signed, week_span, with_unit

ABOVE = ("retained", "resurrected", "new")
WEEKS_SHOWN = 26


def growth_chart(case: OneUseCase) -> Drawing | None:
    """Accounts retained, resurrected and new above zero, churned below; None where no complete week is published."""
    rows = [row for row in case.scorecard[-WEEKS_SHOWN:] if row["active"] is not None]
    newest = case.newest
    if newest is None or newest["active"] is None or not rows:
        return None
    width, height, left, right, top, bottom = 520.0, 300.0, 46.0, 88.0, 14.0, 26.0
    x = Weeks(rows[0]["week"], rows[-1]["week"], left + 12, width - right - 12)
    lowest = -max(row["churned"] or 0 for row in rows)
    values = ticks(lowest, max(sum(row[kind] or 0 for kind in ABOVE) for row in rows))
    y = Linear(values[0], values[-1], height - bottom, top)
    parts = [line((left, y(value)), (width - right, y(value)), "grid") for value in values]
    parts += [text(left - 6, y(value) + 4, number(value), anchor="end") for value in values]
    bars = [_bar(row, x, y) for row in rows]
    parts += [group([months(x, height - 6)], "axis"), *bars, line((left, y(0)), (width - right, y(0)), "zero")]
    parts += _ends(newest, y, width - right + 4)
    return Drawing(
        "growth-accounting",
        "Where the active accounts come from",
        f"{with_unit(newest['active'], 'accounts')} active in the week {week_span(newest['week'])}: "
        f"{number(newest['retained'])} retained, {number(newest['new'])} new, {number(newest['resurrected'])} "
        f"resurrected; {number(newest['churned'])} churned.",
        width,
        height,
        group([group(parts[: 2 * len(values)], "axis"), *parts[2 * len(values) :]]),
        say=_renewal(newest),
        columns=("Week", "Active", "Retained", "New", "Resurrected", "Churned", "Quick ratio", "State"),
        rows=tuple(
            tuple(row[key] for key in ("week", "active", "retained", "new", "resurrected", "churned", "quick_ratio",
                                       "state"))
            for row in reversed(rows)
        ),
    )  # fmt: skip


def _renewal(row: Row) -> str:
    if row["quick_ratio"] is None:
        return "No account was lost this week."
    return f"For each account lost this week, {number(row['quick_ratio'])} came or came back."


def _bar(row: Row, x: Weeks, y: Linear) -> Markup:
    wide = min(14.0, x.step * 0.72)
    place, level, parts = x(row["week"]) - wide / 2, 0.0, []
    for kind in ABOVE:
        amount = row[kind] or 0
        if amount:
            low, high = y(level), y(level + amount)
            parts.append(el("rect", x=place, y=high, width=wide, height=low - high, class_=kind))
        level += amount
    if row["churned"]:
        parts.append(el("rect", x=place, y=y(0), width=wide, height=y(-row["churned"]) - y(0), class_="churned"))
    return group(parts, "bar so-far" if row["stage"] == "flash" else "bar")


def _ends(row: Row, y: Linear, x: float) -> list[Markup]:
    """The newest complete week's numbers beside the bars."""
    active = sum(row[kind] or 0 for kind in ABOVE)
    wanted = [
        (y(active), f"+{number(row['new'])}", "new"),
        (y(active - (row["new"] or 0)), f"+{number(row['resurrected'])}", "resurrected"),
        (y((row["retained"] or 0) / 2), number(row["retained"]), "retained"),
        (y(-(row["churned"] or 0)), signed(-(row["churned"] or 0)), "churned"),
    ]
    parts, low = [], 10.0
    for at, told, what in wanted:
        at = max(at, low)
        parts += [text(x, at + 4, told, f"strong {what}-text"), text(x, at + 17, what, "small")]
        low = at + 31
    return parts


def guardrail_chart(rows: Sequence[Row]) -> Drawing:
    """A counter-metric against its threshold; red marks in weeks of breach. `rows`: as `OneUseCase.guardrails`."""
    shown = [row for row in rows if row["value"] is not None][-WEEKS_SHOWN:]
    newest = rows[-1]
    width, height, left, right, top, bottom = 340.0, 230.0, 40.0, 68.0, 14.0, 26.0
    name = f"guardrail-{newest['metric']}"
    limit = (
        f", breach at {number(newest['breach_at'], newest['unit'], newest['value'])}"
        if newest["breach_at"] is not None
        else ""
    )
    told = f"{with_unit(newest['value'], newest['unit'])} in the week {week_span(newest['week'])}{limit}."
    columns = ("Week", "Value", "Warn at", "Breach at", "Status", "State")
    table = tuple(tuple(row[key] for key in ("week", "value", "warn_at", "breach_at", "status", "state"))
                  for row in reversed(rows[-WEEKS_SHOWN:]))  # fmt: skip
    if not shown:
        empty = text(width / 2, height / 2, "no value is published", "small", "middle")
        return Drawing(name, newest["title"], told, width, height, empty, (), columns, table)
    found = [row[key] for row in shown for key in ("value", "warn_at", "breach_at") if row[key] is not None]
    values = ticks(min(found), max(found), 4)
    x = Weeks(shown[0]["week"], shown[-1]["week"], left + 6, width - right - 6)
    y = Linear(values[0], values[-1], height - bottom, top)
    axis = [line((left, y(value)), (width - right, y(value)), "grid") for value in values]
    axis += [text(left - 6, y(value) + 4, number(value, newest["unit"]), anchor="end") for value in values]
    parts = [group([*axis, months(x, height - 6)], "axis"), *threshold_lines(shown, x, y, values)]
    for run in runs([row["week"] for row in shown]):
        parts.append(path([(x(shown[p]["week"]), y(shown[p]["value"])) for p in run], "value quiet"))
    parts += [mark("red", x(row["week"]), y(row["value"]), 4.5) for row in shown[:-1] if row["status"] == "red"]
    last = shown[-1]
    parts.append(mark(last["status"], x(last["week"]), y(last["value"]), 6))
    parts += _guardrail_labels(last, y, width - right + 8, (top, height - bottom - 18))
    return Drawing(name, newest["title"], told, width, height, group(parts), (), columns, table)


def _guardrail_labels(row: Row, y: Linear, x: float, room: tuple[float, float]) -> list[Markup]:
    wanted = [(y(row["value"]), number(row["value"], row["unit"]), "this week", "strong")]
    if row["breach_at"] is not None:
        wanted.append(
            (y(row["breach_at"]), number(row["breach_at"], row["unit"], row["value"]), "limit", "strong limit-text")
        )
    wanted.sort(key=lambda label: label[0])
    parts, low = [], room[0]
    for place, (at, told, what, class_) in enumerate(wanted):
        at = min(max(at, low), room[1] - 30 * (len(wanted) - place - 1))
        parts += [text(x, at + 4, told, class_), text(x, at + 17, what, "small")]
        low = at + 31
    return parts


def movement_chart(case: OneUseCase, most: int = 4) -> Drawing | None:
    """Bars to both sides of zero: the formula's factors, then the largest slices of every attribute; None where nothing
    is known of why it moved."""
    blocks: list[tuple[str, tuple[Part, ...]]] = [("By factor of the formula", case.factors)] if case.factors else []
    blocks += [(f"By {name}", parts[:most]) for name, parts in case.slices.items()]
    if not blocks or case.newest is None:
        return None
    width, left, right, step = 520.0, 190.0, 66.0, 24.0
    far = max(abs(part.contribution) for _, parts in blocks for part in parts) or 1.0
    x = Linear(-far, far, left + 44, width - right)
    y, shapes, whole = 4.0, [], case.newest["value"]
    for title, parts in blocks:
        y += 20
        shapes.append(text(0, y, title, "small heading"))
        y += 10
        for part in parts:
            shapes.append(_diverging(part, x, y, signed(part.contribution, case.unit, whole)))
            y += step
        y += 4
    zero = line((x(0), 12), (x(0), y - 4), "zero")
    change = case.movements[0]["change"]
    return Drawing(
        "why-it-moved",
        f"Why {case.metric_title} moved",
        f"{signed(change, case.unit, whole)} from the week before to the week {week_span(case.newest['week'])}, "
        "by parts that add up to the change.",
        width,
        y,
        group([zero, *shapes]),
        say=f"{signed(change, case.unit, whole)} on the week before; the parts of each view add up to it.",
        columns=("View", "Part", "Slice", "Value of the slice", "Before", "After", "Contribution"),
        rows=tuple(
            (row["view"], case.titles.get(row["part"], row["part"]), row["slice"], row["slice_value"], row["before"],
             row["after"], row["contribution"])
            for row in case.movements
        ),
    )  # fmt: skip


def _diverging(part: Part, x: Linear, y: float, told: str) -> Markup:
    a, b = sorted((x(0), x(part.contribution)))
    label = part.label if len(part.label) <= 30 else f"{part.label[:29]}…"
    ends = text(b + 6, y + 12, told, "strong") if part.contribution >= 0 else text(a - 6, y + 12, told, "strong", "end")
    class_ = "gain" if part.contribution >= 0 else "loss"
    return group([text(0, y + 12, label), el("rect", x=a, y=y, width=max(1.0, b - a), height=16, class_=class_), ends])


def trust_chart(case: OneUseCase, weeks: int = 52, width: float = 740.0, name: str = "trust") -> Drawing | None:
    """A cell per week: certified filled, withheld crossed, held or superseded half, in progress hollow; None without
    certificates."""
    shown = case.trusts[-weeks:]
    if not shown:
        return None
    height = 58.0
    x = Weeks(shown[0].week, shown[-1].week, 12, width - 12)
    wide = min(20.0, x.step * 0.78)
    cells = [_cell(trust, x(trust.week) - wide / 2, wide) for trust in shown]
    kinds = {kind: sum(trust.kind == kind for trust in shown) for kind in WORDS}
    counts = ", ".join(f"{number(count)} {WORDS[kind].lower()}" for kind, count in kinds.items() if count)
    return Drawing(
        name,
        "What the certificates say, week by week",
        f"Of {counted(len(shown), 'week')}: {counts}.",
        width,
        height,
        group([*cells, group([months(x, height - 6)], "axis")]),
        columns=("Week", "State", "Stage", "Gates", "Why", "Certificate"),
        rows=tuple(
            (trust.week, trust.word, trust.row["stage"], trust.gates, trust.why, trust.row["certificate_id"] or "none")
            for trust in reversed(shown)
        ),
    )


def _cell(trust: Trust, x: float, wide: float) -> Markup:
    parts = [el("title", f"{day(trust.week)}: {trust.sentence}")]
    parts.append(el("rect", x=x, y=6, width=wide, height=24, rx=2))
    if trust.kind in ("withheld", "missing"):
        a, middle = min(4.0, wide * 0.3), x + wide / 2
        parts.append(el("path", d=f"M{middle - a:.1f} {18 - a:.1f}l{2 * a:.1f} {2 * a:.1f}m0 {-2 * a:.1f}l{-2 * a:.1f} "
                                  f"{2 * a:.1f}"))  # fmt: skip
    elif trust.kind in ("held", "superseded"):
        parts.append(line((x + wide / 2 - 2, 13), (x + wide / 2 - 2, 23), "stroke"))
        parts.append(line((x + wide / 2 + 2, 13), (x + wide / 2 + 2, 23), "stroke"))
    return group(parts, f"cell {trust.kind}")
