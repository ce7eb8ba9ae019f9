"""The handbook: every key of the playbook is in it, it changes where a definition does and nowhere else, and what a
playbook says can do nothing to who reads it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import browser, read
from every_key import changes_of, fields_of, full_settings, full_use_case
from made_up import altered, tables
from markdown_it import MarkdownIt

from nsm_pipeline.playbook.loading import PACKAGED, Playbook
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.settings import Settings
from nsm_pipeline.reporting.declared_tree import declared_tree
from nsm_pipeline.reporting.handbook import Handbook, page_of, settings_part
from nsm_pipeline.reporting.handbook_html import html_files
from nsm_pipeline.reporting.handbook_markdown import code_span, markdown_files, plain, prose
from nsm_pipeline.steps.handbook import handbook_of
from nsm_pipeline.steps.opening import open_folder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOLDERS = {"packaged": PACKAGED} | {
    folder.name: folder / "playbook" for folder in sorted(EXAMPLES.iterdir()) if (folder / "playbook").is_dir()
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "[x](JaVa&#115;cript:alert(1))",
    "<javascript:alert(1)>",
    "</title><b>",
    "` ``` `` <b>",
    '"><b onmouseover=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "a\x1b[31m\u202eb\x00",
    "\n# heading\n- item\n```",
]


def text_of(use_case: UseCase) -> str:
    """A use case's definition as Markdown."""
    handbook = Handbook("Us", settings_part(Settings()), (page_of(use_case),))
    return markdown_files(handbook)[f"{use_case.use_case}.md"]


def settings_text(settings: Settings) -> str:
    return markdown_files(Handbook(settings.company, settings_part(settings), ()))["index.md"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_the_handbook_of_every_playbook_builds(name: str) -> None:
    playbook = open_folder(FOLDERS[name], None)
    handbook = handbook_of(playbook, None, {})
    markdown, html = markdown_files(handbook), html_files(handbook)
    assert set(html) == {"index.html", *(f"{one}.html" for one in playbook.use_cases)}
    assert set(markdown) == {f"{one}{end}" for one in ("index", *playbook.use_cases) for end in (".md", ".now.md")}
    for one, use_case in playbook.use_cases.items():
        names = [*use_case.metrics, *use_case.events, use_case.owner.name, *(item.owner for item in use_case.inputs)]
        for word in names:
            assert plain(word) in markdown[f"{one}.md"], word
        assert markdown[f"{one}.md"].count("```sql") == len(use_case.metrics)
        assert html[f"{one}.html"].count("<pre") == len(use_case.metrics)
    again = handbook_of(open_folder(FOLDERS[name], None), None, {})
    assert (markdown_files(again), html_files(again)) == (markdown, html)


@pytest.mark.slow
def test_no_key_of_a_use_case_is_left_out() -> None:
    """Whatever key changes, the Markdown changes; and every key that the grammar has was changed."""
    use_case = full_use_case()
    before = text_of(use_case)
    assert text_of(full_use_case()) == before
    seen = set()
    for key, path, other in changes_of(use_case):
        assert text_of(other) != before or other.use_case != use_case.use_case, path
        seen.add(key)
    assert fields_of(UseCase) - seen == set()


def test_no_key_of_the_settings_is_left_out() -> None:
    settings = full_settings()
    before = settings_text(settings)
    seen = set()
    for key, path, other in changes_of(settings):
        assert settings_text(other) != before, path
        seen.add(key)
    assert fields_of(Settings) - seen == set()


def test_a_change_of_one_key_changes_few_lines() -> None:
    use_case = full_use_case()
    inputs = tuple(one.model_copy(update={"owner": "Runner"}) for one in use_case.inputs[:1]) + use_case.inputs[1:]
    before, after = (text_of(one).splitlines() for one in (use_case, use_case.model_copy(update={"inputs": inputs})))
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert changed == [("- **Owner**: Verify", "- **Owner**: Runner")]


def test_definitions_stay_the_same_whatever_the_data_say() -> None:
    found = altered(tables(1, 30), "north_star", lambda _: True, metric="buyers")
    name = found["north_star"]["use_case"][0].as_py()
    use_case = full_use_case().model_copy(update={"use_case": name})
    playbook = Playbook(Settings(), {name: use_case})
    without, with_data = (markdown_files(handbook_of(playbook, None, one)) for one in ({}, found))
    differing = {file for file in without if without[file] != with_data[file]}
    assert differing == {f"{name}.now.md", "index.now.md"}


def test_a_use_case_named_index_does_not_take_the_index_its_place() -> None:
    playbook = Playbook(Settings(), {"index": full_use_case().model_copy(update={"use_case": "index"})})
    handbook = handbook_of(playbook, None, {})
    assert set(html_files(handbook)) == {"index.html", "index-use-case.html"}


class Elements(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def harmless(text: str) -> bool:
    found = Elements(text)
    links = [value for name, value in found.attributes if name in ("href", "src", "action")]
    events = [name for name, _ in found.attributes if name.startswith("on")]
    bad = {"script", "img", "iframe", "object", "b"} & found.tags
    return not (bad or events or [one for one in links if one.lower().startswith(("javascript", "data", "vbscript"))])


def hostile(text: str) -> Handbook:
    """A handbook in which every text of a person is hostile, and so is some SQL."""
    use_case = full_use_case()
    metrics = {
        name: one.model_copy(update=dict.fromkeys(("title", "description", "unit", "where"), text))
        for name, one in use_case.metrics.items()
    }
    work = tuple(one.model_copy(update={"title": text, "url": text}) for one in use_case.inputs[0].work)
    inputs = tuple(one.model_copy(update={"owner": text, "work": work}) for one in use_case.inputs)
    sources = tuple(one.model_copy(update={"name": text}) for one in use_case.events["order_placed"].sources)
    ordered = use_case.events["order_placed"]
    event = ordered.model_copy(update={"description": text, "sources": sources})
    update = {
        **dict.fromkeys(("title", "vision", "value_moment", "formula"), text),
        "owner": use_case.owner.model_copy(update={"name": text, "contact": text}),
        "metrics": metrics,
        "inputs": inputs,
        "events": {"order_placed": event},
        "counter_metrics": tuple(one.model_copy(update={"risk": text}) for one in use_case.counter_metrics),
        "annotations": tuple(one.model_copy(update={"text": text}) for one in use_case.annotations),
        "without": {"breadth": text},
    }
    other = use_case.model_copy(update=update)
    nodes, edges = declared_tree(other)
    page = replace(page_of(other, {"buyers": f"SELECT '{text}'"}), nodes=nodes, edges=edges)
    return Handbook(text, settings_part(Settings(company=text)), (page,))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_do_nothing(text: str) -> None:
    handbook = hostile(text)
    for name, page in html_files(handbook).items():
        assert harmless(page), name
        assert "\x1b" not in page and "\u202e" not in page and "\x00" not in page
        assert "{{ 7" in page or "{{" not in text
    rendered = MarkdownIt("commonmark", {"html": True})
    for name, page in markdown_files(handbook).items():
        shown = rendered.render(page)
        assert harmless(shown), name
        assert "<h1>heading" not in shown
        assert "\x1b" not in page and "\u202e" not in page


def test_prose_keeps_its_emphasis_code_and_links() -> None:
    assert prose("Every *change* is `built`, see [this](https://example.org/a).") == (
        "Every *change* is `built`, see [this](https://example.org/a)."
    )
    rendered = MarkdownIt("commonmark").render(f"- {code_span('a `b` ``c`` d')}")
    assert "<code>a `b` ``c`` d</code>" in rendered


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The grocery example's handbook in a folder."""
    folder = tmp_path_factory.mktemp("handbook")
    for name, text in html_files(handbook_of(open_folder(FOLDERS["grocery"], None), None, {})).items():
        (folder / name).write_text(text, encoding="utf-8")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_pages_pass_the_audit_in_light_and_dark_and_ask_for_nothing(pages: Path) -> None:
    with browser() as opened:
        for name in ("index.html", "delivery.html"):
            for scheme in ("light", "dark"):
                found = read(opened, pages / name, scheme)
                found.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
                assert found.violations() == [], (name, scheme)
                assert found.asked == [] and found.complaints == []
        found = read(opened, pages / "delivery.html")
        assert found.page.locator("svg.tree [data-node]").count() == 17
        inside = found.page.evaluate(WITHIN)
        assert inside == [], inside


WITHIN = """() => [...document.querySelectorAll('svg.tree [data-node]')].flatMap(node => {
    const card = node.querySelector('rect').getBoundingClientRect();
    return [...node.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return text.textContent && (box.left < card.left || box.right > card.right + 0.5
            || box.top < card.top || box.bottom > card.bottom + 0.5);
    }).map(text => text.textContent);
})"""


def test_links_of_a_page_lead_somewhere(pages: Path) -> None:
    for file in sorted(pages.glob("*.html")):
        found = Elements(file.read_text(encoding="utf-8")).attributes
        ids = [value for name, value in found if name == "id"]
        assert len(ids) == len(set(ids)), file.name
        for target in [value for name, value in found if name == "href"]:
            there = target[1:] in ids if target.startswith("#") else (pages / target).is_file()
            assert there, (file.name, target)
