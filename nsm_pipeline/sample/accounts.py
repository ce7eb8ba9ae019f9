"""Who exists: the accounts of the sample, their users, and the monthly snapshots of both.

Belongs here: attributes that an account has from birth, and how plan and seats change over time. When
and how strongly an account is active is in ``activity``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from nsm_pipeline.sample.arrow_text import Bools, Floats, Ints, random_hex
from nsm_pipeline.sample.spec import SampleSpec
from nsm_pipeline.sample.timeline import EPOCH, Timeline

PLANS = ("free", "premium", "ultimate")
SEGMENTS = ("smb", "mid", "enterprise")
PLAN_SHARES = np.array([[0.62, 0.32, 0.06], [0.18, 0.54, 0.28], [0.03, 0.37, 0.60]])  # by segment
EXISTING_SHARE = 0.35
AT_ONCE_SHARE = 0.05
UPGRADE_SHARE = 0.18
UTC_OFFSET_HOURS = np.array([-8, -5, -3, 0, 1, 2, 5, 8])
UTC_OFFSET_SHARES = np.array([0.16, 0.22, 0.04, 0.12, 0.24, 0.08, 0.08, 0.06])


@dataclass(frozen=True)
class Accounts:
    """One entry per account in every array; days are days since 1970.

    ``start_week`` is the first week of activity (0 also for older accounts, told apart by ``existing``).
    ``first_user`` and ``users`` are the account's slice of ``user_ids``.
    """

    ids: pa.StringArray
    internal: Bools
    existing: Bools
    start_week: Ints
    created_day: Ints
    segment: Ints
    plan: Ints
    upgrade_day: Ints
    seats: Ints
    seat_growth: Floats
    utc_offset: Ints
    first_user: Ints
    users: Ints
    user_ids: pa.StringArray

    def plan_on(self, day: int) -> Ints:
        """Plan code of each account on a day."""
        return np.minimum(self.plan + (self.upgrade_day <= day), len(PLANS) - 1)

    def seats_on(self, day: int) -> Ints:
        """Seats of each account on a day; they grow by ``seat_growth`` a year, in whole quarters."""
        quarters = np.maximum(day - self.created_day, 0) // 91
        return np.maximum(1, np.rint(self.seats * (1 + self.seat_growth) ** (quarters / 4))).astype(np.int64)


@dataclass(frozen=True)
class Snapshot:
    """The accounts that existed on a day. Columns as in the landing contract."""

    as_of: date
    columns: tuple[str, ...]
    rows: list[tuple[str, str, int, str, str, str]]


def make_accounts(spec: SampleSpec, when: Timeline) -> Accounts:
    """All accounts ever created. The first one is the company's own, unless it would be the only one."""
    rng = np.random.default_rng([spec.seed, 0, spec.accounts])
    n = spec.accounts
    internal = np.zeros(n, dtype=np.bool_)
    internal[0] = n > 1
    seats = np.clip(np.rint(np.exp(rng.normal(np.log(24), 1.35, n))), 1, 12_000).astype(np.int64)
    seats[internal] = 600
    segment = np.digitize(seats * np.exp(rng.normal(0, 0.25, n)), [50, 400]).astype(np.int64)
    cumulative = PLAN_SHARES.cumsum(axis=1)[segment]
    plan = np.minimum((rng.random((n, 1)) > cumulative).sum(axis=1), len(PLANS) - 1).astype(np.int64)
    plan[internal] = len(PLANS) - 1

    # The largest customers tend to be old customers; the rest signs up along an S curve.
    age_rank = np.argsort(np.argsort(rng.random(n) - 0.04 * np.log(seats)))
    existing = (age_rank < max(1, round(EXISTING_SHARE * n))) | internal
    start_week = np.where(existing, 0, _s_curve(rng.random(n)) * when.weeks).astype(np.int64)
    created_day = _created_days(rng, existing, start_week, when)

    first_day, last_day = (when.first_week - EPOCH).days, (when.as_of - EPOCH).days
    upgrades = (rng.random(n) < UPGRADE_SHARE) & (plan < len(PLANS) - 1)
    moment = rng.uniform(np.maximum(created_day, first_day), last_day + 1).astype(np.int64)
    users = np.maximum(1, np.rint(seats * rng.uniform(0.45, 0.9, n))).astype(np.int64)
    return Accounts(
        ids=random_hex(rng, n, "acct_", 10),
        internal=internal,
        existing=existing,
        start_week=start_week,
        created_day=created_day,
        segment=segment,
        plan=plan,
        upgrade_day=np.where(upgrades, moment, np.iinfo(np.int64).max),
        seats=seats,
        seat_growth=np.clip(rng.normal(0.12, 0.15, n), -0.2, 0.8),
        utc_offset=rng.choice(UTC_OFFSET_HOURS, n, p=UTC_OFFSET_SHARES).astype(np.int64) * 3600,
        first_user=np.concatenate([[0], users.cumsum()[:-1]]).astype(np.int64),
        users=users,
        user_ids=random_hex(rng, int(users.sum()), "user_", 12),
    )


def snapshots(accounts: Accounts, when: Timeline) -> Iterator[Snapshot]:
    """Monthly snapshots, the first at or before the first week, the last at or before ``as_of``."""
    ids = accounts.ids.to_pylist()
    for as_of in snapshot_days(when):
        day = (as_of - EPOCH).days
        plan, seats = accounts.plan_on(day), accounts.seats_on(day)
        rows = [
            (
                ids[n],
                PLANS[plan[n]],
                int(seats[n]),
                "true" if accounts.internal[n] else "false",
                (EPOCH + timedelta(days=int(accounts.created_day[n]))).isoformat(),
                SEGMENTS[accounts.segment[n]],
            )
            for n in np.flatnonzero(accounts.created_day <= day)
        ]
        yield Snapshot(as_of, ("account_id", "plan", "seats", "is_internal", "created_on", "segment"), rows)


def snapshot_days(when: Timeline) -> list[date]:
    """The first of each month from the month of the first week on."""
    days = [when.first_week.replace(day=1)]
    while (following := (days[-1] + timedelta(days=32)).replace(day=1)) <= when.as_of:
        days.append(following)
    return days


def _s_curve(share: Floats) -> Floats:
    """Inverse of a logistic curve cut to 0 … 1: sign-ups are densest in the middle of the history."""
    steepness, middle = 3.2, 0.46
    low, high = (1 / (1 + np.exp(steepness * (middle - edge))) for edge in (0.0, 1.0))
    level = low + share * (high - low)
    moment: Floats = np.clip(middle + np.log(level / (1 - level)) / steepness, 0, 1 - 1e-9)
    return moment


def _created_days(rng: np.random.Generator, existing: Bools, start_week: Ints, when: Timeline) -> Ints:
    """Days of creation, chosen so that all but a few accounts are in a snapshot when first active.

    Most accounts look around for up to four weeks before their first event. The few that start at once
    are unknown to the newest snapshot, as happens with every monthly export.
    """
    n = len(existing)
    listed = np.array([(day - EPOCH).days for day in snapshot_days(when)])
    monday = (when.first_week - EPOCH).days + 7 * start_week
    newest = listed[np.searchsorted(listed, monday + 6, side="right") - 1]
    created = np.minimum(newest - rng.integers(0, 28, n), monday)
    created = np.where(rng.random(n) < AT_ONCE_SHARE, monday, created)
    age = (rng.beta(1.2, 2.0, n) * 3.5 * 365).astype(np.int64)
    return np.where(existing, listed[0] - age, created).astype(np.int64)
