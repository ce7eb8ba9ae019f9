"""A use case's report card: the seven criteria, each with its grade, the group's answer and the evidence.

What belongs here: the evidence in words, the grade that follows from findings. What does not: the findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from nsm_pipeline.linting.data_rules import colours_seen, threshold_words
from nsm_pipeline.linting.findings import CRITERIA, Case, Finding, Grade
from nsm_pipeline.linting.reach import metric_events
from nsm_pipeline.linting.role_rules import DIMENSIONS
from nsm_pipeline.playbook.models import CounterMetric
from nsm_pipeline.scoring.hypotheses import Evidence, evidence


@dataclass(frozen=True)
class Mark:
    """One criterion: grade, the group's answer ("" where there is none), evidence, and the findings that lowered it."""

    criterion: str
    grade: Grade
    answer: str
    evidence: tuple[str, ...]
    because: tuple[str, ...]


@dataclass(frozen=True)
class ReportCard:
    use_case: str
    title: str
    status: str
    owner: str
    north_star: str
    marks: tuple[Mark, ...]
    findings: tuple[Finding, ...]
    outcomes: dict[str, Evidence] = field(default_factory=dict)


def report_card(case: Case, findings: Sequence[Finding]) -> ReportCard:
    """A use case's grades from its findings: an error fails a criterion, a warning lowers it, a note does not."""
    use_case = case.use_case
    outcomes = outcome_evidence(case)
    marks = []
    for criterion in CRITERIA:
        mine = [one for one in findings if one.criterion == criterion]
        said = EVIDENCE[criterion](case) + (_leading(case, outcomes) if criterion == "leading_indicator" else [])
        marks.append(
            Mark(
                criterion,
                grade_of(mine),
                getattr(use_case.checklist, criterion).strip(),
                tuple(said),
                tuple(dict.fromkeys(one.rule for one in mine if one.severity != "note")),
            )
        )
    return ReportCard(
        use_case.use_case,
        use_case.title,
        use_case.status,
        use_case.owner.name,
        use_case.north_star.metric,
        tuple(marks),
        tuple(findings),
        outcomes,
    )


def grade_of(findings: Iterable[Finding]) -> Grade:
    severities = {one.severity for one in findings}
    return "fail" if "error" in severities else "warn" if "warning" in severities else "pass"


def outcome_evidence(case: Case) -> dict[str, Evidence]:
    """Per outcome: whether the North Star leads it, tested together with the other edges of the metric tree."""
    if case.seen is None:
        return {}
    found = evidence(case.use_case, case.seen.values)
    return {edge.drives: said for edge, said in found.items() if edge.relation == "outcome"}


def _value(case: Case) -> list[str]:
    moment = case.use_case.value_moment.strip()
    return [f"value moment: {moment}"] if moment else []


def _vision(case: Case) -> list[str]:
    found = [f"vision: {case.use_case.vision.strip()}"] if case.use_case.vision.strip() else []
    return [*found, f"game: {case.use_case.game}"] if case.use_case.game else found


def _leading(case: Case, outcomes: dict[str, Evidence]) -> list[str]:
    if case.seen is None and case.use_case.outcomes:
        return [f"outcome {name}: no data looked at" for name in case.use_case.outcomes]
    return [f"outcome {name}: {said.words}" for name, said in outcomes.items()] or ["no outcome declared"]


def _actionable(case: Case) -> list[str]:
    inputs = case.use_case.inputs
    owned = sum(bool(item.owner.strip()) for item in inputs)
    working = sum(bool(item.work) for item in inputs)
    said = [f"{len(inputs)} inputs, {owned} with an owner" + (f", {working} with work under way" if working else "")]
    for dimension in DIMENSIONS:
        names = [item.metric for item in inputs if item.dimension == dimension]
        reason = case.use_case.without.get(dimension, "").strip()
        said.append(f"{dimension}: {', '.join(names) or (f'none, because {reason}' if reason else 'none')}")
    return said


def _understandable(case: Case) -> list[str]:
    name = case.use_case.north_star.metric
    metric = case.use_case.metrics[name]
    title = f"{metric.title or name}" + (f", in {metric.unit}" if metric.unit else "")
    return [title, *([metric.description] if metric.description else [])]


def _measurable(case: Case) -> list[str]:
    if case.seen is None:
        return ["no data looked at"]
    said = []
    for name in metric_events(case.use_case, case.use_case.north_star.metric):
        seen = case.seen.events.get(name)
        if seen is None:
            said.append(f"{name}: not counted yet; nsm run does")
        elif not seen.rows:
            said.append(f"{name}: never seen")
        else:
            said.append(
                f"{name}: {seen.rows:,} events, weeks {seen.first_week} to {seen.last_week}{_present(case, name)}"
            )
    come = sum(seen.rows > 0 for seen in case.seen.events.values())
    return [*said, f"{come} of {len(case.use_case.events)} declared events seen"]


def _present(case: Case, name: str) -> str:
    """The least present required property of an event, as the end of a sentence."""
    assert case.seen is not None
    seen = case.seen.events[name]
    required = [key for key, declared in case.use_case.events[name].properties.items() if declared.required]
    shares = {key: 1 - seen.missing_lately.get(key, 0) / seen.rows_lately for key in required if seen.rows_lately}
    if not shares:
        return ""
    least = min(shares, key=shares.__getitem__)
    if shares[least] == 1:
        return "; required properties always there lately"
    return f"; required properties there lately: {least} in {shares[least]:.1%}, the others in more"


def _not_vanity(case: Case) -> list[str]:
    name = case.use_case.north_star.metric
    counters = [counter for counter in case.use_case.counter_metrics if counter.protects == name]
    return [_counter(case, counter) for counter in counters] or ["no counter-metric"]


def _counter(case: Case, counter: CounterMetric) -> str:
    found = colours_seen(case, counter)
    seen = f"; in breach in {found.count('red')} of {len(found)} weeks" if found else ""
    return f"guarded by {counter.metric} ({threshold_words(case.use_case, counter)}){seen}"


EVIDENCE: dict[str, Callable[[Case], list[str]]] = {
    "expresses_customer_value": _value,
    "represents_vision_and_strategy": _vision,
    "leading_indicator": lambda _: [],
    "actionable": _actionable,
    "understandable": _understandable,
    "measurable": _measurable,
    "not_vanity": _not_vanity,
}
