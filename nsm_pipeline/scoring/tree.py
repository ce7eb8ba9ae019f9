"""The metric tree's nodes: every metric with a role, as it stands in the newest complete week.

What belongs here: rows of `tree_nodes`. What does not: edges (`edges`), drawing (`reporting`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from nsm_pipeline.playbook.guardrails import better_of
from nsm_pipeline.playbook.models import Input, Work
from nsm_pipeline.scoring.published import Published
from nsm_pipeline.scoring.status import (
    SEVERITY,
    TREND_WEEKS,
    Better,
    Colour,
    joint,
    of_target,
    of_trend,
    settled_values,
    trailing,
)
from nsm_pipeline.weeks import WEEK

Row = dict[str, Any]


def node_rows(
    published: Published, targets: Mapping[str, Mapping[date, float]], guardrails: Sequence[Mapping[str, Any]]
) -> list[Row]:
    """Rows of TREE_NODES; a metric that a guardrail protects has the status of the pair.

    `targets`: target paths by metric and week; `guardrails`: the use case's rows of GUARDRAILS.
    """
    use_case = published.use_case
    latest: dict[str, Mapping[str, Any]] = {}
    for row in guardrails:
        if row["week"] < published.current and row["state"] != "flash":
            latest[row["metric"]] = row
    tree = _Tree(published, targets, latest)
    rows = [tree.node(published.north_star, "north_star", level=0)]
    rows += [tree.input(item) for item in use_case.inputs]
    rows += [tree.guardrail(counter.metric) for counter in use_case.counter_metrics]
    rows += [tree.node(name, "outcomes") for name in use_case.outcomes]
    return rows


class _Tree:
    def __init__(
        self,
        published: Published,
        targets: Mapping[str, Mapping[date, float]],
        guards: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.published, self.targets, self.guards = published, targets, guards

    def input(self, item: Input) -> Row:
        node = self.node(item.metric, "inputs", item.level)
        work = "\n".join(_work(one) for one in item.work)
        return {**node, "dimension": item.dimension, "owner": item.owner or node["owner"], "work": work or None}

    def guardrail(self, name: str) -> Row:
        """A counter-metric's node: judged by its threshold."""
        node = self.node(name, "counter_metrics")
        counter = next(one for one in self.published.use_case.counter_metrics if one.metric == name)
        row = self.guards.get(name)
        status: Colour = row["status"] if row is not None else "no_colour"
        words = _guardrail_words(row) if row is not None else "no value yet"
        node |= {"better": better_of(self.published.use_case, counter), "reference": row["reference"] if row else None}
        return {**node, "target": None, "status": status, "status_words": words}

    def node(self, name: str, role: str, level: int | None = None) -> Row:
        """A metric by its target, or by its trend where it has none."""
        use_case = self.published.use_case
        metric, values = use_case.metrics[name], settled_values(self.published, name)
        week = max(values, default=None)
        value = values[week] if week is not None else None
        before = values.get(week - WEEK) if week is not None else None
        path = self.targets.get(name, {} if role == "north_star" else None)
        target = path.get(week) if path is not None and week is not None else None
        reference = trailing(values, week).reference if path is None and week is not None else None
        if path is not None:
            status = of_target(value, target, metric.better)
            words = _distance(value, target, status, metric.better, "its target path", "before its target path begins")
        else:
            status = of_trend(value, reference, metric.better)
            too_few = f"fewer than {TREND_WEEKS // 2} of the {TREND_WEEKS} weeks before have a value"
            words = _distance(value, reference, status, metric.better, f"its median of {TREND_WEEKS} weeks", too_few)
        if role != "outcomes":
            status, words = self._with_guardrails(name, status, words)
        return {
            "use_case": use_case.use_case,
            "metric": name,
            "role": role,
            "title": metric.title or name,
            "level": level,
            "dimension": None,
            "owner": use_case.owner.name,
            "week": week,
            "unit": metric.unit,
            "better": metric.better,
            "value": value,
            "change": value / before - 1 if value is not None and before else None,
            "target": target,
            "reference": reference,
            "status": status,
            "status_words": words,
            "work": None,
        }

    def _with_guardrails(self, name: str, status: Colour, words: str) -> tuple[Colour, str]:
        """The status of a metric with the worst of the guardrails that protect it, and both in words."""
        guards = list(self._protecting(name))
        if not guards:
            return status, words
        worst = max(guards, key=lambda row: SEVERITY[row["status"]])
        colour, pair = joint(status, worst["status"])
        return colour, f"{pair}: {words}; {worst['title']} {_guardrail_words(worst)}"

    def _protecting(self, name: str) -> Iterator[Mapping[str, Any]]:
        for counter in self.published.use_case.counter_metrics:
            if counter.protects == name and counter.metric in self.guards:
                yield self.guards[counter.metric]


def _distance(value: float | None, mark: float | None, colour: Colour, better: Better, name: str, without: str) -> str:
    """How far a value is from what it is held to; that this is worse only where the colour says that it matters."""
    if value is None:
        return "no value yet"
    if mark is None:
        return without
    if mark == 0:
        return f"{value - mark:+.4g} from {name} (0)"
    share = (value - mark) / abs(mark)
    if abs(share) < 0.0005:
        return f"at {name}"
    good = "" if colour == "green" or (share > 0) == (better == "higher") else ", which is worse"
    return f"{abs(share):.1%} {'above' if share > 0 else 'below'} {name}{good}"


def _guardrail_words(row: Mapping[str, Any]) -> str:
    """A guardrail's status and why, such as: red since 2026-03-02: 12.0 % above its median, breach from 0.0525 on."""
    status, value = row["status"], row["value"]
    if status == "no_colour":
        return "without a value" if value is None else f"not judged: {row['coverage']:.0%} of its weeks have a value"
    name = "its median" if row["rule"] == "median" else "its threshold"
    ends = [f"{word} from {row[key]:.4g} on" for word, key in (("warn", "warn_at"), ("breach", "breach_at"))
            if row[key] is not None]  # fmt: skip
    why = f"{row['change']:+.1%} against {name}, " if row["change"] is not None else f"{value:.4g}, "
    return f"{status} since {row['since']}: {why}{', '.join(ends)}"


def _work(work: Work) -> str:
    return " · ".join(str(part) for part in (work.since, work.title, work.url) if part)
