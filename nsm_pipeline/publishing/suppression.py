"""Small groups: which rows of slices are published without numbers, so that nobody reads off what few accounts did.

What belongs here: the rule, as a mask over the metric rows of use cases and weeks. What does not: where the limit comes
from (`playbook.settings`), which rows are published (`steps.publication`).

The unit is a *number* of an attribute: its values in all groups, such as the orders by plan. A number that several
metrics show (orders, and the numerator of orders per buyer) is one: it is as small as the smallest of its rows says,
and hidden in all of them. The total less what is shown tells what the hidden groups have together: where that is of
fewer accounts than the limit, the next smallest group is hidden, too. All metrics take groups in the same order, so
that one does not give away what another hides. Zeros and missing values stay: nobody is behind them. So do totals, even
where they are those of one group alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

NUMBERS = ("value", "numerator", "denominator", "entities")
Row = Mapping[str, Any]
Shown = tuple[str, str]
"""Who shows a number: metric and role."""


@dataclass
class _Number:
    """One number of an attribute. `shown`: the rows that show it, by group; `accounts`: behind it, by group."""

    shown: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    accounts: dict[str, int] = field(default_factory=dict)

    def add(self, group: str, place: int, accounts: int) -> None:
        self.shown[group].append(place)
        self.accounts[group] = min(accounts, self.accounts.get(group, accounts))

    def hidden(self, limit: int, order: Mapping[str, tuple[int, str]]) -> Iterator[str]:
        """Groups whose number is hidden: small ones, and the next where total less the others would tell of few."""
        small = [group for group, accounts in self.accounts.items() if accounts < limit]
        yield from small
        if small and sum(self.accounts[group] for group in small) < limit:
            others = self.accounts.keys() - set(small)
            yield from sorted(others, key=lambda group: order[group])[:1]


def suppress(rows: pa.Table, limit: int) -> pa.Table:
    """Metric rows (METRIC_ROWS of whole use cases and weeks, every role) with the column `suppressed`, and without the
    numbers of those rows. `limit`: the fewest accounts of a group that is shown; 0 shows all."""
    small = hidden(rows, limit)
    for name in NUMBERS:
        place = rows.schema.get_field_index(name)
        of = rows.schema.field(place)
        rows = rows.set_column(place, of, pc.if_else(small, pa.scalar(None, of.type), rows[name]))
    return rows.append_column("suppressed", small)


def hidden(rows: pa.Table, limit: int) -> pa.BooleanArray:
    """Which metric rows are suppressed, row by row."""
    found: set[int] = set()
    touched = set(_weeks(rows.filter(_small(rows, limit))))
    # Of most weeks nothing is to be hidden: only the others are looked at row by row.
    places = [place for place, week in enumerate(_weeks(rows)) if week in touched] if touched else []
    weeks: dict[object, list[tuple[int, Row]]] = defaultdict(list)
    for place, row in zip(places, rows.take(pa.array(places, pa.int64())).to_pylist(), strict=True):
        weeks[row["use_case"], row["week"]].append((place, row))
    for mine in weeks.values():
        found.update(_of_week(mine, limit))
    return pa.array([place in found for place in range(rows.num_rows)], pa.bool_())


def _weeks(rows: pa.Table) -> Iterator[tuple[str, object]]:
    """Use case and week of each row."""
    yield from zip(rows["use_case"].to_pylist(), rows["week"].to_pylist(), strict=True)


def _small(rows: pa.Table, limit: int) -> pa.ChunkedArray:
    """Rows of slices that have few accounts and a number that tells of them."""
    few = pc.and_(pc.not_equal(rows["slice"], "all"), pc.less(rows["entities"], limit))
    told = (pc.fill_null(pc.not_equal(rows[name], 0), False) for name in NUMBERS)
    return pc.and_(few, reduce(pc.or_, told))


def _of_week(rows: Sequence[tuple[int, Row]], limit: int) -> Iterator[int]:
    """Places of the rows of one use case and week that are suppressed."""
    totals: dict[Shown, Row] = {}
    attributes: dict[str, dict[Shown, list[tuple[int, Row]]]] = defaultdict(lambda: defaultdict(list))
    for place, row in rows:
        shown = (row["metric"], row["role"])
        if row["slice"] == "all":
            totals[shown] = row
        else:
            attributes[row["slice"]][shown].append((place, row))
    for by_metric in attributes.values():
        sizes: dict[str, int] = defaultdict(int)
        for mine in by_metric.values():
            for _, row in mine:
                sizes[row["slice_value"]] = max(sizes[row["slice_value"]], row["entities"])
        order = {group: (size, group) for group, size in sizes.items()}
        for number in _numbers(by_metric, totals):
            for group in number.hidden(limit, order):
                yield from number.shown[group]


def _numbers(by_metric: Mapping[Shown, Sequence[tuple[int, Row]]], totals: Mapping[Shown, Row]) -> Iterator[_Number]:
    """The numbers of one attribute: those that are equal in every group and in total are one."""
    found: dict[object, _Number] = defaultdict(_Number)
    for shown, rows in by_metric.items():
        for name in NUMBERS:
            there = [(place, row) for place, row in rows if row[name]]
            values = frozenset((row["slice_value"], float(row[name])) for _, row in there)
            total = totals.get(shown, {}).get(name)
            # One group alone is the total, which stays: and equal to others by chance more often than not.
            key: object = (values, total) if len(values) > 1 else (shown, name)
            for place, row in there:
                found[key].add(row["slice_value"], place, row["entities"])
    yield from found.values()
