"""Colours: against a target, against the past, and a metric with its guardrail as one."""

from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.scoring.status import Better, Colour, joint, of_target, of_trend, trailing, worst
from nsm_pipeline.weeks import WEEK

COLOURS: tuple[Colour, ...] = ("green", "yellow", "red", "no_colour")
MONDAY = date(2026, 1, 5)
JOINT = {
    ("green", "green"): ("green", "healthy growth"),
    ("green", "yellow"): ("yellow", "on course, guardrail at risk"),
    ("green", "red"): ("red", "growth at a cost"),
    ("green", "no_colour"): ("yellow", "on course, guardrail not known"),
    ("yellow", "green"): ("yellow", "slightly behind, quality holds"),
    ("yellow", "yellow"): ("yellow", "slightly behind, guardrail at risk"),
    ("yellow", "red"): ("red", "slightly behind, and quality suffers"),
    ("yellow", "no_colour"): ("yellow", "slightly behind, guardrail not known"),
    ("red", "green"): ("red", "behind, quality holds"),
    ("red", "yellow"): ("red", "behind, guardrail at risk"),
    ("red", "red"): ("red", "behind, and quality suffers"),
    ("red", "no_colour"): ("red", "behind, guardrail not known"),
    ("no_colour", "green"): ("no_colour", "not known, quality holds"),
    ("no_colour", "yellow"): ("yellow", "not known, guardrail at risk"),
    ("no_colour", "red"): ("red", "not known, and quality suffers"),
    ("no_colour", "no_colour"): ("no_colour", "not known"),
}


@pytest.mark.parametrize(("status", "guard"), list(product(COLOURS, COLOURS)))
def test_a_metric_and_its_guardrail_are_one_status(status: Colour, guard: Colour) -> None:
    assert joint(status, guard) == JOINT[status, guard]


@pytest.mark.parametrize(
    ("value", "target", "better", "colour"),
    [
        (100, 100, "higher", "green"),
        (120, 100, "higher", "green"),
        (99.9, 100, "higher", "yellow"),
        (95, 100, "higher", "yellow"),
        (94.9, 100, "higher", "red"),
        (100, 100, "lower", "green"),
        (80, 100, "lower", "green"),
        (105, 100, "lower", "yellow"),
        (105.1, 100, "lower", "red"),
        (-95, -100, "higher", "green"),
        (-106, -100, "higher", "red"),
        (0, 0, "lower", "green"),
        (0.01, 0, "lower", "red"),
        (100, 100 * 1.07 / 1.07 + 1e-13, "higher", "green"),
        (None, 100, "higher", "no_colour"),
        (100, None, "higher", "no_colour"),
    ],
)
def test_against_a_target(value: float | None, target: float | None, better: Better, colour: Colour) -> None:
    assert of_target(value, target, better) == colour


@pytest.mark.parametrize(
    ("value", "better", "colour"),
    [
        (100, "higher", "green"),
        (97.1, "higher", "green"),
        (97, "higher", "yellow"),
        (95, "higher", "red"),
        (102.9, "lower", "green"),
        (103, "lower", "yellow"),
        (105, "lower", "red"),
        (50, "lower", "green"),
        (None, "lower", "no_colour"),
    ],
)
def test_without_a_target_it_is_held_to_its_own_past(value: float | None, better: Better, colour: Colour) -> None:
    assert of_trend(value, 100, better) == colour
    assert of_trend(value, None, better) == "no_colour"


def test_the_past_is_a_median_of_weeks_before_where_half_of_them_have_a_value() -> None:
    values = {MONDAY + place * WEEK: float(place) for place in (0, 1, 2, 3, 9)}
    assert trailing(values, MONDAY + 8 * WEEK, 8).reference == 1.5
    assert trailing(values, MONDAY + 8 * WEEK, 8).known == 4
    assert trailing(values, MONDAY + 9 * WEEK, 8).reference is None
    assert trailing(values, MONDAY + 10 * WEEK, 2).reference == 9


@given(st.dictionaries(st.integers(0, 30), st.floats(-10, 10)), st.integers(0, 30), st.floats(-10, 10))
def test_the_past_does_not_know_the_week_itself_or_later(
    values: dict[int, float], place: int, otherwise: float
) -> None:
    week = MONDAY + place * WEEK
    known = {MONDAY + at * WEEK: value for at, value in values.items()}
    changed = {day: value if day < week else otherwise for day, value in known.items()}
    assert trailing(known, week) == trailing(changed, week) == trailing({**known, week: otherwise}, week)


def test_what_is_not_known_is_worse_than_green() -> None:
    assert worst(["green", "no_colour"]) == "no_colour"
    assert worst(["no_colour", "yellow", "green"]) == "yellow"
    assert worst(["yellow", "red"]) == "red"
    assert worst([]) == "no_colour"
