"""How many events of each name a week has, so that the whole history delivers ``SampleSpec.events`` rows.

Belongs here: the catalogue of event names with their share of all rows, and the budget per week.
"""

from dataclasses import dataclass

import numpy as np

from nsm_pipeline.sample.accounts import Accounts
from nsm_pipeline.sample.activity import USE_CASES, Lives, active_week
from nsm_pipeline.sample.arrow_text import Floats, Ints
from nsm_pipeline.sample.spec import SampleSpec
from nsm_pipeline.sample.timeline import Timeline

PIPELINE_OLD = "ci_pipeline_done"
PIPELINE = "pipeline.finished"
BUILD = "build.finished"
SCAN = "scan.completed"
RESOLVED = "vulnerability.resolved"
MERGED = "merge_request.merged"
VIEWED = "audit_events.viewed"
EXPORTED = "audit_events.exported"
PROTECTED = "branch.protected"
LABELLED = "framework.label_applied"
HEARTBEAT = "web.heartbeat"

NAMES = (
    PIPELINE_OLD,
    PIPELINE,
    BUILD,
    SCAN,
    RESOLVED,
    MERGED,
    VIEWED,
    EXPORTED,
    PROTECTED,
    LABELLED,
    HEARTBEAT,
)

# name: (the use case whose activity it follows, share of all rows over the history)
SHARES: dict[str, tuple[str, float]] = {
    PIPELINE: ("ci", 0.24),
    BUILD: ("ci", 0.50),
    SCAN: ("security", 0.12),
    RESOLVED: ("security", 0.020),
    MERGED: ("compliance", 0.09),
    VIEWED: ("compliance", 0.014),
    EXPORTED: ("compliance", 0.003),
    PROTECTED: ("compliance", 0.005),
    LABELLED: ("compliance", 0.003),
    HEARTBEAT: ("ci", 0.005),
}

DUPLICATE_SHARE = 0.01
DUAL_RUN_SHARE = 0.5
OUTAGE_KEPT = 0.30
DAY_SHAPE = np.array([1.0, 1.07, 1.08, 1.04, 0.9, 0.30, 0.26])  # Monday … Sunday
# The share of the week in progress that has arrived by its Thursday night.
ARRIVED_IN_PROGRESS = 0.965


@dataclass(frozen=True)
class Budget:
    """``counts[week][name]``: events to make before duplicates, dual-run copies and losses."""

    counts: tuple[dict[str, int], ...]


def make_budget(spec: SampleSpec, when: Timeline, accounts: Accounts, lives: Lives) -> Budget:
    """Spread the events over weeks and names in proportion to activity."""
    strength = np.zeros((when.weeks, len(USE_CASES)))
    for week in range(when.weeks):
        passed = DAY_SHAPE[: when.days(week)].sum() / DAY_SHAPE.sum()
        strength[week] = active_week(spec, when, accounts, lives, week).weights.sum(axis=1) * passed
    names = [name for name, (use_case, _) in SHARES.items() if strength[:, USE_CASES.index(use_case)].any()]
    if not names:
        return Budget(tuple({} for _ in range(when.weeks)))
    wanted: Floats = np.zeros((when.weeks, len(names)))
    delivered: Floats = np.zeros_like(wanted)
    for column, name in enumerate(names):
        use_case, share = SHARES[name]
        level = strength[:, USE_CASES.index(use_case)]
        wanted[:, column] = share * level / level.sum()
        delivered[:, column] = wanted[:, column] * (1 + DUPLICATE_SHARE)
        if name == PIPELINE:
            delivered[:, column] *= [1 + DUAL_RUN_SHARE * when.in_dual_run(w) for w in range(when.weeks)]
    if when.outage is not None:
        delivered[when.outage] *= OUTAGE_KEPT
    delivered[-1] *= ARRIVED_IN_PROGRESS
    made = _whole_numbers(wanted * spec.events / delivered.sum())
    return Budget(tuple({name: int(row[c]) for c, name in enumerate(names)} for row in made))


def _whole_numbers(wanted: Floats) -> Ints:
    """Whole numbers with the same total: each cell gets what the running total gained."""
    running = np.rint(wanted.cumsum()).astype(np.int64)
    made: Ints = np.diff(running, prepend=0).reshape(wanted.shape)
    return made
