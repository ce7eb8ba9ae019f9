"""The handbook as HTML: a self-contained page per use case and an index, with the tree drawn and a table of contents.

What belongs here: parts → pages, and which Markdown counts in people's prose. What does not: what they say (`handbook`,
`handbook_now`). Pages need no network and no script; nothing that a playbook says becomes HTML.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup

from nsm_pipeline.reporting.handbook import Handbook, Page
from nsm_pipeline.reporting.handbook_markdown import ANY_SCHEME, SAFE_LINK, one_line, visible
from nsm_pipeline.reporting.handbook_parts import Fact, Part
from nsm_pipeline.reporting.templating import environment, sheet
from nsm_pipeline.reporting.tree_drawing import tree_svg
from nsm_pipeline.reporting.tree_words import HEAD, LINKS_HEAD, tree_table

SHEETS = ("style.css", "tree.css", "handbook.css")
# Neither HTML nor pictures: a page that was made elsewhere must not be able to do anything here.
MARKDOWN = MarkdownIt("commonmark", {"html": False}).disable(["image", "html_inline", "html_block"])


def html_files(handbook: Handbook) -> dict[str, str]:
    """Pages by file name: `index.html` and one per use case."""
    templates = _environment()
    index = templates.get_template("handbook_index.html")
    page = templates.get_template("handbook.html")
    found = {"index.html": index.render(handbook=handbook)}
    for one in handbook.pages:
        found[f"{one.file}.html"] = page.render(handbook=handbook, page=one, **_drawn(one))
    return found


def _drawn(page: Page) -> dict[str, object]:
    """The tree and its tables. The drawing escapes all texts itself."""
    metrics, links = tree_table(page.nodes, page.edges)
    drawing = Markup(tree_svg(page.nodes, page.edges))  # noqa: S704
    return {"drawing": drawing, "metrics": (HEAD, metrics), "links": (LINKS_HEAD, links)}


@cache
def _environment() -> Environment:
    ours = environment()
    ours.filters |= {"value": value, "line": one_line, "visible": visible}
    ours.tests |= {"flat": is_table}
    ours.globals |= {"columns": columns, "labels_of": labels_of}
    ours.globals["style"] = Markup("\n".join(sheet(name) for name in SHEETS))  # noqa: S704 (our own files)
    return ours


def value(fact: Fact) -> Markup:
    """What a fact says, as HTML."""
    text = one_line(fact.value)
    if fact.anchor:
        return Markup('<a href="#{}">{}</a>').format(fact.anchor, text)
    if SAFE_LINK.fullmatch(fact.value):
        return Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(text)
    if fact.form == "code":
        return Markup("<code>{}</code>").format(visible(fact.value.replace("\n", " ")))
    if fact.form == "prose" and not ANY_SCHEME.search(text):
        return Markup(MARKDOWN.renderInline(text))  # noqa: S704 (HTML in it is escaped, pictures are not drawn)
    return Markup("{}").format(text)


def is_table(part: Part) -> bool:
    """Whether a part's parts are like rows: several, that say much the same things, and nothing below."""
    if len(part.parts) < 2 or any(one.parts or one.code or one.outline for one in part.parts):
        return False
    return len(columns(part)) <= min(8, 3 + max(len(one.facts) for one in part.parts))


def columns(part: Part) -> list[str]:
    """Labels of the facts that any of a part's parts has, in their first order."""
    return list(dict.fromkeys(fact.label for one in part.parts for fact in one.facts))


def labels_of(handbook: Handbook) -> list[str]:
    """Labels of the facts that any use case has in the index, in their first order."""
    return list(dict.fromkeys(fact.label for page in handbook.pages for fact in (*page.index, *page.standing)))
