"""The scorecard's numbers beside the published rows they are made of."""

from __future__ import annotations

from datetime import timedelta

import pytest
from published_rows import published, week, weekly

from nsm_pipeline.publishing.score_tables import SCORECARD
from nsm_pipeline.scoring.scorecard import scorecard_rows

ACCOUNTS = {
    week(0): {"active": 100, "new": 100, "new_by_creation": 20},
    week(1): {"active": 110, "new": 20, "retained": 80, "resurrected": 10, "new_by_creation": 15},
    week(2): {"active": 90, "new": 6, "retained": 84, "new_by_creation": 4},
}


def test_every_column_of_every_week() -> None:
    rows = scorecard_rows(published(weekly([100, 110, 90]), week(2), accounts=ACCOUNTS))
    assert [row["week"] for row in rows] == [week(0), week(1), week(2)]
    for row in rows:
        assert set(row) == {column.name for column in SCORECARD.columns}
        assert all(row[column.name] is not None for column in SCORECARD.columns if column.required)


def test_a_week_by_hand() -> None:
    """100 → 110: growth 10 %, 3 above the habit; the goals are last week's numbers × 1.07; 20 gone, 30 come."""
    row = scorecard_rows(published(weekly([100, 110, 90]), week(2), accounts=ACCOUNTS))[1]
    wanted = {
        "growth": 0.1, "habit": 0.07, "growth_above_habit": 0.03, "target": 107, "attainment": 110 / 107,
        "goal_total": 107, "progress_total": 110 / 107, "goal_retained": 0, "progress_retained": None,
        "goal_new": 107, "progress_new": 20 / 107, "churned": 20, "quick_ratio": 1.5,
    }  # fmt: skip
    assert {column: row[column] for column in wanted} == pytest.approx(wanted)


def test_the_week_in_progress_has_goals_and_progress_but_no_growth() -> None:
    row = scorecard_rows(published(weekly([100, 110, 90]), week(2), {"goals_by": "creation"}, ACCOUNTS))[2]
    wanted = {
        "growth": None, "growth_above_mean": None, "goal_total": 110 * 1.07, "progress_total": 90 / (110 * 1.07),
        "goal_retained": 95 * 1.07, "progress_retained": 86 / (95 * 1.07),
        "goal_new": 15 * 1.07, "progress_new": 4 / (15 * 1.07), "mean_growth_13_weeks": 0.1,
    }  # fmt: skip
    assert {column: row[column] for column in wanted} == pytest.approx(wanted)
    assert row["verdict"] == "in progress"
    assert row["state"] == "flash"


def test_a_declared_path_moves_target_and_attainment_and_not_the_goals() -> None:
    path = {"target": {"value": 160, "by": week(3).isoformat(), "growth_per_week": "10%"}}
    rows = scorecard_rows(published(weekly([100, 110, 90]), week(2), path))
    assert [row["target"] for row in rows] == [100, 120, 140]
    assert [row["attainment"] for row in rows] == pytest.approx([1, 110 / 120, 90 / 140])
    assert {row["target_value"] for row in rows} == {160}
    assert {row["target_by"] for row in rows} == {week(3)}
    assert rows[1]["goal_total"] == pytest.approx(110)
    assert rows[1]["habit"] == pytest.approx(0.1)


def test_a_week_that_is_not_published_leaves_a_gap() -> None:
    """After it there is no goal, no growth and no progress; the path goes on."""
    values = [one for one in weekly([100, 110, 120, 130]) if one[0] != week(1)]
    rows = scorecard_rows(published(values, week(9), {"target": {"value": 160, "by": week(3).isoformat()}}))
    assert [row["week"] for row in rows] == [week(0), week(2), week(3)]
    assert rows[1]["target"] == pytest.approx(140)
    assert rows[1]["attainment"] == pytest.approx(120 / 140)
    for column in ("previous_value", "growth", "growth_above_habit", "goal_total", "progress_total", "goal_new"):
        assert rows[1][column] is None, column
    assert rows[2]["goal_total"] == pytest.approx(120 * 1.07)


def test_nobody_churned_and_nothing_to_divide_by() -> None:
    rows = scorecard_rows(published(weekly([0, 0, None, 5]), week(9)))
    assert [row["quick_ratio"] for row in rows] == [None] * 4
    assert [row["attainment"] for row in rows] == [None] * 4
    assert [row["progress_total"] for row in rows] == [None] * 4
    assert rows[2]["value"] is None
    assert rows[2]["verdict"] == "no value"


def growing(weeks: int) -> list[float]:
    return [100 * 1.01**number + (number % 3) for number in range(weeks)]


def test_the_expectation_stands_beside_every_week_and_the_forecast_beside_the_newest() -> None:
    """30 complete weeks, the last of which halves, and the week in progress."""
    values = [*growing(29), 60.0, 20.0]
    rows = scorecard_rows(published(weekly(values), week(30)))
    assert [row["verdict"] for row in rows[:13]] == ["not enough weeks"] * 13
    assert {row["expected"] for row in rows[:13]} == {None}
    assert {row["verdict"] for row in rows[13:29]} == {"as expected"}
    assert rows[29]["verdict"] == "unusually low"
    assert rows[30]["verdict"] == "in progress"
    assert all(row["expected_low"] < row["expected"] < row["expected_high"] for row in rows[13:])
    assert [row["week"] for row in rows if row["forecast"] is not None] == [week(29)]
    assert rows[29]["forecast_week"] == week(42)
    assert rows[29]["forecast_low"] < rows[29]["forecast"] < rows[29]["forecast_high"]


@pytest.mark.parametrize(
    ("by", "ahead"), [(40, 40), (29, 42), (12, 42), (30, 30), (1000, 29 + 104)], ids=lambda number: str(number)
)
def test_the_forecast_goes_to_the_target(by: int, ahead: int) -> None:
    """To the target's week, which any of its days names; 13 weeks on where that has passed; at most 104."""
    target = {"target": {"value": 200, "by": (week(by) + timedelta(days=4)).isoformat()}}
    rows = scorecard_rows(published(weekly(growing(31)), week(30), target))
    assert rows[29]["forecast_week"] == week(ahead)


def test_too_few_weeks_have_no_forecast() -> None:
    rows = scorecard_rows(published(weekly(growing(13)), week(12)))
    assert {row["forecast_week"] for row in rows} == {None}
    assert {row["expected"] for row in rows} == {None}
    assert scorecard_rows(published([], week(12))) == []


def test_a_window_that_is_open_counts_as_in_progress() -> None:
    """The North Star of a complete week may still be flash: it is neither judged nor learnt from."""
    one = published(weekly(growing(20)), week(18))
    rows = scorecard_rows(one)
    assert [row["verdict"] for row in rows[17:]] == ["as expected", "in progress", "in progress"]
    assert rows[17]["forecast"] is not None
    assert rows[19]["target"] is None  # the habit needs a complete week before it
