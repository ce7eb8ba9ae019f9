"""The metric tree as it is drawn: everything is there, nothing lies over anything else, few lines cross."""

from __future__ import annotations

import random
import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import a_tree, edge, grocery, node, rows_of

from nsm_pipeline.reporting.text_width import cut, width_of, wrapped
from nsm_pipeline.reporting.tree_drawing import tree_svg, tree_table
from nsm_pipeline.reporting.tree_layout import Slot, crossings, layout, without_circles

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def card_boxes(svg: ElementTree.Element) -> dict[str, Box]:
    found = {}
    for group in svg.iter(f"{SVG}g"):
        if "data-node" in group.attrib:
            rect = group.find(f"{SVG}rect")
            assert rect is not None
            x, y, width, height = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
            found[f"{group.attrib['data-node']} {group.attrib['class']}"] = (x, y, x + width, y + height)
    return found


def label_boxes(svg: ElementTree.Element) -> list[Box]:
    found = []
    for text in svg.findall(f"{SVG}text"):
        if "tree-label" in text.attrib["class"]:
            wide, x, y = width_of(text.text or "", 10.5), float(text.attrib["x"]), float(text.attrib["y"])
            left = x - wide / 2 if text.attrib["text-anchor"] == "middle" else x
            found.append((left, y - 9, left + wide, y + 2))
    return found


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def points(path: str) -> list[tuple[float, float]]:
    """Points along a path of M, H, V and C."""
    found: list[tuple[float, float]] = []
    for letter, rest in re.findall(r"([MHVC])([^MHVC]*)", path):
        numbers = [float(one) for one in rest.split()]
        if letter == "C":
            (x0, y0), (x1, y1, x2, y2, x3, y3) = found[-1], numbers
            for step in range(1, 21):
                t = step / 20
                a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
                found.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
            continue
        x, y = found[-1] if found else (0.0, 0.0)
        end = {"M": tuple(numbers), "H": (numbers[0], y), "V": (x, numbers[0])}[letter]
        start = end if letter == "M" else (x, y)
        found += [(start[0] + (end[0] - start[0]) * s / 20, start[1] + (end[1] - start[1]) * s / 20) for s in range(21)]
    return found


def assert_clear(svg: ElementTree.Element) -> None:
    """No card lies over another, no label over a card or a label, no link runs through a card or a label of another,
    everything lies within the drawing."""
    cards, labels = card_boxes(svg), label_boxes(svg)
    for (one, a), (other, b) in combinations(cards.items(), 2):
        assert not overlap(a, b), f"{one} lies over {other}"
    for a, b in combinations([*labels, *cards.values()], 2):
        assert a in cards.values() or not overlap(a, b), f"a label lies over {b}"
    _, _, width, height = (float(one) for one in svg.attrib["viewBox"].split())
    for box in (*cards.values(), *labels):
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height
    for path in svg.findall(f"{SVG}path"):
        if "data-edge" in path.attrib:
            for x, y in points(path.attrib["d"]):
                inside = [n for n, b in cards.items() if b[0] + 0.5 < x < b[2] - 0.5 and b[1] + 0.5 < y < b[3] - 0.5]
                assert not inside, f"{path.attrib['data-edge']} runs through {inside}"
                assert not any(b[0] < x < b[2] and b[1] + 1 < y < b[3] - 1 for b in labels)


def texts(svg: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in svg.iter(f"{SVG}text")]


def test_the_grocery_tree_is_drawn_whole() -> None:
    nodes, edges = rows_of(grocery())
    assert len(nodes) == 17 and len(edges) == 16
    svg = parsed(tree_svg(nodes, edges))
    assert_clear(svg)
    drawn = sorted(name.split()[0] for name in card_boxes(svg))
    assert drawn == sorted(one["metric"] for one in nodes)
    lines = sorted(path.attrib["data-edge"] for path in svg.iter(f"{SVG}path") if "data-edge" in path.attrib)
    assert lines == sorted(f"{one['metric']}→{one['drives']}" for one in edges if one["relation"] != "protects")
    assert {"North Star", "Level 1", "Level 2", "Level 3"} <= set(texts(svg))
    assert tree_svg(nodes, edges) == tree_svg(nodes, edges)


def test_every_edge_says_its_verdict_in_words_and_has_its_class() -> None:
    nodes, edges = rows_of(grocery())
    edges[3] |= {"verdict": "supported", "lag": 1}
    edges[4] |= {"verdict": "contradicted", "lag": 0}
    edges[5] |= {"verdict": "too early to say", "weeks": 14}
    edges[2] |= {"verdict": "not reconciled", "gap": 0.032}
    svg = parsed(tree_svg(nodes, edges))
    said = texts(svg)
    for words in ("supported,", "1 week ahead", "contradicted,", "in the same week", "14 weeks so far", "gap 3.2\xa0%"):
        assert words in said
    classes = {
        path.attrib["data-edge"]: path.attrib["class"]
        for path in svg.findall(f"{SVG}path")
        if "data-edge" in path.attrib
    }
    assert classes["items_per_order→on_time_orders"].endswith("tree-supported")
    assert classes["on_time_share→on_time_orders"].endswith("tree-not_reconciled")
    crosses = [path for path in svg.findall(f"{SVG}path") if path.attrib["class"] == "tree-cross"]
    assert len(crosses) >= 2 + 2  # two on lines, two in the legend


def test_status_is_a_shape_as_well_as_a_colour() -> None:
    shapes = {}
    nodes, _ = rows_of(grocery())
    for colour in ("green", "yellow", "red", "no_colour"):
        svg = parsed(tree_svg([one | {"status": colour} for one in nodes[:1]], []))
        group = next(one for one in svg.iter(f"{SVG}g") if "data-node" in one.attrib)
        assert f"tree-{colour}" in group.attrib["class"]
        shapes[colour] = [
            (one.tag, one.attrib.get("d")) for one in group.iter() if one.attrib.get("class") in ("shape", "sign")
        ]
    assert len({str(shape) for shape in shapes.values()}) == 4


def test_no_colour_is_written_into_the_drawing() -> None:
    text = tree_svg(*rows_of(grocery()))
    assert not re.search(r"#[0-9a-fA-F]{3,6}|rgb\(|fill=|stroke=|style=", text)


@settings(max_examples=60, deadline=None)
@given(
    levels=st.lists(st.integers(1, 3), max_size=20),
    counters=st.integers(0, 4),
    outcomes=st.integers(0, 3),
    seed=st.integers(0, 10_000),
)
def test_nothing_lies_over_anything_else(levels: list[int], counters: int, outcomes: int, seed: int) -> None:
    nodes, edges = a_tree(sorted(levels), counters, outcomes, seed)
    assert_clear(parsed(tree_svg(nodes, edges)))


def test_a_tree_of_cards_has_no_crossings() -> None:
    levels = [1] * 4 + [2] * 10
    slots = [Slot("star", 0, 20, 20), *(Slot(str(n), level, 20, 20) for n, level in enumerate(levels))]
    links = [(str(n), "star" if level == 1 else str((n * 7) % 4)) for n, level in enumerate(levels)]
    heights = layout(slots, links).heights
    columns = [sorted((s.key for s in slots if s.column == c), key=lambda key: heights[key]) for c in range(3)]
    assert crossings(columns, links) == 0


def test_order_follows_the_neighbours_where_a_walk_would_cross() -> None:
    """Two parents with shared children: the order 0 1 2 3 of the children crosses once less than as declared."""
    links = [("0", "a"), ("0", "b"), ("1", "a"), ("2", "b"), ("a", "star"), ("b", "star")]
    slots = [Slot("star", 0, 9, 9), Slot("a", 1, 9, 9), Slot("b", 1, 9, 9), *(Slot(str(n), 2, 9, 9) for n in range(3))]
    heights = layout(slots, links).heights
    columns = [sorted((s.key for s in slots if s.column == c), key=lambda key: heights[key]) for c in range(3)]
    assert crossings(columns, links) == 0


def test_a_parent_stands_at_the_middle_of_its_children() -> None:
    slots = [Slot("star", 0, 20, 20), *(Slot(str(n), 1, 20, 20) for n in range(3))]
    heights = layout(slots, [(str(n), "star") for n in range(3)]).heights
    assert heights["star"] == pytest.approx(heights["1"])
    assert all(b - a >= 40 for a, b in pairwise(heights[str(n)] for n in range(3)))


def test_a_circle_and_an_end_that_is_no_card_are_left_to_the_table() -> None:
    draw = random.Random(1)
    nodes = [node("star", "north_star", draw, level=0), node("a", "inputs", draw, level=1), node("b", "inputs", draw)]
    edges = [edge(*ends, "hypothesis", draw) for ends in (("a", "b"), ("b", "a"), ("a", "gone"), ("a", "star"))]
    assert without_circles([("a", "b"), ("b", "a"), ("a", "star")]) == [0, 2]
    text = tree_svg(nodes, edges)
    assert "2 more links stand only in the table" in text
    assert_clear(parsed(text))
    assert len(tree_table(nodes, edges)[1]) == 4


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><b>', "&amp;", "a\x00\x1b[31mb", "]]>", "\u202e"])
def test_hostile_texts_are_escaped(hostile: str) -> None:
    nodes, edges = rows_of(grocery())
    fields = ("title", "owner", "unit", "status_words")
    text = tree_svg(
        [one | dict.fromkeys(fields, hostile) for one in nodes], [one | {"words": hostile} for one in edges]
    )
    svg = parsed(text)
    assert not list(svg.iter(f"{SVG}script")) and not list(svg.iter(f"{SVG}b"))
    assert "\x1b" not in text and "\u202e" not in text


def test_a_long_title_is_cut_and_kept_for_who_points_at_it() -> None:
    nodes, _ = rows_of(grocery())
    long = "Households " * 40
    text = tree_svg([nodes[0] | {"title": long}], [])
    assert "…" in text and long.strip() in text


def test_nothing_at_all_is_still_a_drawing() -> None:
    assert parsed(tree_svg([], [])).tag == f"{SVG}svg"


@given(st.text(max_size=80), st.floats(20, 300))
def test_a_cut_text_fits(text: str, width: float) -> None:
    assert width_of(cut(text, width, 12), 12) <= max(width, width_of("…", 12))
    lines = wrapped(text, width, 12, 3)
    assert 1 <= len(lines) <= 3
    assert all(width_of(line, 12) <= max(width, width_of("…", 12), 13) for line in lines)
