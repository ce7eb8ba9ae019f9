"""One use case's published rows, looked up by what a page asks for: newest week, guardrails, inputs, why it moved.

What belongs here: reading the extract's tables for one use case. What does not: the company (`monday`), words, drawing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from nsm_pipeline.reporting.trust import Trust, trust_of

Row = Mapping[str, Any]
WORST = {"red": 0, "yellow": 1, "no_colour": 2, "green": 3}
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Input:
    """An input: its row of `tree_nodes`, and its totals by week as `inputs` has them, flash weeks included."""

    node: Row
    series: tuple[Row, ...]


@dataclass(frozen=True)
class Part:
    """A part of a change: a factor, or a slice with its change, mix and rate in one. `contribution` in the North Star's
    unit."""

    view: str
    label: str
    contribution: float


@dataclass(frozen=True)
class OneUseCase:
    """Rows of the extract's tables that belong to one use case, each kind by week in order."""

    name: str
    dictionary: tuple[Row, ...]
    scorecard: tuple[Row, ...]
    guardrail_rows: tuple[Row, ...]
    input_rows: tuple[Row, ...]
    nodes: tuple[Row, ...]
    edges: tuple[Row, ...]
    movement_rows: tuple[Row, ...]
    annotations: tuple[Row, ...]
    restatements: tuple[Row, ...]
    certificates: tuple[Row, ...]

    @cached_property
    def titles(self) -> dict[str, str]:
        """Titles by metric name."""
        return {row["metric"]: row["title"] for row in (*self.dictionary, *self.nodes)}

    @cached_property
    def north_star(self) -> Row | None:
        """The row of the metric dictionary."""
        return next((row for row in self.dictionary if row["role"] == "north_star"), None)

    @property
    def title(self) -> str:
        return self.north_star["use_case_title"] if self.north_star else self.name

    @property
    def unit(self) -> str:
        return self.north_star["unit"] if self.north_star else ""

    @property
    def metric_title(self) -> str:
        return self.north_star["title"] if self.north_star else ""

    @property
    def owner(self) -> str:
        return self.north_star["owner"] if self.north_star else ""

    @cached_property
    def complete(self) -> tuple[Row, ...]:
        """Rows of the scorecard whose week and window are over."""
        return tuple(row for row in self.scorecard if row["stage"] != "flash")

    @property
    def newest(self) -> Row | None:
        """The scorecard's row of the newest complete week that is published."""
        return self.complete[-1] if self.complete else None

    @property
    def before(self) -> Row | None:
        """The row of the week before the newest, where that is published."""
        rows = self.complete
        return rows[-2] if len(rows) > 1 and rows[-1]["week"] - rows[-2]["week"] == WEEK else None

    @property
    def progress(self) -> Row | None:
        """The row of the week in progress."""
        return self.scorecard[-1] if self.scorecard and self.scorecard[-1]["stage"] == "flash" else None

    @cached_property
    def trusts(self) -> tuple[Trust, ...]:
        """What every week's certificate says."""
        return tuple(trust_of(row) for row in self.certificates)

    def trust(self, week: date) -> Trust | None:
        return next((trust for trust in reversed(self.trusts) if trust.week == week), None)

    @property
    def last_ended(self) -> date | None:
        """The newest week that is over, published or not."""
        return max((row["week"] for row in self.certificates if row["stage"] != "flash"), default=None)

    @cached_property
    def guardrails(self) -> tuple[tuple[Row, ...], ...]:
        """Per counter-metric its rows by week, the worst one first; each ends with the newest complete week."""
        series: dict[str, list[Row]] = {}
        for row in self.guardrail_rows:
            if row["stage"] != "flash":
                series.setdefault(row["metric"], []).append(row)
        return tuple(sorted(map(tuple, series.values()), key=lambda rows: WORST[rows[-1]["status"]]))

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """By level, in the order of the tree."""
        series: dict[str, list[Row]] = {}
        for row in self.input_rows:
            series.setdefault(row["metric"], []).append(row)
        nodes = sorted((row for row in self.nodes if row["role"] == "inputs"), key=lambda row: row["level"] or 9)
        return tuple(Input(node, tuple(series.get(node["metric"], ()))) for node in nodes)

    def node(self, metric: str, role: str) -> Row | None:
        return next((row for row in self.nodes if (row["metric"], row["role"]) == (metric, role)), None)

    @cached_property
    def movements(self) -> tuple[Row, ...]:
        """Rows of `movements` of the newest complete week."""
        week = self.newest["week"] if self.newest else None
        return tuple(row for row in self.movement_rows if row["week"] == week)

    @cached_property
    def factor_names(self) -> dict[str, str]:
        """What each metric is called in a sentence: a factor by its dimension where no other has the same, else all by
        their titles."""
        factors = {row["metric"] for row in self.edges if row["relation"] == "formula"}
        words = [(row["metric"], row["dimension"]) for row in self.nodes if row["metric"] in factors]
        taken = Counter(word for _, word in words)
        titles = {name: title.lower() for name, title in self.titles.items()}
        return titles | {name: word for name, word in words if word is not None and taken[word] == 1}

    @cached_property
    def factors(self) -> tuple[Part, ...]:
        """The change by the formula's factors, the largest first; empty without a formula."""
        rows = [row for row in self.movements if row["view"] == "factors"]
        return _largest_first(Part("factors", self.titles.get(r["part"]) or r["part"], r["contribution"]) for r in rows)

    @cached_property
    def slices(self) -> dict[str, tuple[Part, ...]]:
        """The change by slice, per attribute, the largest first: change, or mix and rate together."""
        sums: dict[tuple[str, str], float] = {}
        for row in self.movements:
            if row["view"] == "slices":
                key = (row["slice"], row["slice_value"])
                sums[key] = sums.get(key, 0.0) + row["contribution"]
        names = dict.fromkeys(attribute for attribute, _ in sums)
        return {
            name: _largest_first(Part(name, value, amount) for (of, value), amount in sums.items() if of == name)
            for name in names
        }


def _largest_first(parts: Any) -> tuple[Part, ...]:
    return tuple(sorted(parts, key=lambda part: (-abs(part.contribution), part.label)))


def use_case_of(name: str, rows: Mapping[str, Sequence[Row]]) -> OneUseCase:
    """From the rows of a use case by table; a table that is not there has none."""

    def by_week(table: str) -> tuple[Row, ...]:
        return tuple(sorted(rows.get(table, ()), key=lambda row: row["week"]))

    return OneUseCase(
        name=name,
        dictionary=tuple(rows.get("metric_dictionary", ())),
        scorecard=tuple(row for row in by_week("scorecard") if row["value"] is not None),
        guardrail_rows=by_week("guardrails"),
        input_rows=by_week("inputs"),
        nodes=tuple(rows.get("tree_nodes", ())),
        edges=tuple(rows.get("tree_edges", ())),
        movement_rows=by_week("movements"),
        annotations=by_week("annotations"),
        restatements=tuple(sorted(rows.get("restatements", ()), key=lambda row: row["number"])),
        certificates=by_week("certificates"),
    )
