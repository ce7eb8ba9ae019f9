"""The seven criteria of a good North Star as a workshop asks for them, and how candidates compare.

What belongs here: the questions, the points, the order of candidates. What does not: grading a playbook with evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

from nsm_pipeline.workshop.answers import Candidate

# Criterion of the playbook's checklist → what to ask.
CRITERIA = {
    "expresses_customer_value": "Does it express the value that customers get?",
    "represents_vision_and_strategy": "Does it stand for our vision and strategy?",
    "leading_indicator": "Does it lead later success (renewals, revenue) instead of following it?",
    "actionable": "Can we move it by what we do?",
    "understandable": "Can everybody understand it?",
    "measurable": "Can we measure it, from what is sent or soon will be?",
    "not_vanity": "Does a rise always mean something real, and is it no vanity metric?",
}
POINTS = {0: "no", 1: "partly", 2: "yes"}
MOST = len(CRITERIA) * max(POINTS)


def points(candidate: Candidate) -> dict[str, int | None]:
    """Points by criterion; None where the group has given none."""
    return {name: getattr(candidate.scores, name).score for name in CRITERIA}


def total(candidate: Candidate) -> int:
    return sum(given or 0 for given in points(candidate).values())


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Best first; of equal totals the one with fewer plain noes, then the one named first."""
    return sorted(candidates, key=lambda one: (-total(one), list(points(one).values()).count(0)))
