"""`nsm playbook build` and `nsm playbook diff` as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from homes import copy, extract, here

from nsm_pipeline.playbook.loading import PACKAGED

NAMES = ("index", "ci", "compliance", "security")


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    """A folder with the packaged definitions, to be changed."""
    return Path(shutil.copytree(PACKAGED, tmp_path / "definitions"))


def test_a_home_s_handbook_has_what_is_published(published_home: Path, tmp_path: Path) -> None:
    home = copy(published_home, tmp_path / "home")
    said = here("playbook", "build", "--home", home, "--out", tmp_path / "book", "--json")
    assert said.code == 0, said.err
    assert set(said.json["written"]) == {f"{name}{end}" for name in NAMES for end in (".md", ".now.md", ".html")}
    rows = [row for row in extract(home, "north_star") if row["use_case"] == "ci" and row["slice"] == "all"]
    newest = max((row for row in rows if row["state"] == "certified"), key=lambda row: row["week"])
    now = (tmp_path / "book" / "ci.now.md").read_text(encoding="utf-8")
    assert f"- **Certified value**: {newest['value']:.0f} accounts\n" in now
    assert f"- **Week**: {newest['week']}\n" in now
    assert f"- **Certificate**: `{newest['certificate_id']}`" in now
    page = (tmp_path / "book" / "ci.html").read_text(encoding="utf-8")
    assert newest["certificate_id"] in page
    definition = (tmp_path / "book" / "ci.md").read_text(encoding="utf-8")
    assert newest["certificate_id"] not in definition


def test_pages_lie_in_the_home_where_nothing_else_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert here("playbook", "build", "--home", home).code == 0
    assert (home / "pages" / "playbook" / "index.html").is_file()
    assert "nothing certified is published yet" in (home / "pages" / "playbook" / "ci.now.md").read_text(
        encoding="utf-8"
    )


def test_building_again_writes_nothing_and_removes_what_is_gone(definitions: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    build = ("playbook", "build", "--playbook", definitions, "--out", book, "--json")
    assert len(here(*build).json["written"]) == 12
    again = here(*build).json
    assert (again["written"], len(again["same"]), again["removed"]) == ([], 12, [])
    (book / "mine.md").write_text("kept")
    (definitions / "ci.yaml").unlink()
    last = here(*build).json
    assert set(last["removed"]) == {"ci.md", "ci.now.md", "ci.html"}
    assert not (book / "ci.html").exists() and (book / "mine.md").exists()
    assert not list(book.glob(".*")), "nothing half-written is left"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--playbook", "."], "--out: a folder is needed"),
        (["--playbook", ".", "--home", "x"], "leave out --home"),
        (["--playbook", "nowhere", "--out", "x"], "--playbook: found 'nowhere', in which there is no use case"),
    ],
)
def test_what_cannot_be_built_is_said(arguments: list[str], words: str) -> None:
    said = here("playbook", "build", *arguments)
    assert said.code == 2
    assert words in said.err


def test_a_file_is_no_folder_for_pages(definitions: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    said = here("playbook", "build", "--playbook", definitions, "--out", tmp_path / "file")
    assert said.code == 2 and "which is a file; a folder is needed" in said.err


def test_a_diff_in_every_shape(definitions: Path) -> None:
    file = definitions / "ci.yaml"
    text = file.read_text(encoding="utf-8")
    assert "owner: Runner" in text and "warn: 8%" in text
    file.write_text(text.replace("owner: Runner", "owner: Speed").replace("warn: 8%", "warn: 9%"), encoding="utf-8")
    diff = ("playbook", "diff", "--against", PACKAGED, "--playbook", definitions)
    table = here(*diff)
    assert table.code == 0
    assert "inputs › pipeline_minutes › owner" in table.out and "What is counted stays the same." in table.out
    markdown = here(*diff, "--format", "markdown").out
    assert "- inputs › pipeline_minutes › owner: Runner → Speed\n" in markdown
    assert "- counter_metrics › failed_share › warn: 8 % worse → 9 % worse\n" in markdown
    found = json.loads(here(*diff, "--json").out)
    assert found["changed"] and [one["use_case"] for one in found["use_cases"]] == ["ci"]
    paths = [change["path"] for change in found["use_cases"][0]["changes"]]
    assert paths == [["inputs", "pipeline_minutes", "owner"], ["counter_metrics", "failed_share", "warn"]]
    assert here("playbook", "diff", "--against", PACKAGED, "--playbook", PACKAGED).out == "No definition changed.\n"


def test_a_diff_says_what_is_wrong_with_its_arguments(definitions: Path) -> None:
    said = here("playbook", "diff", "--against", "nowhere", "--playbook", definitions)
    assert said.code == 2 and "--against: found 'nowhere'" in said.err
    said = here("playbook", "diff", "--against", PACKAGED, "--playbook", definitions, "--format", "tabel")
    assert said.code == 2 and "did you mean 'table'?" in said.err
