"""What declarations mean, in words: targets, guardrails, sources over time, what "no value" says.

What belongs here: sentences about single declarations. What does not: where they stand on a page (`handbook`).
"""

from __future__ import annotations

from nsm_pipeline.playbook.guardrails import Guardrail
from nsm_pipeline.playbook.kinds import KINDS, Kind
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.models import Event, Path, Source, Target
from nsm_pipeline.playbook.words import ONE_WEEK
from nsm_pipeline.reporting.handbook_parts import exact, exact_share, many, spelled_short

NO_VALUE = {
    **dict.fromkeys(
        ("count", "count_distinct", "sum", "count_entities", "lifecycle"),
        "never: a week without a matching event is 0",
    ),
    **dict.fromkeys(
        ("average", "median", "quantile", "minimum", "maximum"), "the week has no matching event with a value"
    ),
    "attribute": "an average over no account; a sum or count is 0 then",
    "ratio": "the denominator is 0 or has no value",
    "conversion": "nobody began in the week",
    "time_between": "nobody who began in the week got there",
    "retention": "nobody was active in the earlier week",
    "cohort": "as a share: nobody began in the week; a number is 0 then",
    "formula": "an operand has no value, or a divisor is 0",
}
"""When a metric of a kind has no value in a week."""


def kind_of(metric: Metric) -> Kind:
    """The exact meaning of a metric's kind."""
    return next(kind for kind in KINDS if metric.kind in kind.name.split(", "))


def span_in_words(metric: Metric) -> str:
    """Which time a metric's number of a week is about."""
    within = f", followed for {spelled_short(metric.within)}" if metric.within else ""
    match metric.kind:
        case "attribute":
            return "as the accounts are in the week"
        case "conversion" | "time_between" | "cohort":
            return f"those who begin in the week{within}"
        case "retention":
            return f"the week, and the one {many(metric.weeks, 'week')} before"
        case "lifecycle":
            return "the week, and all weeks before"
        case "ratio" | "formula":
            return "as the metrics that it is made of"
    return "the week" if metric.window == ONE_WEEK else f"the {spelled_short(metric.window)} that end with the week"


def amount(value: float, unit: str) -> str:
    """A threshold or target in the metric's unit, with all its digits."""
    if unit == "share":
        return exact_share(value)
    return f"{exact(value)} {unit}".strip()


def path_in_words(path: Path, unit: str) -> str:
    """Where a metric should be, in one sentence."""
    begins = f"from the week of {path.since} on" if path.since else ""
    if path.value is None:
        growth = exact_share(path.growth_per_week) if isinstance(path, Target) else ""
        if not growth:
            return "no target"
        if path.since is None:
            return f"each week {growth} above the one before"
        return f"{growth} more every week, compounding {begins}"
    goal = amount(path.value, unit)
    if path.by is None:
        return f"{goal} in every week{f' {begins}' if begins else ''}"
    way = "by equal growth" if path.path == "compound" else "by equal steps"
    return f"{goal} by {path.by}, {way} {begins or 'from the first published week on'}"


def thresholds_in_words(guardrail: Guardrail, unit: str) -> str:
    """When a guardrail turns yellow and red, in one sentence."""
    worse = "falls" if guardrail.better == "higher" else "rises"
    beyond = "at or below" if guardrail.better == "higher" else "at or above"
    said = []
    for colour, at in (("yellow", guardrail.warn), ("red", guardrail.breach)):
        if at is None:
            continue
        if guardrail.weeks is None:
            said.append(f"{colour} {beyond} {amount(at, unit)}")
        else:
            said.append(f"{colour} where it {worse} by {exact_share(at)} or more")
    against = "" if guardrail.weeks is None else f" against the median of the {many(guardrail.weeks, 'week')} before"
    return ", ".join(said) + against


def history_in_words(event: Event) -> list[str]:
    """How an event has been sent, in order of time: one sentence per source."""
    order = sorted(event.sources, key=lambda source: (str(source.since or ""), str(source.until or "~")))
    return [_source(source, len(order) > 1) for source in order]


def _source(source: Source, several: bool) -> str:
    match (source.since, source.until):
        case (None, None):
            when = "at all times"
        case (since, None):
            when = f"since {since}"
        case (None, until):
            when = f"until before {until}"
        case (since, until):
            when = f"since {since} until before {until}"
    said = f"{source.name}, {when}"
    if source.preferred and several:
        said += "; its copy wins while another is sent too"
    renamed = [f"{name} is sent as {spelled_short(one)}" for name, one in source.properties.items()]
    return said + (f"; {', '.join(renamed)}" if renamed else "")
