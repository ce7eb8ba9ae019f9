"""The items of a definition, one part each: an input, a guardrail, a measure of adoption, a metric, an event.

What belongs here: what is added in words to an item's own keys. What does not: which items a page has (`handbook`), how
a model becomes facts (`handbook_parts`), the words (`handbook_words`).
"""

from __future__ import annotations

from dataclasses import replace

from nsm_pipeline.playbook.adoption import Adoption
from nsm_pipeline.playbook.guardrails import Guardrail, guardrail_of
from nsm_pipeline.playbook.kinds import definition_text
from nsm_pipeline.playbook.models import CounterMetric, Input, UseCase
from nsm_pipeline.publishing.dictionary import title_of
from nsm_pipeline.reporting.handbook_parts import Fact, Part, exact_share, label_of, part_of
from nsm_pipeline.reporting.handbook_words import (
    NO_VALUE,
    amount,
    history_in_words,
    kind_of,
    path_in_words,
    span_in_words,
    thresholds_in_words,
)


def input_part(use_case: UseCase, item: Input) -> Part:
    """An input: what it drives, who moves it, where it should be, what is being done."""
    metric = use_case.metrics[item.metric]
    words = [metric_link(use_case, "metric", "Metric", item.metric, follows=True)]
    if not item.owner:
        words.append(follows("owned", "Owner", f"{use_case.owner.name}, as nobody else is named"))
    aim = "no target: held to the median of the weeks before"
    words.append(follows("words", "Target in words", path_in_words(item.target, metric.unit) if item.target else aim))
    rest = part_of(item.metric, title(use_case, item.metric), item, skip=("metric", "drives"))
    if item.drives:
        words.insert(1, metric_link(use_case, "drives", "Drives", item.drives))
    return replace(rest, facts=(*words, *rest.facts))


def counter_part(use_case: UseCase, counter: CounterMetric) -> Part:
    """A guardrail: what it protects, from what, and its thresholds in words and as written."""
    metric = use_case.metrics[counter.metric]
    guardrail = guardrail_of(use_case, counter)
    words = [
        metric_link(use_case, "metric", "Metric", counter.metric, follows=True),
        metric_link(use_case, "protects", "Protects", counter.protects),
        follows("words", "Thresholds", thresholds_in_words(guardrail, metric.unit)),
        follows("direction", "Good direction", guardrail.better),
    ]
    held = [(key, value) for key in ("warn", "breach") if (value := getattr(counter, key)) is not None]
    words += [Fact(key, label_of(key), _held(guardrail, value, metric.unit)) for key, value in held]
    told = ("metric", "protects", "warn", "breach")
    rest = part_of(counter.metric, title(use_case, counter.metric), counter, skip=told)
    return replace(rest, facts=(*words, *rest.facts))


def _held(guardrail: Guardrail, value: float, unit: str) -> str:
    return amount(value, unit) if guardrail.weeks is None else f"{exact_share(value)} worse"


def adoption_part(use_case: UseCase, one: Adoption) -> Part:
    """A measure of adoption: its colours' bounds in the metric's unit."""
    unit = use_case.metrics[one.metric].unit
    bounds = [(key, getattr(one, key)) for key in ("red", "yellow", "green")]
    words = [metric_link(use_case, "metric", "Metric", one.metric, follows=True)]
    words += [Fact(key, label_of(key), f"{bound.op} {amount(bound.number, unit)}") for key, bound in bounds]
    rest = part_of(one.metric, title(use_case, one.metric), one, skip=("metric", "red", "yellow", "green"))
    return replace(rest, facts=(*words, *rest.facts))


def metric_part(use_case: UseCase, name: str, sql: str) -> Part:
    """A metric: its exact meaning in words, its keys as written, and its SQL where there is some."""
    metric = use_case.metrics[name]
    slices = use_case.slices if metric.slices is None else metric.slices
    words = [
        follows("name", "Name", name),
        follows("role", "Role", _roles(use_case, name)),
        follows("definition", "Definition", definition_text(metric)),
        follows("means", f"Exactly ({metric.kind})", kind_of(metric).means, prose=True),
        follows("span", "Counted over", span_in_words(metric)),
        follows("none", "No value where", NO_VALUE[metric.kind]),
        follows("cut", "Sliced by", ", ".join(slices) or "nothing"),
    ]
    own = [Fact("better", "Better", metric.better)]
    if metric.title:
        own.insert(0, Fact("title", "Title", metric.title))
    rest = part_of(name, title_of(name, metric), metric, skip=("title", "better"))
    return replace(rest, facts=(*words, *own, *rest.facts), code=sql)


def _roles(use_case: UseCase, name: str) -> str:
    found = ["North Star"] if use_case.north_star.metric == name else []
    found += ["input"] if any(one.metric == name for one in use_case.inputs) else []
    found += ["counter-metric"] if any(one.metric == name for one in use_case.counter_metrics) else []
    found += ["outcome"] if name in use_case.outcomes else []
    found += ["measure of adoption"] if any(one.metric == name for one in use_case.adoption) else []
    return ", ".join(found) or "none of its own"


def event_part(use_case: UseCase, name: str) -> Part:
    """An event: its properties and sources as written, and how it has been sent over time in words."""
    event = use_case.events[name]
    history = [follows(f"history.{at}", "Sent as", text) for at, text in enumerate(history_in_words(event))]
    rest = part_of(name, name, event)
    return replace(rest, facts=(*rest.facts, *history))


def metric_link(use_case: UseCase, key: str, label: str, name: str, follows: bool = False) -> Fact:
    """A metric by title and name, which leads to its part."""
    metric = use_case.metrics.get(name)
    text = name if metric is None or not metric.title else f"{metric.title} ({name})"
    return Fact(key, label, text, anchor=f"metrics-{name}" if metric else "", follows=follows)


def follows(key: str, label: str, value: str, prose: bool = False) -> Fact:
    """A fact that says in words what other keys decide."""
    return Fact(key, label, value, "prose" if prose else "text", follows=True)


def title(use_case: UseCase, name: str) -> str:
    """A metric's name for people."""
    return title_of(name, use_case.metrics.get(name))
