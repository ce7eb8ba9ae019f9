"""Rules about the North Star itself: what it computes, what it is called, what the group says of it.

What belongs here: rules that need the declarations alone. What does not: inputs and counter-metrics (`role_rules`),
data (`data_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from re import Pattern

from nsm_pipeline.linting.findings import CRITERIA, Case, Hit, rule
from nsm_pipeline.linting.suspects import (
    REVENUE,
    UNCONTROLLED,
    VANITY,
    Suspicion,
    called,
    revenue,
    uncontrolled,
    vanity,
)
from nsm_pipeline.playbook.formulas import operands, parse_formula

MOST_OPERANDS = 3
LAGS = "revenue follows value that customers have had already: when it falls, it is too late to act"
VAIN = "it grows even where nobody gets any value"
OUT_OF_REACH = "customers alone decide it: no team can plan to move it"


@rule(
    "answer-missing",
    "warning",
    fires="the checklist has no answer to one of the seven criteria; it lowers that criterion",
    do="Write the group's answer, one sentence, under checklist.",
)
def answer_missing(case: Case) -> Iterator[Hit]:
    for key, title in CRITERIA.items():
        if not getattr(case.use_case.checklist, key).strip():
            yield Hit(f"checklist.{key}", f"the group has given no answer to '{title.lower()}'", key)


@rule(
    "value-moment-missing",
    "warning",
    "expresses_customer_value",
    fires="no value_moment is declared",
    do="Say in one sentence when a customer gets value.",
)
def value_moment_missing(case: Case) -> Iterator[Hit]:
    if not case.use_case.value_moment.strip():
        yield Hit("value_moment", "nobody has written down when a customer gets value")


@rule(
    "vision-missing",
    "warning",
    "represents_vision_and_strategy",
    fires="no vision is declared",
    do="Write the vision that the North Star is to represent.",
)
def vision_missing(case: Case) -> Iterator[Hit]:
    if not case.use_case.vision.strip():
        yield Hit("vision", "there is no vision that the North Star could represent")


@rule(
    "game-missing",
    "note",
    "represents_vision_and_strategy",
    fires="no game is declared",
    do="Choose attention, transaction or productivity.",
)
def game_missing(case: Case) -> Iterator[Hit]:
    if case.use_case.game is None:
        yield Hit("game", "it is not said which game the product plays")


def _computed(found: Suspicion | None, why: str) -> Iterator[Hit]:
    if found is not None:
        yield Hit(found.path, f"{found.found}; {why}")


def _named(case: Case, pattern: Pattern[str], computed: Callable[[], Suspicion | None], why: str) -> Iterator[Hit]:
    """A hit by name, unless what is computed has said so already."""
    if computed() is None and (found := called(case.use_case, pattern)) is not None:
        yield Hit(found.path, f"{found.found}; {why}")


BE_REVENUE = (
    "Take the value that customers pay for as North Star; declare revenue under outcomes, which it should lead."
)
BE_VALUE = "Count customers or events in which value was received in the week."
BE_ACTIONABLE = "Count what happens in the product; keep opinions and deals as outcomes."


@rule(
    "north-star-revenue",
    "error",
    "leading_indicator",
    fires="the North Star grows with money: an attribute such as arr or mrr, a property such as amount, a currency",
    do=BE_REVENUE,
)
def north_star_revenue(case: Case) -> Iterator[Hit]:
    return _computed(revenue(case.use_case), LAGS)


@rule(
    "north-star-revenue-words",
    "warning",
    "leading_indicator",
    fires="the North Star is called revenue, MRR, ARR, bookings, …, though nothing that it computes is known as money",
    do=BE_REVENUE,
)
def north_star_revenue_words(case: Case) -> Iterator[Hit]:
    return _named(case, REVENUE, lambda: revenue(case.use_case), LAGS)


@rule(
    "north-star-vanity",
    "error",
    "not_vanity",
    fires="the North Star counts page views, downloads, installs, sign-ups, or all accounts that ever registered",
    do=BE_VALUE,
)
def north_star_vanity(case: Case) -> Iterator[Hit]:
    return _computed(vanity(case.use_case), VAIN)


@rule(
    "north-star-vanity-words",
    "warning",
    "not_vanity",
    fires="the North Star is called registered, downloads, page views, …, though what it computes does not show it",
    do=BE_VALUE,
)
def north_star_vanity_words(case: Case) -> Iterator[Hit]:
    return _named(case, VANITY, lambda: vanity(case.use_case), VAIN)


@rule(
    "north-star-uncontrolled",
    "error",
    "actionable",
    fires="the North Star is made of ratings, stars, NPS, CSAT or deals closed",
    do=BE_ACTIONABLE,
)
def north_star_uncontrolled(case: Case) -> Iterator[Hit]:
    return _computed(uncontrolled(case.use_case, case.attributes), OUT_OF_REACH)


@rule(
    "north-star-uncontrolled-words",
    "warning",
    "actionable",
    fires="the North Star is called after ratings, stars or deals closed, though what it computes does not show it",
    do=BE_ACTIONABLE,
)
def north_star_uncontrolled_words(case: Case) -> Iterator[Hit]:
    return _named(case, UNCONTROLLED, lambda: uncontrolled(case.use_case, case.attributes), OUT_OF_REACH)


@rule(
    "north-star-untitled",
    "warning",
    "understandable",
    fires="the North Star's metric has no title",
    do="Give it a title that everybody in the company reads the same way.",
)
def north_star_untitled(case: Case) -> Iterator[Hit]:
    name = case.use_case.north_star.metric
    if not case.use_case.metrics[name].title.strip():
        yield Hit(f"metrics.{name}.title", f"'{name}' is known by its key alone")


@rule(
    "north-star-undescribed",
    "note",
    "understandable",
    fires="the North Star's metric has no description or no unit",
    do="Say in one sentence what is counted, and in what unit.",
)
def north_star_undescribed(case: Case) -> Iterator[Hit]:
    name = case.use_case.north_star.metric
    for key in ("description", "unit"):
        if not getattr(case.use_case.metrics[name], key).strip():
            yield Hit(f"metrics.{name}.{key}", f"the North Star has no {key}")


@rule(
    "north-star-composite",
    "warning",
    "understandable",
    fires=f"the North Star is a formula over more than {MOST_OPERANDS} metrics",
    do="Take one number that people can picture; make the others its inputs.",
)
def north_star_composite(case: Case) -> Iterator[Hit]:
    name = case.use_case.north_star.metric
    formula = case.use_case.metrics[name].formula
    if formula is not None and len(names := operands(parse_formula(formula))) > MOST_OPERANDS:
        yield Hit(f"metrics.{name}.formula", f"nobody can picture a number made of {len(names)} others")


@rule(
    "outcomes-missing",
    "note",
    "leading_indicator",
    fires="no outcome is declared that the North Star should lead",
    do="Declare renewals, retention or revenue under outcomes, so that the lead can be looked at.",
)
def outcomes_missing(case: Case) -> Iterator[Hit]:
    if not case.use_case.outcomes:
        yield Hit("outcomes", "no outcome is declared, so nothing shows what the North Star leads")


@rule(
    "review-overdue",
    "warning",
    fires="today is after review_by",
    do="Review the definition with the group and set the next date.",
)
def review_overdue(case: Case) -> Iterator[Hit]:
    due = case.use_case.review_by
    if due is not None and case.today > due:
        yield Hit("review_by", f"the review was due on {due}, {(case.today - due).days} days ago")


@rule(
    "review-missing",
    "note",
    fires="no review_by is declared",
    do="Set the day on which the group looks at its North Star again.",
)
def review_missing(case: Case) -> Iterator[Hit]:
    if case.use_case.review_by is None:
        yield Hit("review_by", "no date is set for the next review")


@rule(
    "status-not-agreed",
    "note",
    fires="the use case is proposed or deprecated",
    do="Nothing, as long as that is so: proposed weeks are computed and never certified.",
)
def status_not_agreed(case: Case) -> Iterator[Hit]:
    if case.use_case.status != "agreed":
        yield Hit("status", f"the use case is {case.use_case.status}")


NORTH_STAR_RULES = (
    answer_missing,
    value_moment_missing,
    vision_missing,
    game_missing,
    north_star_revenue,
    north_star_revenue_words,
    outcomes_missing,
    north_star_uncontrolled,
    north_star_uncontrolled_words,
    north_star_untitled,
    north_star_undescribed,
    north_star_composite,
    north_star_vanity,
    north_star_vanity_words,
    review_overdue,
    review_missing,
    status_not_agreed,
)
