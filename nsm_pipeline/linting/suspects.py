"""Numbers that make a bad North Star, known by what they compute and by what they are called.

What belongs here: the words and shapes of revenue, vanity and things that customers alone decide. What does not: what
follows from a suspicion (`north_star_rules`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nsm_pipeline.linting.reach import Part, events, filters, growing_parts
from nsm_pipeline.playbook.filters import used_columns
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.models import UseCase

CURRENCIES = {"usd", "eur", "gbp", "chf", "jpy", "$", "€", "£", "¥", "dollars", "euros", "cents"}
REVENUE = re.compile(
    r"\b(revenues?|mrr|arr|acv|tcv|gmv|arpu|ltv|lifetime value|bookings|billings|turnover|income|profits?)\b"
)
# Of a property or attribute without a unit: money in all likelihood.
AMOUNT = re.compile(
    r"\b(amounts?|prices?|cents|usd|eur|gbp|fees?|invoiced|revenues?|mrr|arr|acv|tcv|gmv|turnover"
    r"|(order|basket|cart|deal|contract) ?(value|total))\b"
)
VIEWS = re.compile(
    r"\b(page ?views?|page ?viewed|page ?visits?|page ?visited|screen ?views?|screen ?viewed|impressions?)\b"
)
GAINED_ONCE = re.compile(
    r"\b(downloads?|downloaded|installs?|installed|installations?|sign ?ups?|signed ?up|registered|registrations?)\b"
)
VANITY = re.compile(rf"{VIEWS.pattern}|{GAINED_ONCE.pattern}|\b(followers?|likes|visitors?|hits)\b")
OPINION = re.compile(r"\b(ratings?|stars?|nps|csat|reviews? ?score|satisfaction)\b")
DEALS = re.compile(r"\bdeals? ?(closed|won|signed)\b|\b(closed|won) deals?\b")
UNCONTROLLED = re.compile(rf"{OPINION.pattern}|{DEALS.pattern}|\b(five|5) stars?\b|\bnet promoter\b")
ADDED_UP = ("sum", "average", "median", "quantile", "minimum", "maximum")


@dataclass(frozen=True)
class Suspicion:
    """What speaks against a North Star: at which key, and what it was seen in."""

    path: str
    found: str


def words(text: str) -> str:
    """A name or title as lower-case words between blanks: `page_views`, `Page-Views` and `pageViews` are alike."""
    return " ".join(re.findall(r"[a-z0-9$€£¥]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()))


def called(use_case: UseCase, pattern: re.Pattern[str]) -> Suspicion | None:
    """A suspicion from the North Star's name or title."""
    name = use_case.north_star.metric
    title = use_case.metrics[name].title
    for path, text in ((f"metrics.{name}.title", title), ("north_star.metric", name)):
        if match := pattern.search(words(text)):
            return Suspicion(path, f"'{text}' says '{match[0]}'")
    return None


def revenue(use_case: UseCase) -> Suspicion | None:
    """The North Star grows with money: an attribute or a property that holds amounts."""
    name = use_case.north_star.metric
    if (unit := words(use_case.metrics[name].unit)) in CURRENCIES:
        return Suspicion(f"metrics.{name}.unit", f"its unit is {unit}")
    for part in growing_parts(use_case, name):
        metric, kind = part.metric, part.metric.kind
        column = str(getattr(metric, kind)) if kind in (*ADDED_UP, "attribute") else ""
        if not column or (kind == "attribute" and metric.aggregate == "count"):
            continue
        unit = _unit(use_case, metric, column)
        if unit in CURRENCIES or (not unit and AMOUNT.search(words(column))):
            how = metric.aggregate or "sum" if kind == "attribute" else kind
            return Suspicion(f"{part.path}.{kind}", f"it is the {how} of '{column}', which is money")
    return None


def _unit(use_case: UseCase, metric: Metric, column: str) -> str:
    declared = [use_case.events[name].properties.get(column) for name in events(use_case, metric)]
    units = [words(one.unit) for one in declared if one is not None and one.unit]
    return (units or [words(metric.unit)])[0]


def vanity(use_case: UseCase) -> Suspicion | None:
    """The North Star counts what grows without anybody getting value: views, downloads, everybody who ever came."""
    return next(
        (found for part in growing_parts(use_case, use_case.north_star.metric) if (found := _vain(use_case, part))),
        None,
    )


def _vain(use_case: UseCase, part: Part) -> Suspicion | None:
    metric = part.metric
    at = f"{part.path}.{metric.kind}"
    if metric.kind == "attribute":
        everybody = metric.aggregate == "count" and metric.over == "all" and metric.where is None
        return Suspicion(at, "it counts every account that ever registered") if everybody else None
    if metric.kind == "cohort":
        signed_up = metric.begins_when_created and metric.to is None and metric.where is None
        return Suspicion(at, "it counts accounts created, whatever they do") if signed_up else None
    for pattern, kinds in ((VIEWS, ("count",)), (GAINED_ONCE, ("count", "count_distinct"))):
        if metric.kind in kinds and (name := _event_like(use_case, metric, pattern)):
            return Suspicion(at, f"it counts '{name}'")
    return None


def uncontrolled(use_case: UseCase, attributes: Mapping[str, str]) -> Suspicion | None:
    """The North Star is decided by customers' opinion or signature alone."""
    for part in growing_parts(use_case, use_case.north_star.metric):
        metric = part.metric
        at = f"{part.path}.{metric.kind}"
        column = str(getattr(metric, metric.kind)) if metric.kind in ADDED_UP else ""
        if column and OPINION.search(words(column)):
            return Suspicion(at, f"it is the {metric.kind} of '{column}'")
        for one in filters(use_case, part, attributes):
            for name in sorted(used_columns(one.tree) & one.properties.keys()):
                if OPINION.search(words(name)):
                    return Suspicion(one.path, f"it counts by '{name}'")
        if metric.kind in ("count", "count_distinct") and (event := _event_like(use_case, metric, DEALS)):
            return Suspicion(at, f"it counts '{event}'")
    return None


def _event_like(use_case: UseCase, metric: Metric, pattern: re.Pattern[str]) -> str | None:
    """An event whose canonical name, or name as sent, is like a pattern."""
    for name in events(use_case, metric):
        for spelling in (name, *(source.name for source in use_case.events[name].sources)):
            if pattern.search(words(spelling)):
                return spelling
    return None
