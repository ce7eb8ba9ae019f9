"""Composites, earlier colours and calls to action, by hand and by GitLab's published points and bounds."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.scoring.adoption import MEASURED, adoption_table

WEEK = date(2026, 6, 1)
POINTS = {"red": 25, "yellow": 63, "green": 88}
USE_CASE = UseCase.model_validate(
    {
        "use_case": "ci",
        "title": "CI",
        "owner": {"name": "x"},
        "events": {"built": {"sources": [{"name": "built"}]}},
        "metrics": {name: {"count": "built"} for name in ("builds", "people", "scans")},
        "north_star": {"metric": "builds"},
        "adoption": [
            {"metric": "builds", "red": "<= 2", "yellow": "<= 40", "green": "> 40", "call_to_action": "Show runners."},
            {"metric": "people", "red": "<= 2", "yellow": "<= 40", "green": "> 40"},
            {"metric": "scans", "red": "<= 2", "yellow": "<= 40", "green": "> 40"},
        ],
    }
)
TITLES = {"builds": "Builds", "people": "People", "scans": "Scans"}


def rows(*weeks: tuple[int, dict[str, str]], state: str = "certified", account: str = "a") -> list[dict[str, Any]]:
    """Colours by measure, so many weeks before WEEK."""
    return [
        {
            "week": WEEK - timedelta(weeks=ago),
            "account": account,
            "measure": measure,
            "value": None if colour == "no_colour" else 1.0,
            "colour": colour,
            "state": "certified" if ago else state,
            "certificate_id": "c",
        }
        for ago, colours in weeks
        for measure, colour in colours.items()
    ]


def scored(found: list[dict[str, Any]]) -> dict[tuple[str, str, date], dict[str, Any]]:
    table = adoption_table(USE_CASE, TITLES, pa.Table.from_pylist(found, MEASURED))
    return {(row["account"], row["measure"], row["week"]): row for row in table.to_pylist()}


@pytest.mark.parametrize("colours", list(product(("green", "yellow", "red", "no_colour"), repeat=3)))
def test_every_composite_of_three(colours: tuple[str, ...]) -> None:
    found = scored(rows((0, dict(zip(TITLES, colours, strict=True)))))
    composite = found["a", "composite", WEEK]
    present = [POINTS[one] for one in colours if one != "no_colour"]
    assert composite["coverage"] == len(present) / 3
    if not present:
        assert (composite["value"], composite["colour"]) == (None, "no_colour")
        return
    score = sum(present) / len(present)
    assert composite["value"] == pytest.approx(score)
    assert composite["colour"] == ("red" if score <= 50 else "yellow" if score <= 75 else "green")
    assert [found["a", name, WEEK]["coverage"] for name in TITLES] == [None] * 3


@pytest.mark.parametrize(
    ("colours", "score", "colour"),
    [
        (["red", "green"], 56.5, "yellow"),
        (["red", "red", "green"], 46.0, "red"),
        (["yellow", "green"], 75.5, "green"),
        (["yellow", "yellow", "green"], 71.0 + 1 / 3, "yellow"),
        (["no_colour", "green"], 88.0, "green"),  # what is missing pulls nothing down
    ],
)
def test_composites_by_hand(colours: list[str], score: float, colour: str) -> None:
    found = scored(rows((0, dict(zip(TITLES, colours, strict=False)))))["a", "composite", WEEK]
    assert (found["value"], found["colour"]) == (pytest.approx(score), colour)


def test_colours_one_and_three_months_earlier() -> None:
    found = scored(rows((0, {"builds": "green"}), (4, {"builds": "red"}), (13, {"builds": "yellow"})))
    for measure in ("builds", "composite"):
        row = found["a", measure, WEEK]
        assert (row["colour_1_month_earlier"], row["colour_3_months_earlier"]) == ("red", "yellow")
        first = found["a", measure, WEEK - timedelta(weeks=13)]
        assert (first["colour_1_month_earlier"], first["colour_3_months_earlier"]) == (None, None)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (
            {"builds": "green", "people": "green"},
            {"builds": "red", "people": "red"},
            "Builds fell from green to red: Show runners.; a: People fell from green to red",
        ),
        ({"people": "yellow"}, {"people": "red"}, "a: People fell from yellow to red"),
        ({"people": "green"}, {"people": "yellow"}, "a: People fell from green to yellow"),
        ({"people": "red"}, {"people": "red"}, None),
        ({"people": "red"}, {"people": "green"}, None),
        ({"people": "green"}, {"people": "no_colour"}, None),  # nothing heard is no fall
        ({"people": "no_colour"}, {"people": "red"}, None),
        ({"people": "green", "scans": "green"}, {"people": "yellow", "scans": "green"}, None),  # 75.5: still green
        (
            {"people": "red", "scans": "green"},
            {"people": "red", "scans": "no_colour"},
            "a: all measures together fell from yellow to red, since fewer of them have a value",
        ),
    ],
)
def test_calls_to_action(before: dict[str, str], now: dict[str, str], said: str | None) -> None:
    found = scored([*rows((4, before), (0, now)), *rows((0, {"builds": "green"}), account="b")])
    assert found["a", "composite", WEEK]["call_to_action"] == said
    others = [row for key, row in found.items() if key != ("a", "composite", WEEK)]
    assert {row["call_to_action"] for row in others} == {None}


def test_the_week_in_progress_calls_for_nothing() -> None:
    found = scored(rows((4, {"people": "green"}), (0, {"people": "red"}), state="flash"))
    assert found["a", "composite", WEEK]["call_to_action"] is None
    assert found["a", "composite", WEEK]["colour_1_month_earlier"] == "green"
