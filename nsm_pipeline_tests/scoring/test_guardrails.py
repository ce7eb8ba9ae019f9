"""Guardrails: thresholds of both kinds, missing data, noise, the pair, and where to look."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from guarded import SUPPRESSED, number, published, quotient, use_case, week
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.playbook.guardrails import guardrail_of
from nsm_pipeline.publishing.score_tables import GUARDRAILS, TREE_NODES
from nsm_pipeline.scoring.guardrails import guardrail_rows, judged, noise_of
from nsm_pipeline.scoring.published import Number
from nsm_pipeline.scoring.status import Colour, fill, statuses
from nsm_pipeline.scoring.tree import node_rows

Row = dict[str, Any]
GUARD = {"metric": "failed_share", "protects": "orders", "risk": "Retries count."}
USUAL = [0.100, 0.101, 0.099, 0.100, 0.102, 0.098, 0.100, 0.101, 0.099, 0.100, 0.100]


def rows_of(values: Sequence[float | Number | None], current: int = 1000, **thresholds: object) -> list[Row]:
    """GUARDRAILS rows of failed shares, the North Star always there and green."""
    case = use_case(counter_metrics=[{**GUARD, **thresholds}])
    orders = [100.0] * len(values)
    found = published({"orders": orders, "failed_share": values}, None, case, current)
    green: dict[Any, Colour] = {("orders", week(place)): "green" for place in range(len(values))}
    return guardrail_rows(found, green)


@pytest.mark.parametrize(
    ("value", "colour"), [(0.1, "green"), (0.1029, "green"), (0.103, "yellow"), (0.1049, "yellow"), (0.105, "red")]
)
def test_by_default_three_and_five_percent_against_the_median_of_eight_weeks(value: float, colour: Colour) -> None:
    row = rows_of([0.1] * 8 + [value])[-1]
    assert (row["status"], row["rule"], row["reference"]) == (colour, "median", 0.1)
    assert (row["warn_at"], row["breach_at"]) == pytest.approx((0.103, 0.105))
    assert row["change"] == pytest.approx(value / 0.1 - 1)
    assert row["coverage"] == 1


def test_where_higher_is_better_it_breaks_downwards() -> None:
    rows = rows_of([50.0] * 4 + [47.6, 47.5], better="higher", against="median of 4 weeks")
    assert [row["status"] for row in rows[-2:]] == ["yellow", "red"]
    assert rows[-1]["breach_at"] == pytest.approx(0.95 * 50)


@pytest.mark.parametrize(("value", "colour"), [(0.029, "green"), (0.03, "yellow"), (0.05, "red"), (0.9, "red")])
def test_an_absolute_threshold_needs_no_past(value: float, colour: Colour) -> None:
    (row,) = rows_of([value], warn="3%", breach="5%")
    assert (row["status"], row["rule"], row["reference"], row["change"]) == (colour, "absolute", None, None)
    assert (row["warn_at"], row["breach_at"], row["coverage"]) == (0.03, 0.05, 1)


def test_a_breach_alone_and_a_warning_alone() -> None:
    assert [row["status"] for row in rows_of([0.04, 0.05], breach="5%")] == ["green", "red"]
    assert [row["status"] for row in rows_of([0.02, 0.9], warn="3%")] == ["green", "yellow"]


def test_too_little_data_has_no_colour_and_says_how_little() -> None:
    rows = rows_of([0.1, 0.1, 0.1, 0.2, 0.2])
    assert [row["status"] for row in rows] == ["no_colour"] * 4 + ["red"]
    assert [row["coverage"] for row in rows] == pytest.approx([1 / 9, 2 / 9, 3 / 9, 4 / 9, 5 / 9])
    assert rows[3]["warn_at"] is None
    missing = rows_of([*USUAL[:8], number(None, 0.0, 0.0)])[-1]
    assert (missing["status"], missing["value"]) == ("no_colour", None)
    assert missing["coverage"] == pytest.approx(8 / 9)
    assert rows_of([number(None, 0.0, 0.0)], warn="3%", breach="5%")[0]["coverage"] == 0


def test_a_published_week_without_the_metric_has_no_colour() -> None:
    rows = rows_of([*USUAL[:8], None, 0.1])
    assert [row["week"] for row in rows] == [week(place) for place in range(10)]
    assert (rows[8]["status"], rows[8]["value"], rows[8]["state"]) == ("no_colour", None, "certified")


def test_worse_than_a_median_of_zero_is_beyond_every_share() -> None:
    rows = rows_of([0.0] * 8 + [0.0, 0.01])
    assert [row["status"] for row in rows[-2:]] == ["green", "red"]
    assert rows[-1]["change"] is None


def test_the_week_in_progress_is_judged_and_marked() -> None:
    rows = rows_of([*USUAL[:8], number(0.2, state="flash")], current=8)
    assert (rows[-1]["status"], rows[-1]["state"]) == ("red", "flash")
    assert rows[-1]["joint_words"] == "in progress, and quality suffers"


def test_a_value_whose_window_is_open_does_not_count_as_usual() -> None:
    values: list[float | Number | None] = [*USUAL[:8], *[number(0.5, state="flash")] * 8, 0.1]
    assert rows_of(values)[-1]["status"] == "no_colour"


def test_since_is_the_first_week_of_the_run() -> None:
    rows = rows_of([0.1] * 8 + [0.2, 0.2, 0.1, 0.2])
    assert [row["since"] for row in rows[-4:]] == [week(8), week(8), week(10), week(11)]


@given(st.lists(st.one_of(st.none(), st.floats(0.01, 1)), min_size=1, max_size=30), st.data())
def test_a_row_knows_nothing_of_later_weeks(values: list[float | None], data: st.DataObject) -> None:
    until = data.draw(st.integers(0, len(values)))
    assert rows_of(values)[:until] == rows_of(values[:until])


def test_noise_by_hand() -> None:
    """Changes +10 %, −10 %, … around a median of 0: their median absolute deviation is 10 %."""
    values = [100.0]
    for place in range(12):
        values.append(values[-1] * (1.1 if place % 2 == 0 else 0.9))
    found = noise_of({week(place): value for place, value in enumerate(values)}, week(13))
    assert found == pytest.approx(1.4826 * 0.1)
    assert noise_of({week(place): 1.0 for place in range(8)}, week(8)) is None
    assert noise_of({week(place): 1.0 for place in range(9)}, week(9)) == 0


def test_a_width_is_measured_against_the_metrics_own_noise() -> None:
    row = rows_of(USUAL, against="median of 8 weeks", warn="3%", breach="5%")[-1]
    assert row["noise"] == pytest.approx(1.4826 * 0.0101, rel=0.05)
    assert row["breach_in_noise"] == pytest.approx(0.05 / row["noise"])
    assert row["is_wide_enough"] is True
    narrow = rows_of(USUAL, against="median of 8 weeks", warn="1%", breach="2%")[-1]
    assert narrow["is_wide_enough"] is False
    level = rows_of(USUAL, warn="11%", breach="13%")[-1]
    assert level["breach_in_noise"] == pytest.approx((0.13 - 0.1) / (level["noise"] * 0.1))
    always = rows_of(USUAL, warn="1%", breach="5%")[-1]
    assert always["breach_in_noise"] < 0
    assert always["is_wide_enough"] is False


@pytest.mark.parametrize(("noise", "most"), [(0.01, 0.0), (0.05 / 2 / 2**0.5, 0.01)])
def test_a_breach_two_usual_changes_wide_is_seldom_noise(noise: float, most: float) -> None:
    """3,000 weeks of a level with nothing but noise; the second is as noisy as still counts as wide enough."""
    drawn = random.Random(5)
    values = {week(place): 0.1 * (1 + drawn.gauss(0, noise)) for place in range(3000)}
    rail = guardrail_of(use_case(), use_case().counter_metrics[0])
    red = sum(judged(rail, value, values, day).status == "red" for day, value in values.items())
    assert red / len(values) <= most


def sliced(values: Sequence[dict[str, Number]]) -> str:
    totals = [
        quotient(sum(one.numerator or 0 for one in plans.values()), sum(one.denominator or 0 for one in plans.values()))
        for plans in values
    ]
    found = published({"orders": [1.0] * len(values), "failed_share": totals}, {("failed_share", "plan"): values})
    row = guardrail_rows(found, {})[-1]
    assert row["status"] == "red"
    return str(row["starting_points"])


def test_a_breach_says_which_slice_moved_and_since_when() -> None:
    """Gold fails 10 of 100, then 30; free always 20 of 200. All of the movement is gold's."""
    usual = {"free": quotient(20, 200), "gold": quotient(10, 100)}
    worse = {"free": quotient(20, 200), "gold": quotient(30, 100)}
    assert sliced([usual] * 8 + [worse, worse]) == (f"plan gold (100% of it: 0.3 against 0.1, since {week(8)})")


def test_where_no_slice_explains_it_that_is_said() -> None:
    plans = ("a", "b", "c")
    usual = {plan: quotient(10, 100) for plan in plans}
    worse = {plan: quotient(20, 100) for plan in plans}
    said = sliced([usual] * 8 + [worse])
    assert said.startswith("no slice explains half of it: it got worse across plan; most: plan a (33% of it: 0.2")
    small = {**dict.fromkeys("bc", SUPPRESSED), "a": quotient(10, 100)}
    assert sliced([small] * 8 + [{**small, "a": quotient(20, 100)}]).startswith("plan a (100% of it")


def test_a_level_is_not_a_movement() -> None:
    (row,) = rows_of([0.3] * 9, warn="3%", breach="5%")[-1:]
    assert row["starting_points"] == "not sliced: look at what changed in this week"
    flat = {"gold": quotient(10, 100)}
    case = use_case(counter_metrics=[{**GUARD, "warn": "3%", "breach": "5%"}])
    values: dict[str, Any] = {"orders": [1.0] * 9, "failed_share": [quotient(10, 100)] * 9}
    found = guardrail_rows(published(values, {("failed_share", "plan"): [flat] * 9}, case), {})[-1]
    assert found["starting_points"] == "a level, not a movement: no worse than its median of 8 weeks"
    assert rows_of(USUAL)[-1]["starting_points"] is None


def test_the_pair_is_never_green_while_the_guardrail_is_red() -> None:
    row = rows_of([0.1] * 8 + [0.2])[-1]
    assert (row["protected_status"], row["status"]) == ("green", "red")
    assert (row["joint_status"], row["joint_words"]) == ("red", "growth at a cost")


def test_a_guardrail_may_protect_another() -> None:
    counters = [GUARD, {"metric": "buyers", "protects": "failed_share", "risk": "Fewer buyers.", "better": "higher"}]
    case = use_case(counter_metrics=counters, inputs=[], formula=None)
    values = {"orders": [1.0] * 9, "failed_share": [0.1] * 8 + [0.2], "buyers": [5.0] * 9}
    row = guardrail_rows(published(values, None, case), {})[-1]
    assert (row["metric"], row["protected_status"], row["joint_words"]) == ("buyers", "red", "behind, quality holds")


def scorecard(target: float | None, state: str = "certified") -> Row:
    return {"week": week(8), "metric": "orders", "value": 100.0, "target": target, "state": state}


@pytest.mark.parametrize(
    ("failed", "target", "expected"),
    [
        (0.1, 100.0, ("green", "green", "green", "healthy growth")),
        (0.2, 100.0, ("green", "red", "red", "growth at a cost")),
        (0.1, 104.0, ("yellow", "green", "yellow", "slightly behind, quality holds")),
        (0.2, 200.0, ("red", "red", "red", "behind, and quality suffers")),
        (0.1, None, ("no_colour", "green", "no_colour", "not known, quality holds")),
        (None, 100.0, ("green", "no_colour", "yellow", "on course, guardrail not known")),
    ],
)
def test_the_scorecard_gets_its_status(failed: float | None, target: float | None, expected: tuple[str, ...]) -> None:
    found = published({"orders": [100.0] * 9, "failed_share": [0.1] * 8 + [failed]})
    (row,) = fill(found, [scorecard(target)], guardrail_rows(found, {}))
    assert tuple(row[key] for key in ("status", "guardrail_status", "joint_status", "joint_words")) == expected


def test_the_scorecard_of_a_week_in_progress_and_without_guardrail() -> None:
    found = published({"orders": [100.0] * 9, "failed_share": [0.1] * 9}, current=8)
    (row,) = fill(found, [scorecard(200.0, "flash")], guardrail_rows(found, {}))
    assert (row["status"], row["joint_words"]) == ("no_colour", "in progress, quality holds")
    bare = published({"orders": [100.0] * 9}, None, use_case(counter_metrics=[]))
    (row,) = fill(bare, [scorecard(100.0)], [])
    assert (row["joint_status"], row["joint_words"]) == ("yellow", "on course, no guardrail")


def test_metrics_are_judged_by_their_target_or_their_past() -> None:
    values: dict[str, Any] = {
        "orders": [100.0] * 10, "buyers": [50.0] * 8 + [48.0, 47.0], "orders_each": [number(2.0)] * 10,
    }  # fmt: skip
    found = published(values, current=9)
    colours = statuses(found, {"orders": {week(8): 102.0}, "orders_each": {week(8): 3.0}})
    assert colours["orders", week(7)] == "no_colour"
    assert [colours[name, week(8)] for name in ("orders", "buyers", "orders_each")] == ["yellow", "yellow", "red"]
    assert colours["buyers", week(9)] == "no_colour"


def test_the_trees_nodes() -> None:
    values: dict[str, Any] = {
        "orders": [90.0] * 8 + [100.0, number(3.0, state="flash")],
        "buyers": [50.0] * 8 + [47.0],
        "orders_each": [quotient(90, 50)] * 8 + [quotient(100, 47)],
        "failed_share": [0.1] * 8 + [0.2],
    }
    found = published(values, current=9)
    targets = {"orders": {week(8): 80.0}}
    rows = node_rows(found, targets, guardrail_rows(found, statuses(found, targets)))
    assert pa.Table.from_pylist(rows, TREE_NODES.schema).num_rows == 4
    star, buyers, each, failed = rows
    assert [row["role"] for row in rows] == ["north_star", "inputs", "inputs", "counter_metrics"]
    assert (star["week"], star["value"], star["target"], star["level"], star["status"]) == (week(8), 100, 80, 0, "red")
    assert star["status_words"] == (
        f"growth at a cost: 25.0% above its target path; Failed red since {week(8)}: +100.0% against its median, "
        "warn from 0.103 on, breach from 0.105 on"
    )
    assert (buyers["status"], buyers["status_words"]) == ("red", "6.0% below its median of 8 weeks, which is worse")
    assert (buyers["owner"], buyers["dimension"], buyers["level"]) == ("Growth", "breadth", 1)
    assert buyers["work"] == "2026-01-12 · Sign-up in one step · https://example.org/1\nLater"
    assert (each["status"], each["owner"], each["reference"]) == ("green", "Shop group", 1.8)
    assert (failed["status"], failed["better"], failed["level"]) == ("red", "lower", None)


def test_a_tree_without_data_has_its_nodes() -> None:
    found = published({})
    rows = node_rows(found, {}, guardrail_rows(found, {}))
    assert {row["status"] for row in rows} == {"no_colour"}
    assert {row["week"] for row in rows} == {None}
    assert pa.Table.from_pylist(rows, TREE_NODES.schema).num_rows == 4


def test_rows_fit_their_table() -> None:
    table = pa.Table.from_pylist(rows_of([*USUAL, 0.2]), GUARDRAILS.schema)
    assert table.num_rows == 12
    required = [column.name for column in GUARDRAILS.columns if column.required]
    assert [name for name in required if table[name].null_count] == []
