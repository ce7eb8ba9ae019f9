"""One week of events, as the senders emit them: who, when, which user, with which properties.

Belongs here: what all events share (accounts, users, times of day, bots) and the assembly of a week.
The properties of each use case's events are in ``ci``, ``security`` and ``compliance``.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nsm_pipeline.sample.accounts import Accounts
from nsm_pipeline.sample.activity import ActiveWeek, Lives
from nsm_pipeline.sample.arrow_text import Bools, Floats, Ints, labels, random_hex
from nsm_pipeline.sample.spec import SampleSpec
from nsm_pipeline.sample.timeline import DAY, Timeline, seconds
from nsm_pipeline.sample.volume import DAY_SHAPE, NAMES

# Share of work per local hour of the day, from midnight.
HOUR_SHAPE = np.array(
    [3, 2, 2, 2, 2, 4, 10, 25, 60, 92, 100, 98, 74, 82, 97, 96, 84, 62, 38, 24, 18, 14, 9, 5], dtype=float
)
BOTS = 6
NO_USER = -1


@dataclass(frozen=True)
class Rows:
    """Events of one name. ``account`` and ``user`` are indices, times are seconds since 1970."""

    name: str
    account: Ints
    user: Ints
    occurred: Ints
    properties: pa.StringArray


@dataclass(frozen=True)
class Week:
    """Everything that the senders of one week draw from."""

    index: int
    rng: np.random.Generator
    start: int
    days: int
    progress: float
    accounts: Accounts
    lives: Lives
    active: ActiveWeek

    def pick_accounts(self, use_case: str, rows: int, everyone: bool = False) -> Ints:
        """Account of each row, by weight. With ``everyone``, each active account has one if they suffice."""
        weight = self.active.weight(use_case)
        total = weight.sum()
        if not rows or not total:
            return np.zeros(0, dtype=np.int64)
        present = np.flatnonzero(weight)
        counts = np.zeros(len(weight), dtype=np.int64)
        if everyone and rows >= 2 * len(present):
            counts[present] = 1
        spare = rows - int(counts.sum())
        counts[present] += self.rng.multinomial(spare, weight[present] / total)
        return np.repeat(np.arange(len(weight)), counts)

    def pick_users(self, account: Ints, concentration: float) -> Ints:
        """A user of each row's account; the higher the concentration, the fewer people do the work."""
        share = self.rng.random(len(account)) ** concentration
        return self.accounts.first_user[account] + (share * self.active.users[account]).astype(np.int64)

    def pick_times(self, account: Ints) -> Ints:
        """Working time in the account's time zone, wrapped into the days of the week that have happened."""
        rows = len(account)
        day = self.rng.choice(self.days, rows, p=DAY_SHAPE[: self.days] / DAY_SHAPE[: self.days].sum())
        edges = np.concatenate([[0.0], HOUR_SHAPE.cumsum()]) / HOUR_SHAPE.sum()
        second = np.interp(self.rng.random(rows), edges, np.arange(25) * 3600.0).astype(np.int64)
        local = day * DAY + np.minimum(second, DAY - 1)
        times: Ints = self.start + (local - self.accounts.utc_offset[account]) % (self.days * DAY)
        return times

    def nightly(self, account: Ints, occurred: Ints, user: Ints, bot: Bools) -> tuple[Ints, Ints]:
        """Times and users, with those of bots replaced: a fixed minute of the night and a bot user."""
        rows = int(bot.sum())
        minute = 60 + account[bot] * 7 % 180
        day = self.rng.integers(0, self.days, rows)
        times, users = occurred.copy(), user.copy()
        times[bot] = self.start + day * DAY + minute * 60 + self.rng.integers(0, 240, rows)
        users[bot] = len(self.accounts.user_ids) + account[bot] % BOTS
        return times, users

    def durations(self, typical: float, spread: float, rows: int) -> Ints:
        """Durations in tenths of a second, at least one."""
        return np.maximum(1, self.rng.lognormal(np.log(typical * 10), spread, rows)).astype(np.int64)

    def choose(self, shares: list[float] | Floats, rows: int) -> Ints:
        """Codes drawn with the given shares."""
        edges = np.cumsum(shares) / np.sum(shares)
        return np.searchsorted(edges[:-1], self.rng.random(rows), side="right").astype(np.int64)


def make_week(
    spec: SampleSpec, when: Timeline, accounts: Accounts, lives: Lives, active: ActiveWeek, index: int
) -> Week:
    """The draw of one week, seeded by the week."""
    return Week(
        index=index,
        rng=np.random.default_rng([spec.seed, 3, index]),
        start=seconds(when.monday(index)),
        days=when.days(index),
        progress=when.progress(index),
        accounts=accounts,
        lives=lives,
        active=active,
    )


def bot_flag(week: Week, bot: Bools, silent_share: float) -> pa.StringArray:
    """The end of a JSON object: ``is_bot``, which some people's events leave out."""
    silent = ~bot & (week.rng.random(len(bot)) < silent_share)
    return labels([',"is_bot":true}', ',"is_bot":false}', "}"], np.where(bot, 0, np.where(silent, 2, 1)))


def bot_users(spec: SampleSpec) -> pa.StringArray:
    """The ids of the bot users, which follow those of people."""
    return random_hex(np.random.default_rng([spec.seed, 4]), BOTS, "user_", 12)


def heartbeat(week: Week, name: str, rows: int) -> Rows:
    """A name that no playbook declares."""
    account = week.pick_accounts("ci", rows)
    user = np.where(week.rng.random(len(account)) < 0.3, NO_USER, week.pick_users(account, 1.2))
    empty = labels(["{}"], np.zeros(len(account), dtype=np.int64))
    return Rows(name, account, user, week.pick_times(account), empty)


def table(rows: list[Rows]) -> pa.Table:
    """All rows of a week under one another, names as codes into ``NAMES``; see ``delivery`` for columns."""
    return pa.table(
        {
            "name": np.repeat([NAMES.index(r.name) for r in rows], [len(r.account) for r in rows]).astype(np.int8),
            "account": np.concatenate([r.account for r in rows]).astype(np.int32),
            "user": np.concatenate([r.user for r in rows]).astype(np.int32),
            "occurred": np.concatenate([r.occurred for r in rows]),
            "properties": pa.chunked_array([r.properties for r in rows], pa.string()),
        }
    )
