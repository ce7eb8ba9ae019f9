"""What a year's home measures, said twice: as a playbook, and as plain Python that counts by hand.

What belongs here: two use cases of one form, their YAML, and the values of a week from its rows. What does not: what
has been published (`year_published`), what lands (`year_landing`). Nothing here calls the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from statistics import median

WEEK = timedelta(weeks=1)
PLANS = {"free": range(0, 12, 3), "pro": (*range(1, 12, 3), *range(2, 12, 3))}
CREATED = {11: date(2026, 1, 14), 10: date(2025, 10, 22), 9: None}
"""Creation of some accounts; the others are older than the year."""


@dataclass(frozen=True)
class Sent:
    """One row as a sender delivers it."""

    id: str
    name: str
    at: datetime
    account: str
    fact: str
    amount: int
    received: datetime

    @cached_property
    def week(self) -> date:
        return self.at.date() - timedelta(days=self.at.weekday())


@dataclass(frozen=True)
class Source:
    name: str
    since: date | None = None
    until: date | None = None

    def takes(self, row: Sent) -> bool:
        day = row.at.date()
        inside = (self.since is None or self.since <= day) and (self.until is None or day < self.until)
        return row.name == self.name and inside

    def overlaps(self, week: date) -> bool:
        begins_in_time = self.since is None or self.since < week + WEEK
        return begins_in_time and (self.until is None or week < self.until)

    @property
    def yaml(self) -> str:
        dates = {"since": self.since, "until": self.until}
        return "".join([f"name: {self.name}", *(f", {key}: {day}" for key, day in dates.items() if day)])


@dataclass(frozen=True)
class Rules:
    """A use case: who placed how many orders of which amount. The last source is the preferred one.

    `least`: orders below this amount are not counted by the metric `orders`; None counts all.
    """

    use_case: str
    sources: tuple[Source, ...]
    least: int | None = None

    @property
    def yaml(self) -> str:
        several = len(self.sources) > 1
        sources = [f"{{{one.yaml}{', preferred: true' if several and one is self.sources[-1] else ''}}}"
                   for one in self.sources]  # fmt: skip
        where = f', where: "amount >= {self.least}"' if self.least is not None else ""
        same = "\n    same: [account_id, properties.order]" if several else ""
        return f"""use_case: {self.use_case}
title: {self.use_case.capitalize()}
owner: {{name: {self.use_case.capitalize()} group}}
events:
  ordered:
    properties: {{amount: {{type: integer}}, order: {{type: string}}}}
    sources: [{", ".join(sources)}]{same}
slices: [plan]
metrics:
  buyers: {{count_distinct: account, of: ordered}}
  orders: {{count: ordered{where}}}
  usual_amount: {{median: amount, of: ordered}}
  mean_amount: {{average: amount, of: ordered}}
north_star: {{metric: buyers}}
inputs: [{{metric: orders, dimension: depth}}, {{metric: usual_amount, dimension: efficiency}}]
counter_metrics: [{{metric: mean_amount, protects: buyers, risk: small change}}]
"""

    def in_week(self, week: date) -> tuple[tuple[str, date | None, date | None], ...]:
        """What of the sources matters in a week: those in force, with the dates that fall into it."""
        return tuple(
            (
                one.name,
                one.since if one.since and one.since > week else None,
                one.until if one.until and one.until < week + WEEK else None,
            )
            for one in self.sources
            if one.overlaps(week)
        )

    def facts(self, rows: Iterable[Sent], week: date) -> list[Sent]:
        """One row per order of a week: of rows with one id the first received; of copies the preferred source's."""
        once: dict[str, Sent] = {}
        for row in rows:
            if row.week == week and any(source.takes(row) for source in self.sources):
                known = once.get(row.id)
                once[row.id] = row if known is None or row.received < known.received else known
        preferred = {(row.account, row.fact) for row in once.values() if row.name == self.sources[-1].name}
        is_copy = {row.id for row in once.values() if row.name != self.sources[-1].name}
        return [row for row in once.values() if row.id not in is_copy or (row.account, row.fact) not in preferred]


@dataclass(frozen=True)
class Number:
    """A published row's numbers."""

    value: float | None
    numerator: float | None
    denominator: float | None
    entities: int


Cell = tuple[str, str, str, str]
"""Table, metric, slice, slice value."""


def plan_of(account: str) -> str:
    return next(plan for plan, numbers in PLANS.items() if int(account[1:]) in numbers)


def values(rules: Rules, facts: Sequence[Sent]) -> dict[Cell, Number]:
    """Every metric of a week, in total and for each plan that has an order."""
    cuts = {("all", "all"): list(facts)}
    for row in facts:
        cuts.setdefault(("plan", plan_of(row.account)), []).append(row)
    found: dict[Cell, Number] = {}
    for cut, rows in cuts.items():
        amounts = [row.amount for row in rows]
        buyers = len({row.account for row in rows})
        counted = [row for row in rows if rules.least is None or row.amount >= rules.least]
        orders, count = float(len(counted)), float(len(rows))
        found["north_star", "buyers", *cut] = Number(float(buyers), float(buyers), None, buyers)
        found["inputs", "orders", *cut] = Number(orders, orders, None, len({row.account for row in counted}))
        usual = float(median(amounts)) if amounts else None
        found["inputs", "usual_amount", *cut] = Number(usual, None, count, buyers)
        mean = sum(amounts) / len(amounts) if amounts else None
        found["counter_metrics", "mean_amount", *cut] = Number(mean, float(sum(amounts)), count, buyers)
    return found
