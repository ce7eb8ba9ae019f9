"""A counter-metric's threshold as it holds, with what the playbook leaves unsaid.

What belongs here: defaults of direction and widths. What does not: values held to it (`scoring.guardrails`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nsm_pipeline.playbook.models import Against, CounterMetric, UseCase

WARN, BREACH = 0.03, 0.05


@dataclass(frozen=True)
class Guardrail:
    """`warn`, `breach`: values where `weeks` is None, else shares by which a value may be worse than the median of that
    many complete weeks before it; either may be missing, not both. `better`: the direction that is good."""

    better: Literal["higher", "lower"]
    warn: float | None
    breach: float | None
    weeks: int | None


def guardrail_of(use_case: UseCase, counter: CounterMetric) -> Guardrail:
    """The threshold of a counter-metric: its own, else 3 % and 5 % against the median of 8 weeks."""
    better = better_of(use_case, counter)
    if counter.against is None and (counter.warn is not None or counter.breach is not None):
        return Guardrail(better, counter.warn, counter.breach, None)
    weeks = (counter.against or Against()).weeks
    if counter.warn is None and counter.breach is None:
        return Guardrail(better, WARN, BREACH, weeks)
    return Guardrail(better, counter.warn, counter.breach, weeks)


def better_of(use_case: UseCase, counter: CounterMetric) -> Literal["higher", "lower"]:
    """Which direction is good for a counter-metric: as it says, else as its metric says, else lower."""
    metric = use_case.metrics[counter.metric]
    if counter.better is not None:
        return counter.better
    return metric.better if "better" in metric.model_fields_set else "lower"
