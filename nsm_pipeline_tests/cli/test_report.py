"""`nsm report`: the digest and the dashboard of what is published, or was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from homes import copy, extract, here
from landing_zone import Zone, event

from nsm_pipeline.weeks import WEEK


@pytest.fixture(scope="module")
def home(published_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(published_home, tmp_path_factory.mktemp("report") / "home")


def test_a_run_leaves_the_pages(home: Path) -> None:
    names = {file.relative_to(home / "pages").as_posix() for file in (home / "pages").rglob("*") if file.is_file()}
    assert {"dashboard.html", "digest.md", "playbook/index.html", "playbook/ci.md", "charts/ci-tree.svg"} <= names
    for png in (home / "pages" / "charts").glob("*.png"):
        assert png.read_bytes().startswith(b"\x89PNG"), png.name
    assert {name.removesuffix(".svg") for name in names if name.endswith(".svg")} == {
        name.removesuffix(".png") for name in names if name.endswith(".png")
    }


def test_the_digest_tells_what_is_published(home: Path) -> None:
    said = here("report", "--home", home)
    assert said.code == 0
    assert said.out.strip() == (home / "pages" / "digest.md").read_text(encoding="utf-8").strip()
    rows = [row for row in extract(home, "scorecard") if row["state"] != "flash"]
    newest = [row for row in rows if row["week"] == max(one["week"] for one in rows)]
    assert len(newest) == 3
    for row in newest:
        assert f": {row['value']:,.0f} accounts" in said.out.replace("\N{NO-BREAK SPACE}", " ")
        assert row["joint_words"] in said.out
    assert (home / "extracts" / "current").resolve().name in said.out


def test_the_page_is_made_again_to_the_byte(home: Path, tmp_path: Path) -> None:
    page = (home / "pages" / "dashboard.html").read_bytes()
    (home / "pages" / "dashboard.html").unlink()
    said = here("report", "--home", home, "--format", "html")
    assert said.code == 0
    assert (home / "pages" / "dashboard.html").read_bytes() == page
    out = tmp_path / "mail" / "page.html"
    assert here("report", "--home", home, "--format", "html", "--out", out).code == 0
    assert out.read_bytes() == page


@pytest.mark.slow
def test_what_was_read_on_an_earlier_day(tmp_path: Path) -> None:
    """Late rows change a settling week: today's digest has the new number, that of the day before the old one."""
    zone = Zone(tmp_path / "home", settings="company: Test\npublication: {small_groups: 0}\n")
    assert zone.playbook
    weeks = [date(2026, 3, 2) + number * WEEK for number in range(6)]
    for number, week in enumerate(weeks):
        zone.put(f"{week}.jsonl", [event(f"{number}-{one}", f"{week}T10:00:00Z", f"a{one}") for one in range(10)])
    assert here("run", "--home", zone.root, "--as-of", "2026-04-14").code == 0
    late = [event(f"late-{one}", f"{weeks[-1]}T11:00:00Z", f"b{one}") for one in range(3)]
    zone.put("late.jsonl", late)
    assert here("run", "--home", zone.root, "--as-of", "2026-04-15").code == 0
    now = here("report", "--home", zone.root).out
    then = here("report", "--home", zone.root, "--as-published", "2026-04-14").out
    assert "Shop: 13" in now
    assert "Shop: 10" in then
    page = tmp_path / "then.html"
    assert (
        here("report", "--home", zone.root, "--as-published", "2026-04-14", "--format", "html", "--out", page).code == 0
    )
    assert "14 April 2026" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "mdd"], "--format: found 'mdd'"),
        (["--as-published", "1999-01-01"], "--as-published: found '1999-01-01'"),
        (["--format", "html", "--as-published", "2099-01-01"], "--out: an earlier dashboard needs a file"),
        (["--out", "/"], "--out: found '/', which is a folder"),
    ],
)
def test_wrong_orders_are_refused_in_one_paragraph(home: Path, arguments: list[str], said: str) -> None:
    found = here("report", "--home", home, *arguments)
    assert found.code == 2
    assert said in found.err.replace("\n", " ")
    assert "Traceback" not in found.err


def test_a_home_without_a_publication_says_so(tmp_path: Path) -> None:
    zone = Zone(tmp_path / "home")
    assert zone.playbook
    found = here("report", "--home", zone.root)
    assert found.code == 2
    assert "nothing has been published yet" in found.err.replace("\n", " ")
