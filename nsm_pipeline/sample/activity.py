"""Who is active in a week, and how strongly, in each use case.

Belongs here: lifetimes (growth, churn, return), the weekly chance of activity, adoption of Security and
Compliance, and each account's weight in the week's volume. Counts of events are in ``volume``.
"""

from dataclasses import dataclass

import numpy as np

from nsm_pipeline.sample.accounts import Accounts
from nsm_pipeline.sample.arrow_text import Bools, Floats, Ints
from nsm_pipeline.sample.spec import SampleSpec
from nsm_pipeline.sample.timeline import EPOCH, Timeline

WEEKLY_ACTIVITY = np.array([0.89, 0.95, 0.98])  # by plan: chance that a living account is active
CHURN_PER_WEEK = np.array([0.016, 0.0078, 0.0035])  # by plan, for a history of REFERENCE_WEEKS
RETURN_SHARE = 0.25
SILENT_PART = 0.12
REFERENCE_WEEKS = 60
SECURITY_ADOPTION = np.array([0.22, 0.55, 0.88])
COMPLIANCE_ADOPTION = np.array([0.14, 0.46, 0.80])
LARGEST_SHARE = 0.025
SMALLEST_SHARE_OF_MEAN = 0.07
USE_CASES = ("ci", "security", "compliance")


@dataclass(frozen=True)
class Lives:
    """One entry per account. Weeks are indices and may be fractional or beyond the history.

    An account lives from ``start_week`` to ``end``, and again from ``back`` to ``end_again``.
    ``constancy`` divides the chance that an account skips a week: the large ones hardly ever do.
    ``adopted`` holds, per use case, the week from which the account uses it.
    """

    end: Floats
    back: Floats
    end_again: Floats
    chance: Floats
    intensity: Floats
    constancy: Floats
    adopted: Floats
    scanners: Floats


@dataclass(frozen=True)
class ActiveWeek:
    """Weight of every account in the week's volume, a row per use case; 0 means not active."""

    weights: Floats
    users: Ints

    def weight(self, use_case: str) -> Floats:
        row: Floats = self.weights[USE_CASES.index(use_case)]
        return row


def make_lives(spec: SampleSpec, when: Timeline, accounts: Accounts) -> Lives:
    """The course of each account's life, drawn once."""
    rng = np.random.default_rng([spec.seed, 1, spec.accounts])
    n = spec.accounts
    # Longer histories churn slower, so that the shape of growth is the same for any number of weeks.
    stretch = max(1.0, when.weeks / REFERENCE_WEEKS)
    plan = accounts.plan_on((when.as_of - EPOCH).days)
    end = accounts.start_week + 2 + rng.exponential(1 / CHURN_PER_WEEK[plan]) * stretch
    end[0] = np.inf
    returns = rng.random(n) < RETURN_SHARE
    back = np.where(returns, end + rng.uniform(5, 20, n) * stretch, np.inf)
    end_again = back + 4 + rng.exponential(40, n) * stretch
    skips = np.clip(1 - WEEKLY_ACTIVITY[plan] + rng.normal(0, 0.03, n), 0.005, 0.5)

    intensity = accounts.seats**0.75 * np.exp(rng.normal(0, 0.35, n))
    outside = intensity[~accounts.internal]
    largest = max(LARGEST_SHARE * outside.sum(), outside.mean())
    intensity = np.clip(intensity, SMALLEST_SHARE_OF_MEAN * outside.mean(), largest)
    intensity[accounts.internal] = 1.3 * largest

    constancy = np.maximum(1.0, intensity / outside.mean()) ** 2
    chance = 1 - skips / constancy
    chance[0] = 1.0  # so that no week is ever empty, however few the accounts

    adopted = np.zeros((len(USE_CASES), n))
    for row, chances in ((1, SECURITY_ADOPTION), (2, COMPLIANCE_ADOPTION)):
        early = accounts.existing & (rng.random(n) < 0.55)
        later = accounts.start_week + np.where(
            accounts.existing, rng.uniform(0, max(when.weeks, 1), n), rng.exponential(8, n) * stretch
        )
        adopts = rng.random(n) < chances[plan]
        adopted[row] = np.where(adopts, np.where(early, 0, np.floor(later)), np.inf)
    adopted[1, accounts.internal], adopted[2, accounts.internal] = 0, np.inf
    scanners = np.clip(1 + rng.exponential(1.0, n) + 1.3 * plan, 1, 7)
    return Lives(end, back, end_again, chance, intensity, constancy, adopted, scanners)


def active_week(spec: SampleSpec, when: Timeline, accounts: Accounts, lives: Lives, week: int) -> ActiveWeek:
    """Activity of one week. Depends on the week alone, so it may be asked for twice, in any order."""
    rng = np.random.default_rng([spec.seed, 2, week])
    n = spec.accounts
    season = when.season(week)
    # In a quiet week a few accounts fall silent; most of the dip is fewer events per account.
    silent, quiet = season**SILENT_PART, season ** (1 - SILENT_PART)
    active = living(accounts, lives, week) & (rng.random(n) < lives.chance * silent)
    age = week - accounts.start_week + np.where(accounts.existing, 52, 0)
    ramp = np.minimum(1.0, 0.35 + 0.65 * age / 8)
    strength = lives.intensity * ramp * quiet * np.exp(rng.normal(0, 0.18, n)) * active
    adopted = lives.adopted <= week
    skips = np.array([[0.0], [0.03], [0.03]]) / lives.constancy
    uses = adopted & (rng.random(adopted.shape) >= skips)
    since = np.where(adopted, week - np.where(adopted, lives.adopted, 0), 0)
    maturity = np.minimum(1.0, np.where(lives.adopted == 0, 1.0, 0.4 + since / 12))
    pool = np.minimum(1.0, 0.3 + 0.7 * (age + 4) / 30)
    users = np.maximum(1, np.rint(accounts.users * pool)).astype(np.int64)
    return ActiveWeek(weights=strength * uses * maturity, users=users)


def living(accounts: Accounts, lives: Lives, week: int) -> Bools:
    """Which accounts are alive in a week: signed up and not churned, or back again."""
    first = (accounts.start_week <= week) & (week < lives.end)
    second = (lives.back <= week) & (week < lives.end_again)
    alive: Bools = first | second
    return alive
