"""Edges of a small metric tree: arithmetic reconciled by hand, hypotheses with their words, what only protects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.score_tables import TREE_EDGES
from nsm_pipeline.scoring.edges import edge_rows
from nsm_pipeline.scoring.published import Number, Published

MONDAY = date(2023, 1, 2)
PLAYBOOK = """
use_case: delivery
title: Delivery
owner: {name: Delivery}
events: {delivered: {sources: [{name: delivered}]}}
metrics:
  on_time: {title: Orders on time, count: delivered}
  customers: {title: Customers, count: delivered}
  orders: {count: delivered}
  orders_each: {title: Orders per customer, ratio: {numerator: orders, denominator: customers}}
  share: {title: Share on time, count: delivered}
  minutes: {title: Minutes to pick, count: delivered, better: lower}
  signups: {title: Sign-ups, count: delivered}
  retained: {title: Households that return, count: delivered}
  tickets: {title: Tickets, count: delivered}
  again: {formula: customers * orders_each * share}
north_star: {metric: on_time}
formula: on_time = customers * orders_each * share
inputs:
  - {metric: customers, dimension: breadth, drives: on_time, relation: formula}
  - {metric: orders_each, dimension: frequency, drives: on_time, relation: formula}
  - {metric: orders, dimension: depth, level: 2, drives: orders_each, relation: formula}
  - {metric: again, dimension: depth, drives: on_time, relation: formula}
  - {metric: signups, dimension: breadth, level: 2, drives: customers}
  - {metric: minutes, dimension: efficiency, level: 2, drives: share}
counter_metrics: [{metric: tickets, protects: on_time, risk: Wrong things in the bag.}]
outcomes: [retained, on_time]
"""


def use_case(change: Mapping[str, Any] = {}) -> UseCase:
    return UseCase.model_validate({**yaml.safe_load(PLAYBOOK), **change})


def published(values: Mapping[str, Sequence[float | None]], change: Mapping[str, Any] = {}) -> Published:
    """What is published of weeks from MONDAY on; the last one is in progress."""
    weeks = max(map(len, values.values()), default=1)
    totals = {
        name: {
            MONDAY + timedelta(weeks=n): Number(value, None, None, None, "certified", "final", "c")
            for n, value in enumerate(series)
        }
        for name, series in values.items()
    }
    return Published(use_case(change), MONDAY + timedelta(weeks=weeks - 1), totals, {}, {})


def found(values: Mapping[str, Sequence[float | None]], change: Mapping[str, Any] = {}) -> dict[str, dict[str, Any]]:
    """Rows by 'metric drives relation', after they went into the published table's types."""
    rows = pa.Table.from_pylist(edge_rows(published(values, change)), TREE_EDGES.schema).to_pylist()
    required = [column.name for column in TREE_EDGES.columns if column.required]
    assert all(row[name] is not None for row in rows for name in required)
    by_key = {f"{row['metric']} {row['drives']} {row['relation']}": row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def history(weeks: int = 120, minutes_help: float = -0.7, seed: int = 5) -> dict[str, list[float]]:
    """Unrelated walks, but for minutes, which move the share one week later, and the North Star, which moves what
    is retained four weeks later."""
    random = np.random.default_rng(seed)
    names = ("on_time", "customers", "orders", "orders_each", "share", "minutes", "signups", "retained", "tickets")
    steps = {name: random.normal(0, 0.05, weeks) for name in names}
    steps["share"][1:] = 0.7 * steps["share"][1:] + minutes_help * steps["minutes"][:-1]
    steps["retained"][4:] = 0.6 * steps["retained"][4:] + 0.8 * steps["on_time"][:-4]
    return {name: list(100 * np.exp(np.cumsum(step))) for name, step in steps.items()}


def test_every_edge_of_the_tree_has_a_row() -> None:
    assert list(found({})) == [
        "customers on_time formula",
        "orders_each on_time formula",
        "orders orders_each formula",
        "again on_time formula",
        "share on_time formula",  # no input, but in the formula
        "signups customers hypothesis",
        "minutes share hypothesis",
        "on_time retained outcome",  # the North Star is no outcome of itself
        "tickets on_time protects",
    ]


def test_formulas_that_hold() -> None:
    rows = found(
        {
            "customers": [4, 4, 5, 9],
            "orders_each": [1.25, 1.5, 1.2, 9],
            "orders": [5, 6, 6, 9],
            "share": [0.8, 4 / 6, 5 / 6, 9],
            "again": [4, 4, 5, 9],
            "on_time": [4, 4, 5, 1],  # the week in progress is not held to it
        }
    )
    for key in ("customers on_time", "share on_time", "orders orders_each", "again on_time"):
        row = rows[f"{key} formula"]
        assert (row["verdict"], row["weeks"]) == ("reconciled", 3)
        assert row["gap"] < 1e-9
        assert "holds in all 3 weeks" in row["words"]
    assert "on_time = customers * orders_each * share" in rows["customers on_time formula"]["words"]
    assert "orders_each = orders / customers" in rows["orders orders_each formula"]["words"]


def test_a_formula_that_is_off_names_the_worst_week() -> None:
    rows = found(
        {
            "customers": [4, 4, 5, None, 1],
            "orders_each": [1.25, 1.5, 1.2, 1, 1],
            "share": [0.8, 0.5, 0.8, 1, 1],  # 4·1.5·0.5 = 3 of 4; 5·1.2·0.8 = 4.8 of 5
            "on_time": [4, 4, 5, 7, 1],
        }
    )
    row = rows["customers on_time formula"]
    assert (row["verdict"], row["weeks"], row["gap"]) == ("not reconciled", 3, pytest.approx(0.25))
    assert "off by up to 25.00 %, in the week of 2023-01-09" in row["words"]


def test_a_value_of_0_is_held_to_what_the_formula_gives() -> None:
    rows = found({"customers": [4, 0, 1], "orders_each": [1, None, 1], "share": [0.5, None, 1], "on_time": [0, 0, 1]})
    assert rows["customers on_time formula"]["gap"] == 1.0
    assert rows["customers on_time formula"]["weeks"] == 1  # nothing says what 0 × no value is


def test_formulas_that_cannot_be_held_to_anything() -> None:
    rows = found({"customers": [4, 4], "orders_each": [1, 1], "on_time": [4, 4]})
    row = rows["customers on_time formula"]
    assert (row["verdict"], row["gap"]) == ("not reconciled", None)
    assert "none of share is published" in row["words"]
    undeclared = [{"metric": "signups", "dimension": "breadth", "drives": "customers", "relation": "formula"}]
    row = found({"signups": [1, 1], "customers": [1, 1]}, {"inputs": undeclared})["signups customers formula"]
    assert (row["verdict"], row["gap"]) == ("not reconciled", None)
    assert "no formula says how 'customers' follows from 'signups'" in row["words"]


def test_hypotheses_and_outcomes_with_their_evidence() -> None:
    rows = found(history())
    row = rows["minutes share hypothesis"]
    assert (row["verdict"], row["expected_sign"], row["lag"]) == ("supported", -1, 1)
    assert row["high"] < 0
    assert -1 < row["low"] < row["correlation"] < row["high"]
    assert row["p_value"] <= row["q_value"] < 0.001
    assert row["has_season"] is True
    r, low, high = (f"{row[name]:.2f}".replace("-", "−") for name in ("correlation", "low", "high"))
    assert row["words"] == (
        "supported: when Minutes to pick rises unforeseen, Share on time falls 1 week later; "
        f"r = {r} ({low} to {high}), {row['weeks']} weeks"
    )
    lead = rows["on_time retained outcome"]
    assert (lead["verdict"], lead["expected_sign"], lead["lag"]) == ("supported", 1, 4)
    assert "Households that return rises 4 weeks later" in lead["words"]
    none = rows["signups customers hypothesis"]
    assert (none["verdict"], none["q_value"] > 0.05) == ("not supported", True)
    assert none["words"].startswith("not supported: Customers shows no answer to Sign-ups; the strongest is ")


def test_what_works_the_wrong_way_is_contradicted() -> None:
    row = found(history(minutes_help=0.7))["minutes share hypothesis"]
    assert (row["verdict"], row["expected_sign"], row["lag"]) == ("contradicted", -1, 1)
    assert row["low"] > 0
    assert "rises 1 week later, against what was expected; r = 0." in row["words"]


def test_in_the_same_week_says_that_it_may_be_arithmetic() -> None:
    values = history()
    values["customers"] = [2 * value for value in values["signups"]]
    row = found(values)["signups customers hypothesis"]
    assert (row["verdict"], row["lag"]) == ("supported", 0)
    assert "in the same week; a common cause or plain arithmetic would look alike; r = " in row["words"]


@pytest.mark.parametrize(
    ("values", "words", "weeks"),
    [
        ({}, "'signups' has no value yet", 0),
        ({"signups": [1.0, 2.0, 1.0]}, "'customers' has no value yet", 0),
        (history(30), "28 changes from week to week so far, 39 are needed", 28),
        (history(60) | {"signups": [5.0] * 59 + [6.0]}, "Sign-ups changed in only 0 of 58 weeks", 58),
    ],
)
def test_too_early_says_why(values: dict[str, list[float]], words: str, weeks: int) -> None:
    row = found(values)["signups customers hypothesis"]
    assert (row["verdict"], row["weeks"]) == ("too early to say", weeks)
    assert words in row["words"]
    assert [row[name] for name in ("lag", "correlation", "low", "high", "p_value", "q_value")] == [None] * 6


def test_a_young_series_says_that_its_season_is_not_known() -> None:
    row = found(history(60))["minutes share hypothesis"]
    assert row["has_season"] is False
    assert row["words"].endswith("before 104 weeks the season can't be told from it")


def test_equal_inputs_give_equal_rows() -> None:
    assert edge_rows(published(history())) == edge_rows(published(history()))


def test_what_protects_is_declared() -> None:
    row = found({})["tickets on_time protects"]
    assert (row["verdict"], row["words"], row["expected_sign"]) == (
        "declared",
        "declared: Wrong things in the bag.",
        None,
    )
