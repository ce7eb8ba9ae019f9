"""Answers and proposals together: the events that answers leave to the data, and a first playbook without answers.

What belongs here: which proposal goes into which answers. What does not: making proposals (`proposing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nsm_pipeline.playbook.metric_models import CREATED, Metric
from nsm_pipeline.workshop.answers import Answers
from nsm_pipeline.workshop.document import given, roles
from nsm_pipeline.workshop.proposing import Proposals, ProposedEvent

STAND_IN = (
    "it stands in until a group has chosen (`nsm init --blank` writes the questions): every account that sent anything "
    "counts, whether it got value or not."
)


def completed(answers: Answers, proposed: Proposals) -> Answers:
    """Answers with the proposed event for every event that they count but do not describe."""
    wanted = {name for metric in _metrics(answers) for name in events_of(metric)} | set(answers.activity or ())
    found = {one.name: one.event for one in proposed.events if one.name in wanted and one.name not in answers.events}
    return answers.model_copy(update={"events": {**answers.events, **found}})


def stand_in(use_case: str, events: Sequence[ProposedEvent]) -> Answers:
    """A playbook's answers from the data alone: all events, each counted, and active accounts for a North Star."""
    names = [one.name for one in events]
    counts = {f"{name}_rows"[:63]: {"title": f"Rows of {name}"[:80], "count": name} for name in names}
    counts.pop("active_accounts", None)
    return Answers.model_validate(
        {
            "use_case": use_case,
            "title": use_case.replace("_", " ").capitalize(),
            "owner": {"name": "to be named"},
            "events": {one.name: one.event for one in events},
            "candidates": [
                {
                    "name": "active_accounts",
                    "title": "Active accounts",
                    "counted": {"count_distinct": "account", "of": names, "unit": "accounts"},
                }
            ],
            "why": STAND_IN,
            "metrics": counts,
        }
    )


def events_of(metric: Metric) -> Iterator[str]:
    """Names of the events that a metric counts; those behind metrics that it names are left out."""
    yield from metric.count or ()
    yield from metric.of or ()
    for step in (metric.start, metric.to):
        if step is not None:
            yield from (name for name in step.events if name != CREATED)
    if metric.ratio is not None:
        for side in (metric.ratio.numerator, metric.ratio.denominator):
            if isinstance(side, Metric):
                yield from events_of(side)


def _metrics(answers: Answers) -> Iterator[Metric]:
    yield from (candidate.counted for candidate in answers.contenders if candidate.counted is not None)
    for rows in roles(answers).values():
        yield from (row.counted for _, row in given(rows))
    yield from answers.metrics.values()
