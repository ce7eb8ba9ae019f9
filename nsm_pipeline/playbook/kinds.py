"""Every metric kind in words: what it means exactly, and an example that the tests compute.

What belongs here: the reference that docs/playbook.md shows, and a definition said in one line. What does not: the
grammar (`metric_models`) or the computation (`metrics`).
"""

from __future__ import annotations

from dataclasses import dataclass

from nsm_pipeline.playbook.metric_models import Metric, Step


@dataclass(frozen=True)
class Kind:
    """One kind: its exact meaning, its numerator and denominator in the extract, and an example in YAML."""

    name: str
    means: str
    numerator: str
    denominator: str
    example: str


KINDS = (
    Kind(
        "count",
        "Events of the window. 0 where there are none.",
        "the value",
        "–",
        "{count: order_placed}",
    ),
    Kind(
        "count_distinct",
        "Distinct accounts, users or values of a property with at least one event; missing ones do not count. Exact, "
        "and counted anew in every slice: distinct counts do not add up.",
        "the value",
        "–",
        "{count_distinct: user, of: order_placed, window: 28 days}",
    ),
    Kind(
        "sum",
        "Of a numeric property over the events; missing values are left out. 0 where there are none.",
        "the value",
        "–",
        "{sum: amount, of: order_placed}",
    ),
    Kind(
        "average",
        "Mean of the values that are there; no value where there are none.",
        "their sum",
        "how many",
        "{average: amount, of: order_placed}",
    ),
    Kind(
        "median, minimum, maximum",
        "Of the values that are there; no value where there are none.",
        "–",
        "how many values",
        "{median: amount, of: order_placed}",
    ),
    Kind(
        "quantile",
        "The value below which the share `q` of the values lies, interpolated between neighbours.",
        "–",
        "how many values",
        "{quantile: amount, q: 90%, of: order_placed}",
    ),
    Kind(
        "count_entities",
        "Accounts, users or values of a property whose own events pass a threshold: their number (`> 40`), a sum "
        "(`sum amount >= 100`) or distinct values (`distinct user > 3`); `per seat` (or another numeric attribute) "
        "multiplies the bound, and who has none does not pass. Only entities with an event can pass.",
        "the value",
        "–",
        '{count_entities: account, of: order_placed, having: ">= 2 per seat", window: 4 weeks}',
    ),
    Kind(
        "attribute",
        "Sum, average or count of an account attribute as of the week, over accounts active in the week or all.",
        "the value",
        "–",
        "{attribute: seats, aggregate: sum, over: active}",
    ),
    Kind(
        "ratio",
        "One metric's value over another's, by name or spelled out; no value where the divisor is 0 or missing.",
        "the first value",
        "the second value",
        "{ratio: {numerator: {count: order_placed}, denominator: {count_distinct: account, of: order_placed}}}",
    ),
    Kind(
        "conversion",
        "Of the entities with a `from` event in the week, the share with a `to` event later than one of them and at "
        "most `within` after it. From `created_on`: of the accounts created in the week, those with one in the first "
        "local days.",
        "those who did",
        "those who began",
        "{conversion: account, from: signed_up, to: order_placed, within: 7 days}",
    ),
    Kind(
        "time_between",
        "From an entity's first `from` event in the week to its first later `to` event at most `within` after it: the "
        "median, or `aggregate: average`, or `quantile` with `q`; in seconds, or in `unit: minutes`, `hours`, `days`. "
        "Who never got there is left out and counted.",
        "those who got there",
        "those who began",
        "{time_between: account, from: signed_up, to: order_placed, within: 14 days, unit: hours}",
    ),
    Kind(
        "retention",
        "Of the entities active `weeks` weeks ago (1 by default), the share active in the week.",
        "active in both",
        "active then",
        "{retention: account, of: order_placed, weeks: 4}",
    ),
    Kind(
        "cohort",
        "Entities that began in the week (`created_on`, or their first event ever) and, from that moment on and for "
        "less than `within`, did `to` at least once, or passed `having`. `as: share` divides by those who began.",
        "those who did",
        "those who began",
        '{cohort: account, from: created_on, to: order_placed, having: "distinct user > 1", within: 7 days}',
    ),
    Kind(
        "lifecycle",
        "Entities (accounts, or `entity: user`) that are `new` (first active week ever), `retained` (active in the "
        "week before too), `resurrected` (active earlier, not in the week before) or `churned` (active in the week "
        "before, not now), by the use case's activity or `of`. `by: created_on` divides active accounts into new "
        "(created in the week) and retained (created before).",
        "the value",
        "–",
        "{lifecycle: resurrected}",
    ),
    Kind(
        "formula",
        "Arithmetic over other metrics: + − * / and brackets; no value where an operand has none or a divisor is 0. "
        "Slices are computed slice by slice. Unlike units are not added.",
        "–",
        "–",
        "{formula: orders * 2 - buyers}",
    ),
)


def kinds_table() -> str:
    """The kinds as a Markdown table, for docs/playbook.md."""
    lines = ["| kind | means | numerator | denominator | example |", "|---|---|---|---|---|"]
    for kind in KINDS:
        name = ", ".join(f"`{one}`" for one in kind.name.split(", "))
        lines.append(f"| {name} | {kind.means} | {kind.numerator} | {kind.denominator} | `{kind.example}` |")
    return "\n".join(lines)


def definition_text(metric: Metric) -> str:
    """A definition in one line, as a person would say it."""
    parts = [_core(metric)]
    if metric.where:
        parts.append(f"where {metric.where}")
    if metric.window.days != 7:
        weeks, rest = divmod(metric.window.days, 7)
        parts.append(f"in {_many(metric.window.days, 'day')}" if rest else f"in {_many(weeks, 'week')}")
    if metric.include_internal:
        parts.append("with internal accounts")
    return " ".join(parts)


def _core(metric: Metric) -> str:
    of = " + ".join(metric.count or metric.of or ())
    match metric.kind:
        case "count":
            return f"count of {of}"
        case "count_distinct":
            return f"distinct {metric.count_distinct} of {of}"
        case "quantile":
            return f"{metric.q:.4g} quantile of {metric.quantile} of {of}"
        case "count_entities":
            return f"{metric.count_entities} with {metric.having} of {of}"
        case "attribute":
            return f"{metric.aggregate or 'sum'} of {metric.attribute} over {metric.over} accounts"
        case "ratio" if metric.ratio is not None:
            sides = (metric.ratio.numerator, metric.ratio.denominator)
            numerator, denominator = (side if isinstance(side, str) else definition_text(side) for side in sides)
            return f"({numerator}) ÷ ({denominator})"
        case "conversion":
            return f"share of {metric.conversion} with {_step(metric.to)} after {_step(metric.start)} {_within(metric)}"
        case "time_between":
            aggregate = f"{metric.q:.4g} quantile of" if metric.q else metric.aggregate or "median"
            steps = f"from {_step(metric.start)} to {_step(metric.to)}"
            return f"{aggregate} time per {metric.time_between} {steps} {_within(metric)}"
        case "retention":
            return f"share of {metric.retention} with {of} {_many(metric.weeks, 'week')} ago that have it now"
        case "cohort":
            having = f" ({metric.having})" if metric.having else ""
            done = f" with {_step(metric.to)}{having} {_within(metric)}" if metric.to else ""
            share = "share of " if metric.shown_as == "share" else ""
            return f"{share}{metric.cohort} that began with {_step(metric.start)}{done}"
        case "lifecycle":
            return f"{metric.lifecycle} {metric.entity} by {metric.by}{f' of {of}' if of else ''}"
        case "formula":
            return str(metric.formula)
    return f"{metric.kind} {getattr(metric, metric.kind)} of {of}"


def _step(step: Step | None) -> str:
    if step is None:
        return ""
    return " or ".join(step.events) + (f" ({step.where})" if step.where else "")


def _within(metric: Metric) -> str:
    if metric.within is None:
        return ""
    days, hours = divmod(metric.within.hours, 24)
    return f"within {_many(metric.within.hours, 'hour') if hours else _many(days, 'day')}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
