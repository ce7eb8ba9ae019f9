"""The handbook's pages: what a playbook says, use case by use case, in the order in which people read it.

What belongs here: which part of a definition stands where. What does not: the items in them (`handbook_items`), how a
model becomes facts (`handbook_parts`), what the data say now (`handbook_now`), writing.

Pure and deterministic: a page holds definitions alone, so that it changes where a definition does and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nsm_pipeline.linting.findings import CRITERIA
from nsm_pipeline.playbook.kinds import definition_text
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.settings import Settings
from nsm_pipeline.reporting.handbook_items import (
    adoption_part,
    counter_part,
    event_part,
    follows,
    input_part,
    metric_link,
    metric_part,
    title,
)
from nsm_pipeline.reporting.handbook_parts import Fact, Line, Part, label_of, part_of, said
from nsm_pipeline.reporting.handbook_words import path_in_words

HEAD = ("use_case", "status", "review_by", "game")
NOTES = {
    "metrics": "What is counted, exactly. A week's number is computed by the SQL below each.",
    "events": "What metrics know, and how it has been sent over time: since inclusive, until exclusive.",
    "counter_metrics": "What must not get worse meanwhile.",
    "inputs": "What moves the North Star, and who moves it.",
    "adoption": "Colours per account and week: of each account's own value over the window.",
    "tolerances": "How much the built-in gates put up with before they withhold a week.",
    "checklist": "The seven criteria of a good North Star, with the group's answers.",
}
TITLES = {"counter_metrics": "Guardrails"}
NOT_ANSWERED = "not answered"


@dataclass(frozen=True)
class Page:
    """One use case. `parts`: its definition, `index`: the same in the index; `now`, `standing`: what the data say, in
    full and in the index; `nodes`, `edges`: rows of its tree as it is drawn."""

    name: str
    title: str
    parts: tuple[Part, ...]
    index: tuple[Fact, ...]
    now: tuple[Part, ...] = ()
    standing: tuple[Fact, ...] = ()
    nodes: Sequence[Mapping[str, Any]] = ()
    edges: Sequence[Mapping[str, Any]] = ()

    @property
    def file(self) -> str:
        """Its files' name without an ending; no use case has a hyphen in its name."""
        return "index-use-case" if self.name == "index" else self.name


@dataclass(frozen=True)
class Handbook:
    """A company's metric handbook. `settings`: what holds for all use cases."""

    company: str
    settings: Part
    pages: tuple[Page, ...]


def page_of(use_case: UseCase, sql: Mapping[str, str] | None = None) -> Page:
    """A use case's page. `sql`: the statements of each metric by name, where they are to be shown."""
    metrics = use_case.metrics
    told = {
        "about": _about(use_case),
        "north_star": _north_star(use_case),
        "checklist": _checklist(use_case),
        "formula": _tree(use_case),
        "inputs": _items("inputs", (input_part(use_case, one) for one in use_case.inputs)),
        "without": said("without", use_case.without),
        "counter_metrics": _items("counter_metrics", (counter_part(use_case, one) for one in use_case.counter_metrics)),
        "outcomes": _outcomes(use_case),
        "adoption": _items("adoption", (adoption_part(use_case, one) for one in use_case.adoption)),
        "metrics": _items("metrics", (metric_part(use_case, name, (sql or {}).get(name, "")) for name in metrics)),
        "activity": _activity(use_case),
        "slices": said("slices", use_case.slices),
        "events": _items("events", (event_part(use_case, name) for name in use_case.events)),
    }
    head = {*HEAD, "title", "owner", "vision", "value_moment"}
    for name in UseCase.model_fields:
        if name not in told and name not in head:
            told[name] = said(name, getattr(use_case, name))
    parts = []
    for key, found in told.items():
        if isinstance(found, Fact):
            found = Part(key, found.label, (found,))
        if found is not None and not found.is_empty:
            parts.append(replace(found, note=found.note or NOTES.get(key, "")))
    return Page(use_case.use_case, use_case.title, tuple(parts), _index(use_case))


def settings_part(settings: Settings) -> Part:
    """What the settings say, for all use cases."""
    return part_of("settings", "Settings", settings, note="What holds for all use cases.")


def _index(use_case: UseCase) -> tuple[Fact, ...]:
    star = use_case.north_star.metric
    return (
        Fact("north_star", "North Star", title(use_case, star)),
        Fact("owner", "Owner", use_case.owner.name),
        Fact("status", "Status", use_case.status),
        Fact("game", "Game", use_case.game or "not said"),
        Fact("review_by", "Review by", str(use_case.review_by or "not said")),
    )


def _items(key: str, parts: Iterable[Part]) -> Part:
    return Part(key, TITLES.get(key, label_of(key)), parts=tuple(parts))


def _about(use_case: UseCase) -> Part:
    found = [Fact("title", "Title", use_case.title)]
    found += [one for name in HEAD if isinstance(one := said(name, getattr(use_case, name)), Fact)]
    found.append(Fact("owner.name", "Owner", use_case.owner.name))
    if use_case.owner.contact:
        found.append(Fact("owner.contact", "Contact", use_case.owner.contact))
    found += [
        one for name in ("vision", "value_moment") if isinstance(one := said(name, getattr(use_case, name)), Fact)
    ]
    return Part("about", "About", tuple(found))


def _north_star(use_case: UseCase) -> Part:
    star = use_case.north_star
    metric = use_case.metrics[star.metric]
    words = [
        metric_link(use_case, "metric", "Metric", star.metric),
        follows("definition", "Definition", definition_text(metric)),
        follows("words", "Target in words", path_in_words(star.target, metric.unit)),
    ]
    rest = part_of("north_star", "North Star", star, skip=("metric",))
    return replace(rest, facts=(*words, *rest.facts))


def _checklist(use_case: UseCase) -> Part:
    facts = []
    for name in type(use_case.checklist).model_fields:
        answer = getattr(use_case.checklist, name).strip()
        facts.append(Fact(name, CRITERIA.get(name, label_of(name)), answer or NOT_ANSWERED, "prose"))
    return Part("checklist", "Checklist", tuple(facts))


def _tree(use_case: UseCase) -> Part:
    """The formula, and who drives whom as an outline."""
    facts = [Fact("formula", "Formula", use_case.formula, "code")] if use_case.formula else []
    outline = tuple(_branch(use_case, use_case.north_star.metric, 0, frozenset()))
    return Part("tree", "Metric tree", tuple(facts), outline=outline)


def _branch(use_case: UseCase, metric: str, depth: int, above: frozenset[str]) -> Iterator[Line]:
    own = next((one for one in use_case.inputs if one.metric == metric), None)
    how = "North Star" if own is None else f"{own.relation}, {own.dimension}, level {own.level}"
    yield Line(depth, f"{title(use_case, metric)}: {how}", f"metrics-{metric}")
    for counter in use_case.counter_metrics:
        if counter.protects == metric:
            yield Line(depth + 1, f"guarded by {title(use_case, counter.metric)}", f"metrics-{counter.metric}")
    for one in use_case.inputs:
        if (one.drives or use_case.north_star.metric) == metric and one.metric not in above:
            yield from _branch(use_case, one.metric, depth + 1, above | {metric})


def _outcomes(use_case: UseCase) -> Part:
    facts = [metric_link(use_case, name, "Leads", name) for name in use_case.outcomes]
    return Part("outcomes", "Outcomes", tuple(facts), note="What the North Star is supposed to lead.")


def _activity(use_case: UseCase) -> Part:
    events = ", ".join(use_case.active_events)
    rest = part_of("activity", "Activity", use_case.activity, note="What makes an account active in a week.")
    return replace(rest, facts=(follows("events", "Active by any of", events), *rest.facts))
