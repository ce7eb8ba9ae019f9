"""Why the North Star moved: its change over the formula's factors, and over slices.

What belongs here: rows of `movements`. What does not: the methods (`decomposing`), the sentence (`movement_words`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from sqlglot import exp

from nsm_pipeline.playbook.formulas import operands, parse_identity
from nsm_pipeline.scoring.decomposing import exponents, shared_out
from nsm_pipeline.scoring.published import Number, Published
from nsm_pipeline.scoring.status import ROUNDING, settled_values
from nsm_pipeline.weeks import WEEK

Row = dict[str, Any]
Slices = Mapping[str, Number]

REST, ALL, SMALL_GROUPS = "rest", "all", "small groups"
NOTHING = Number(0.0, 0.0, 0.0, 0, "", "", None)


def movement_rows(published: Published) -> list[Row]:
    """Rows of MOVEMENTS: for every complete published week whose week before is published too, each view's parts, which
    add up to the North Star's change."""
    tree = factors_of(published)
    values = settled_values(published, published.north_star)
    rows: list[Row] = []
    for week in values:
        if week - WEEK in values:
            rows += _Pair(published, tree, week).rows()
    return rows


def factors_of(published: Published) -> exp.Expression | None:
    """The arithmetic that the playbook says the North Star comes of; None where it says none."""
    if published.use_case.formula is None:
        return None
    name, tree = parse_identity(published.use_case.formula)
    return tree if name == published.north_star else None


class _Pair:
    """A week beside the week before."""

    def __init__(self, published: Published, tree: exp.Expression | None, week: date) -> None:
        self.published, self.tree, self.week, self.name = published, tree, week, published.north_star
        self.old, self.new = (published.totals[self.name][day] for day in (week - WEEK, week))
        assert self.old.value is not None
        assert self.new.value is not None
        self.change = self.new.value - self.old.value
        self.scale = max(abs(self.old.value), abs(self.new.value))

    def rows(self) -> list[Row]:
        attributes = sorted(name for metric, name in self.published.slices if metric == self.name)
        found = [] if self.tree is None else list(self._closed("factors", ALL, self._factors(self.tree)))
        for attribute in attributes:
            by_slice = list(self._by_slice(attribute))
            found += self._closed("slices", attribute, by_slice) if by_slice else []
            if self.tree is not None and exponents(self.tree) is not None and by_slice and self._adds_up():
                found += self._closed("factor slices", attribute, self._factor_slices(self.tree, attribute))
        return found

    def _part(
        self, part: str, value: str, contribution: float, before: float | None = None, after: float | None = None
    ) -> Row:
        return {"part": part, "slice_value": value, "contribution": contribution, "before": before, "after": after}

    def _closed(self, view: str, attribute: str, parts: Iterator[Row] | list[Row]) -> Iterator[Row]:
        """A view's rows, and the rest that its parts leave over; none where that is but rounding."""
        parts = list(parts)
        rest = math.fsum((self.change, *(-part["contribution"] for part in parts)))
        if abs(rest) > ROUNDING * self.scale:
            parts.append(self._part(REST, ALL, rest))
        common = {"use_case": self.published.use_case.use_case, "week": self.week, "view": view, "slice": attribute}
        for part in parts:
            yield {**common, **part, "change": self.change}

    def _totals(self, metric: str) -> tuple[float | None, float | None]:
        """A metric's value in the week before and in the week."""
        totals = self.published.totals.get(metric, {})
        old, new = (totals.get(day) for day in (self.week - WEEK, self.week))
        return old.value if old else None, new.value if new else None

    def _sliced(self, metric: str, attribute: str) -> tuple[Slices, Slices]:
        """A metric's numbers by slice value of the week before and of the week."""
        by_week = self.published.slices.get((metric, attribute), {})
        return by_week.get(self.week - WEEK, {}), by_week.get(self.week, {})

    def _factors(self, tree: exp.Expression) -> Iterator[Row]:
        sides = {name: self._totals(name) for name in operands(tree)}
        before, after = ({name: pair[place] for name, pair in sides.items()} for place in (0, 1))
        for name, contribution in (shared_out(tree, before, after) or {}).items():
            yield self._part(name, ALL, contribution, before[name], after[name])

    def _divides(self) -> bool:
        """Whether the North Star is a quotient of what its rows have."""
        return all(
            one.value is not None
            and one.numerator is not None
            and bool(one.denominator)
            and one.value != one.numerator
            and math.isclose(one.numerator / (one.denominator or 1), one.value, rel_tol=ROUNDING)
            for one in (self.old, self.new)
        )

    def _adds_up(self) -> bool:
        """Whether it counts or sums something, so that a slice's change is part of the total's."""
        metric = self.published.use_case.metrics[self.name]
        if metric.kind == "attribute" and metric.aggregate == "average":
            return False
        return all(one.numerator is not None and one.numerator == one.value for one in (self.old, self.new))

    def _by_slice(self, attribute: str) -> Iterator[Row]:
        old, new = self._sliced(self.name, attribute)
        if self._divides():
            yield from self._mix_and_rate(old, new)
        elif self._adds_up() or self._sums(old, new):
            yield from self._changes(old, new)

    def _sums(self, old: Slices, new: Slices) -> bool:
        """Whether a formula's slices happen to add up, as those of a sum of counts do."""
        for whole, slices in ((self.old, old), (self.new, new)):
            values = [one.value for one in slices.values()]
            if not values or any(value is None for value in values):
                return False
            total = math.fsum(value for value in values if value is not None)
            if not math.isclose(total, whole.value or 0.0, rel_tol=ROUNDING, abs_tol=ROUNDING):
                return False
        return True

    def _changes(self, old: Slices, new: Slices) -> Iterator[Row]:
        shown, small = _shown(old, new)
        total = 0.0
        for value in shown:
            before, after = (side.get(value, NOTHING).value or 0.0 for side in (old, new))
            total += after - before
            yield self._part("change", value, after - before, before, after)
        if small:
            yield self._part("change", SMALL_GROUPS, self.change - total)

    def _mix_and_rate(self, old: Slices, new: Slices) -> Iterator[Row]:
        """Every slice has a weight (its share of what is divided by) and a rate. Half of both weeks each: the change of
        its weight at its mean rate above the mean of all (mix), the change of its rate at its mean weight (rate)."""
        shown, small = _shown(old, new)
        sides = [{value: side.get(value, NOTHING) for value in shown} for side in (old, new)]
        if small:
            for side, whole in zip(sides, (self.old, self.new), strict=True):
                side[SMALL_GROUPS] = _remainder(whole, side.values())
        assert self.old.value is not None
        assert self.new.value is not None
        middle = (self.old.value + self.new.value) / 2
        for value in (*shown, *((SMALL_GROUPS,) if small else ())):
            (w0, r0), (w1, r1) = (
                _weight_and_rate(side[value], whole) for side, whole in zip(sides, (self.old, self.new), strict=True)
            )
            rates = [rate for rate in (r0, r1) if rate is not None]
            if not rates:
                continue  # nobody in it in either week
            first, last = (rates[0] if r0 is None else r0), (rates[-1] if r1 is None else r1)
            yield self._part("mix", value, (w1 - w0) * ((first + last) / 2 - middle), w0, w1)
            yield self._part("rate", value, (w0 + w1) / 2 * (last - first), r0, r1)

    def _factor_slices(self, tree: exp.Expression, attribute: str) -> Iterator[Row]:
        """The formula within each slice. What of a slice's change it does not tell stays as that slice's rest."""
        whole = self._sliced(self.name, attribute)
        sides = {name: self._sliced(name, attribute) for name in operands(tree)}
        if not all(any(pair) for pair in sides.values()):
            return
        shown, small = _shown(*whole)
        told = 0.0
        for value in shown:
            before, after = (
                {name: one.value if (one := pair[place].get(value)) else None for name, pair in sides.items()}
                for place in (0, 1)
            )
            first, last = (side.get(value, NOTHING).value or 0.0 for side in whole)
            change = last - first
            told += change
            parts = shared_out(tree, before, after) or {}
            for name, contribution in parts.items():
                yield self._part(name, value, contribution, before[name], after[name])
            rest = math.fsum((change, *(-part for part in parts.values())))
            if abs(rest) > ROUNDING * self.scale:
                yield self._part(REST, value, rest)
        if small:
            yield self._part(REST, SMALL_GROUPS, self.change - told)


def _shown(old: Slices, new: Slices) -> tuple[list[str], bool]:
    """Slice values that can be followed over both weeks, and whether some cannot: suppressed in one is suppressed."""
    hidden = {value for side in (old, new) for value, one in side.items() if one.entities is None and one.value is None}
    return sorted({*old, *new} - hidden), bool(hidden)


def _remainder(whole: Number, shown: Iterable[Number]) -> Number:
    """What of the total is in none of the slices shown."""
    shown = list(shown)
    above = (whole.numerator or 0.0) - math.fsum(one.numerator or 0.0 for one in shown)
    below = (whole.denominator or 0.0) - math.fsum(one.denominator or 0.0 for one in shown)
    return Number(None, above, below, None, whole.state, whole.stage, whole.certificate_id)


def _weight_and_rate(one: Number, whole: Number) -> tuple[float, float | None]:
    """Its share of what is divided by, and its quotient; none where it divides by nothing."""
    weight = (one.denominator or 0.0) / (whole.denominator or 1.0)
    return weight, None if not one.denominator else (one.numerator or 0.0) / one.denominator
