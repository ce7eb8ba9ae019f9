"""Pictures: every chart as SVG and PNG that need nothing but themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from subprocess import CalledProcessError
from xml.etree import ElementTree

import pytest
from made_up import altered, every, tables

from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.painting import Painters, png
from nsm_pipeline.reporting.pictures import drawings, resolved
from nsm_pipeline.steps.pages import write_pictures

CHARTS = ("north-star", "guardrail-support_contacts", "growth-accounting", "inputs", "why-it-moved", "trust", "tree")


def made(found: dict) -> dict[str, bytes]:
    svgs = drawings(Monday.of(found, "Example Forge", "000012", datetime(2026, 11, 2, 6)))
    return {f"{name}.svg": svg.encode() for name, svg in svgs.items()} | {
        f"{name}.png": png(svg) for name, svg in svgs.items()
    }


@pytest.fixture(scope="module")
def one() -> dict[str, bytes]:
    return made(tables(1, 40))


def test_every_chart_is_there_twice(one: dict[str, bytes]) -> None:
    assert set(one) == {f"planning-{chart}.{ending}" for chart in CHARTS for ending in ("svg", "png")}


def test_svg_stands_alone(one: dict[str, bytes]) -> None:
    for name, content in one.items():
        if name.endswith(".svg"):
            text = content.decode()
            root = ElementTree.fromstring(text)
            assert root.tag == "{http://www.w3.org/2000/svg}svg", name
            assert "var(" not in text and "@media" not in text and not re.search(r"(href|src|url\()", text), name
            assert float(root.attrib["width"]) > 300 and len(text) < 60_000, name


def test_png_is_drawn_at_two_dots_per_unit(one: dict[str, bytes]) -> None:
    for chart in CHARTS:
        png, svg = one[f"planning-{chart}.png"], one[f"planning-{chart}.svg"].decode()
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        width = int.from_bytes(png[16:20], "big")
        assert width == pytest.approx(2 * float(re.search(r'<svg[^>]* width="([\d.]+)"', svg)[1]), abs=2)  # type: ignore[index]


def test_pictures_follow_the_data_and_equal_tables_give_equal_bytes(one: dict[str, bytes]) -> None:
    again = made(tables(1, 40))
    assert again == one
    last = max(row["week"] for row in tables(1, 40)["guardrails"].to_pylist() if row["stage"] != "flash")
    broken = made(altered(tables(1, 40), "guardrails", lambda row: row["week"] == last, status="red"))
    changed = {name for name in one if broken[name] != one[name]}
    assert changed == {f"planning-guardrail-support_contacts.{ending}" for ending in ("svg", "png")}


def test_hostile_titles_stay_words() -> None:
    hostile = "</style><script>alert(1)</script>\"'&" + "x" * 200
    found = altered(tables(1, 20), "metric_dictionary", every, use_case_title=hostile, title=hostile)
    for name, content in made(found).items():
        if name.endswith(".svg"):
            root = ElementTree.fromstring(content.decode())
            assert not [one for one in root.iter() if one.tag.endswith("script")], name


def test_colours_are_put_in_for_variables() -> None:
    assert resolved(".a { fill: var(--card); stroke: var(--nothing, #123456); }").startswith(
        ".a { fill: #ffffff; stroke: #123456; }"
    )


def square(side: int) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}"><rect width="3" height="3"/></svg>'


def test_two_processes_paint_what_one_does() -> None:
    squares = [square(side) for side in range(4, 13)]
    with Painters() as painters:
        assert painters.pngs(squares) == [png(one) for one in squares]
    with Painters() as painters:
        assert painters.pngs(squares[:1]) == [png(squares[0])]


def test_a_drawing_that_cannot_be_painted_is_not_passed_over() -> None:
    with Painters() as painters, pytest.raises(CalledProcessError):
        painters.pngs([*map(square, range(4, 9)), "<svg"])


def test_the_other_process_ends_with_the_block() -> None:
    with pytest.raises(KeyboardInterrupt), Painters() as painters:
        raise KeyboardInterrupt
    assert painters._other.returncode is not None


def painted(svgs: Sequence[str]) -> list[bytes]:
    return [png(svg) for svg in svgs]


def test_pictures_are_written_where_they_are_not_there_as_they_are(tmp_path: Path) -> None:
    files = write_pictures(tmp_path, {"a": square(10), "b": square(10), "c": square(10)}, painted)
    assert sorted(file.name for file in files) == sorted(file.name for file in tmp_path.iterdir())
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}
    (tmp_path / "b.png").unlink()  # as a kill between the two would leave it, had the drawing been written first
    write_pictures(tmp_path, {"a": square(10), "b": square(10), "c": square(20)}, painted)
    after = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()}
    assert {name for name in after if after[name][0] != before[name][0]} == {"b.svg", "b.png", "c.svg", "c.png"}
    assert after["b.png"][1] == before["b.png"][1] != after["c.png"][1]
    write_pictures(tmp_path, {"a": square(10)}, painted)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "a.svg"]
