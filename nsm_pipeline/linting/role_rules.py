"""Rules about what stands around the North Star: inputs, counter-metrics, and definitions that nothing uses.

What belongs here: rules that need the declarations alone. What does not: the North Star (`north_star_rules`), data
(`data_rules`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from nsm_pipeline.errors import nearest
from nsm_pipeline.linting.findings import Case, Hit, rule, shown
from nsm_pipeline.linting.reach import Filter, events, filters, parts, used_metrics
from nsm_pipeline.linting.reachable import can_be_true, undeclared_values
from nsm_pipeline.playbook.guardrails import guardrail_of
from nsm_pipeline.playbook.models import Dimension

DIMENSIONS = get_args(Dimension)


@rule(
    "inputs-missing",
    "error",
    "actionable",
    fires="the use case has no input",
    do="Find the few things that teams can move and that move the North Star; give each an owner.",
)
def inputs_missing(case: Case) -> Iterator[Hit]:
    if not case.use_case.inputs:
        yield Hit("inputs", "there is no input, so no team has a part in the North Star")


@rule(
    "input-without-owner",
    "warning",
    "actionable",
    fires="an input has no owner",
    do="Name the team that answers for it.",
)
def input_without_owner(case: Case) -> Iterator[Hit]:
    for place, item in enumerate(case.use_case.inputs):
        if not item.owner.strip():
            yield Hit(f"inputs.{place}.owner", f"nobody owns the input '{item.metric}'")


@rule(
    "dimension-missing",
    "warning",
    "actionable",
    fires="no input has one of breadth, depth, frequency, efficiency, and `without` gives no reason",
    do="Add an input of that dimension, or write the reason under without.",
)
def dimension_missing(case: Case) -> Iterator[Hit]:
    present = {item.dimension for item in case.use_case.inputs}
    for dimension in DIMENSIONS:
        if dimension not in present and not case.use_case.without.get(dimension, "").strip():
            yield Hit("inputs", f"no input is about {dimension}, and no reason is given")


@rule(
    "dimension-excused-in-vain",
    "warning",
    "actionable",
    fires="`without` gives a reason for a dimension that an input has",
    do="Remove the reason, or the input.",
)
def dimension_excused_in_vain(case: Case) -> Iterator[Hit]:
    present = {item.dimension: item.metric for item in case.use_case.inputs}
    for dimension in case.use_case.without:
        if dimension in present:
            yield Hit(f"without.{dimension}", f"the input '{present[dimension]}' is about {dimension} all the same")


@rule(
    "counter-metric-missing",
    "warning",
    "not_vanity",
    fires="no counter-metric protects the North Star",
    do="Ask how the North Star could be gamed, and declare what would show it, with a threshold.",
)
def counter_metric_missing(case: Case) -> Iterator[Hit]:
    name = case.use_case.north_star.metric
    if all(counter.protects != name for counter in case.use_case.counter_metrics):
        yield Hit("counter_metrics", f"nothing would show that '{name}' grows at the expense of something else")


@rule(
    "counter-metric-without-threshold",
    "warning",
    "not_vanity",
    fires="a counter-metric has a warn and no breach (with neither, 3 % and 5 % against the median of 8 weeks hold)",
    do="Say from where on somebody has to act (breach), or leave both away.",
)
def counter_metric_without_threshold(case: Case) -> Iterator[Hit]:
    for place, counter in enumerate(case.use_case.counter_metrics):
        if counter.warn is not None and counter.breach is None:
            unit = "share" if counter.against else case.use_case.metrics[counter.metric].unit
            has = f"warn {shown(counter.warn, unit)} alone"
            yield Hit(f"counter_metrics.{place}.breach", f"'{counter.metric}' has {has}: it never asks anybody to act")


@rule(
    "counter-metric-thresholds-swapped",
    "warning",
    "not_vanity",
    fires="a counter-metric is in breach before it warns",
    do="Put warn before breach in the direction in which the metric gets worse, or mend `better`; shares of a median "
    "are both shares by which it may get worse.",
)
def counter_metric_thresholds_swapped(case: Case) -> Iterator[Hit]:
    for place, counter in enumerate(case.use_case.counter_metrics):
        if counter.warn is None or counter.breach is None:
            continue
        rail = guardrail_of(case.use_case, counter)
        rises = rail.weeks is not None or rail.better == "lower"
        warn, breach = (counter.warn, counter.breach) if rises else (counter.breach, counter.warn)
        if warn > breach:
            unit = case.use_case.metrics[counter.metric].unit if rail.weeks is None else "share"
            yield Hit(
                f"counter_metrics.{place}.warn",
                f"'{counter.metric}' (better: {rail.better}) warns at {shown(counter.warn, unit)}, beyond its "
                f"breach at {shown(counter.breach, unit)}",
            )


@rule(
    "counter-metric-without-risk",
    "warning",
    "not_vanity",
    fires="a counter-metric does not say what it guards against",
    do="Write how the metric that it protects could grow at the customer's expense.",
)
def counter_metric_without_risk(case: Case) -> Iterator[Hit]:
    for place, counter in enumerate(case.use_case.counter_metrics):
        if not counter.risk.strip():
            yield Hit(f"counter_metrics.{place}.risk", f"'{counter.metric}' does not say what it guards against")


@rule(
    "metric-unused",
    "warning",
    fires="a metric is declared and nothing uses it: no role, outcome, gate, formula or other metric in use",
    do="Give it a role, or remove it: what has no role is not computed.",
)
def metric_unused(case: Case) -> Iterator[Hit]:
    used = used_metrics(case.use_case)
    for name in case.use_case.metrics:
        if name not in used:
            yield Hit(f"metrics.{name}", f"nothing uses the metric '{name}'")


@rule(
    "event-unused",
    "warning",
    fires="an event is declared that no metric reads and that makes no account active",
    do="Remove it, or the metric that should read it is missing.",
)
def event_unused(case: Case) -> Iterator[Hit]:
    use_case = case.use_case
    used = set(use_case.active_events)
    for name in use_case.metrics:
        used |= {event for part in parts(use_case, name) for event in events(use_case, part.metric)}
    for name in use_case.events:
        if name not in used:
            yield Hit(f"events.{name}", f"nothing uses the event '{name}'")


@rule(
    "filter-never-true",
    "error",
    "measurable",
    fires="a filter can't be true for any combination of values that its properties declare with one_of",
    do="Mend the filter, or the declared values.",
)
def filter_never_true(case: Case) -> Iterator[Hit]:
    for path, one in _filters(case).items():
        if not can_be_true(one):
            yield Hit(path, f"'{one.text}' is never true{_because(one)}")


@rule(
    "filter-value-undeclared",
    "warning",
    "measurable",
    fires="a filter that can be true compares a property with a value that is not in its one_of",
    do="Mend the value, or declare it.",
)
def filter_value_undeclared(case: Case) -> Iterator[Hit]:
    for path, one in _filters(case).items():
        if can_be_true(one) and (because := _because(one)):
            yield Hit(path, f"'{one.text}'{because}")


def _filters(case: Case) -> dict[str, Filter]:
    """Every filter of the use case's metrics, once, by key path."""
    use_case = case.use_case
    found = (part for name in use_case.metrics for part in parts(use_case, name))
    return {one.path: one for part in found for one in filters(use_case, part, case.attributes)}


def _because(one: Filter) -> str:
    """The values in a filter that nobody declares, as the end of a sentence."""
    said = [
        f"'{value}' is none of {column}'s values; {nearest(str(value), map(str, declared))}".rstrip(".")
        for column, value, declared in undeclared_values(one)
    ]
    return f": {'; '.join(said)}" if said else ""


ROLE_RULES = (
    inputs_missing,
    input_without_owner,
    dimension_missing,
    dimension_excused_in_vain,
    counter_metric_missing,
    counter_metric_without_threshold,
    counter_metric_thresholds_swapped,
    counter_metric_without_risk,
    filter_never_true,
    filter_value_undeclared,
    metric_unused,
    event_unused,
)
