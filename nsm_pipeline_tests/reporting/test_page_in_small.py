"""The dashboard in small: what Dagster shows of it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from made_up import tables

from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.preview import preview_markdown, sparkline
from nsm_pipeline.reporting.wording import with_unit

LONGEST = 1000
"""Characters of an inlined picture that Dagster's UI still shows."""


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=1, max_size=26))
def test_a_sparkline_is_short_and_drawn_inside_its_box(values: list[float]) -> None:
    address = sparkline(values)
    assert len(address) < LONGEST
    svg = ElementTree.fromstring(base64.b64decode(address.partition(",")[2]))
    points = [tuple(map(float, point.split(","))) for point in svg[0].attrib["points"].split()]
    assert len(points) == len(values)
    for (x, y), value in zip(points, values, strict=True):
        assert 0 <= x <= float(svg.attrib["width"])
        assert 0 <= y <= float(svg.attrib["height"])
        if value == max(values) and min(values) < max(values):
            assert y == min(one for _, one in points)


def test_a_line_per_use_case_with_the_numbers_of_the_tables() -> None:
    made = tables(use_cases=3, weeks=40)
    monday = Monday.of(made, "Test", "000001-abc", datetime(2026, 6, 22, tzinfo=UTC))
    text = preview_markdown(monday)
    lines = text.splitlines()
    assert len(lines) == 4 + 3
    for case, line in zip(monday.use_cases, lines[4:], strict=True):
        assert case.newest is not None
        assert with_unit(case.newest["value"], case.unit) in line
        assert case.newest["joint_words"] in line
        assert line.count("|") == 7
