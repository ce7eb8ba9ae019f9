"""A use case's hypotheses held to its history: does an input move what it drives, does the North Star lead outcomes?

What belongs here: which edges are tested, verdicts and their words. What does not: the statistics (`surprises`,
`lagged`), edges that are arithmetic (`arithmetic`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from nsm_pipeline.playbook.guardrails import better_of
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.scoring.lagged import INPUT_LAGS, LEVEL, OUTCOME_LAGS, Lag, Link, adjusted, link
from nsm_pipeline.scoring.surprises import FEWEST, SEASON_FROM, Cleared, cleared

Verdict = Literal["supported", "not supported", "contradicted", "too early to say"]
Relation = Literal["hypothesis", "outcome"]


@dataclass(frozen=True)
class Edge:
    """A belief: `metric` moves `drives`. `sign`: 1 where they should move alike, −1 where against each other."""

    metric: str
    drives: str
    relation: Relation
    sign: int

    @property
    def key(self) -> str:
        return f"{self.metric} {self.drives} {self.relation}"


@dataclass(frozen=True)
class Evidence:
    """What history says of an edge. `strongest`: of its lags, None where it is too early; `weeks`: pairs of weeks
    behind it, or so far; `p_value`: all lags of the edge reckoned with; `q_value`: all edges of the use case too."""

    verdict: Verdict
    words: str
    strongest: Lag | None
    weeks: int
    p_value: float | None
    q_value: float | None
    has_season: bool

    @property
    def numbers(self) -> dict[str, Any]:
        """The columns of TREE_EDGES that hold the evidence."""
        at = self.strongest
        return {
            "lag": at and at.lag,
            "correlation": at and at.correlation,
            "low": at and at.low,
            "high": at and at.high,
            "weeks": self.weeks,
            "p_value": self.p_value,
            "q_value": self.q_value,
            "has_season": self.has_season,
        }


def believed_edges(use_case: UseCase) -> Iterator[Edge]:
    """Inputs that drive something by hypothesis, then the North Star with each declared outcome."""
    for item in use_case.inputs:
        if item.drives is not None and item.relation == "hypothesis":
            yield Edge(item.metric, item.drives, "hypothesis", _sign(use_case, item.metric, item.drives))
    north_star = use_case.north_star.metric
    for outcome in use_case.outcomes:
        if outcome != north_star:
            yield Edge(north_star, outcome, "outcome", _sign(use_case, north_star, outcome))


def evidence(use_case: UseCase, values: Mapping[str, Mapping[date, float]]) -> dict[Edge, Evidence]:
    """Every tested edge with its evidence, from the metrics' values by complete week. All are tested together, since
    with many edges some seem to hold by chance."""
    edges = list(believed_edges(use_case))
    names = dict.fromkeys(name for edge in edges for name in (edge.metric, edge.drives))
    history = cleared({name: values.get(name, {}) for name in names})
    links = {edge: _link(edge, history) for edge in edges}
    q_values = adjusted({edge.key: p for edge, it in links.items() if it and (p := it.p_value) is not None})
    return {edge: _judged(use_case, edge, it, q_values, values, history) for edge, it in links.items()}


def _sign(use_case: UseCase, metric: str, drives: str) -> int:
    return 1 if _better(use_case, metric) == _better(use_case, drives) else -1


def _better(use_case: UseCase, name: str) -> str:
    """A metric's good direction, as its counter-metric has it where it is one."""
    for counter in use_case.counter_metrics:
        if counter.metric == name:
            return better_of(use_case, counter)
    return use_case.metrics[name].better


def _link(edge: Edge, history: Cleared) -> Link | None:
    cause, effect = (history.surprises.get(name) for name in (edge.metric, edge.drives))
    if cause is None or effect is None:
        return None
    return link(cause, effect, INPUT_LAGS if edge.relation == "hypothesis" else OUTCOME_LAGS)


def _judged(
    use_case: UseCase,
    edge: Edge,
    it: Link | None,
    q_values: Mapping[str, float],
    values: Mapping[str, Mapping[date, float]],
    history: Cleared,
) -> Evidence:
    strongest = it.strongest if it else None
    if it is None or strongest is None:
        weeks = it.pairs if it else _shared(values.get(edge.metric, {}), values.get(edge.drives, {}))
        words = f"too early to say: {_missing(use_case, edge, values, history, weeks)}"
        return Evidence("too early to say", words, None, weeks, None, None, False)
    q_value = q_values[edge.key]
    alike = (strongest.correlation > 0) == (edge.sign > 0)
    verdict: Verdict = "not supported" if q_value > LEVEL else "supported" if alike else "contradicted"
    words = f"{verdict}: {_said(use_case, edge, it, strongest, verdict, len(q_values))}"
    if not it.has_season:
        words += f"; before {SEASON_FROM} weeks the season can't be told from it"
    return Evidence(verdict, words, strongest, strongest.pairs, it.p_value, q_value, it.has_season)


def _shared(first: Mapping[date, float], second: Mapping[date, float]) -> int:
    """Changes that both can have."""
    return max(len(first.keys() & second.keys()) - 1, 0)


def _missing(
    use_case: UseCase, edge: Edge, values: Mapping[str, Mapping[date, float]], history: Cleared, weeks: int
) -> str:
    """Why an edge can't be tested yet."""
    for name in (edge.metric, edge.drives):
        if not values.get(name):
            return f"'{name}' has no value yet"
    for name in (edge.metric, edge.drives):
        moving = history.moving[name]
        if moving * 2 < FEWEST <= len(values[name]) - 1:
            return f"{title(use_case, name)} changed in only {moving} of {len(values[name]) - 1} weeks"
    return f"{weeks} changes from week to week so far, {FEWEST} are needed"


def _said(use_case: UseCase, edge: Edge, it: Link, strongest: Lag, verdict: Verdict, tested: int) -> str:
    cause, effect = title(use_case, edge.metric), title(use_case, edge.drives)
    numbers = (
        f"r = {_number(strongest.correlation)} ({_number(strongest.low)} to {_number(strongest.high)}), "
        f"{strongest.pairs} weeks"
    )
    if verdict == "not supported":
        by_chance = (
            f"; by itself that would be more than chance, among {tested} edges tested it is not"
            if (it.p_value or 0) <= LEVEL
            else ""
        )
        return (
            f"{effect} shows no answer to {cause}; the strongest is {_when(strongest.lag)}, {numbers}{by_chance}; "
            f"a link of r = {_number(it.detectable or 0)} would mostly show"
        )
    moves = "rises" if strongest.correlation > 0 else "falls"
    against = ", against what was expected" if verdict == "contradicted" else ""
    same_week = "; a common cause or plain arithmetic would look alike" if strongest.lag == 0 else ""
    return f"when {cause} rises unforeseen, {effect} {moves} {_when(strongest.lag)}{against}{same_week}; {numbers}"


def _when(lag: int) -> str:
    return "in the same week" if lag == 0 else f"{lag} week{'' if lag == 1 else 's'} later"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def title(use_case: UseCase, name: str) -> str:
    """A metric's title, or its name as words."""
    return use_case.metrics[name].title or name.replace("_", " ")
