"""The handbook as Markdown: one file per use case and an index, one fact per line, so that changes read as changes.

What belongs here: parts → text. What does not: what they say (`handbook`, `handbook_now`). Equal definitions give equal
text. Nothing that a playbook says becomes HTML, an image or a link to anything but the web and mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nsm_pipeline.reporting.handbook import Handbook, Page
from nsm_pipeline.reporting.handbook_parts import Fact, Part

SAFE_LINK = re.compile(r"(https?://|mailto:)[^\s<>()\[\]\\`]+", re.IGNORECASE)
ANY_SCHEME = re.compile(r"\]\(\s*(?!https?:|mailto:|#)[^)\s]*:", re.IGNORECASE)
SPECIAL = re.compile(r"([\\`*~\[])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
ENTITY = re.compile(r"&(?=#?\w+;)")


def markdown_files(handbook: Handbook) -> dict[str, str]:
    """Text by file name: `index.md` and a file per use case with definitions alone, and `….now.md` beside each with
    what the data say."""
    files = {"index.md": _index(handbook), "index.now.md": _standing(handbook)}
    for page in handbook.pages:
        files[f"{page.file}.md"] = _definition(handbook, page)
        files[f"{page.file}.now.md"] = _now(page)
    return files


def _index(handbook: Handbook) -> str:
    said = [
        f"# {plain(handbook.company)}: metric handbook",
        "Every use case by its definition. What the data say now stands in [index.now.md](index.now.md).",
    ]
    for page in handbook.pages:
        said.append(f"## [{plain(page.title)}]({page.file}.md)")
        said.append("\n".join(_facts(page.index)))
    said += _part(handbook.settings, 2)
    return _text(said)


def _standing(handbook: Handbook) -> str:
    said = [f"# {plain(handbook.company)}: as it stands"]
    for page in handbook.pages:
        said.append(f"## [{plain(page.title)}]({page.file}.now.md)")
        said.append("\n".join(_facts(page.standing)))
    return _text(said)


def _definition(handbook: Handbook, page: Page) -> str:
    said = [
        f"# {plain(page.title)}",
        f"Its definition in the [metric handbook](index.md) of {plain(handbook.company)}; "
        f"what the data say now stands in [{page.file}.now.md]({page.file}.now.md).",
    ]
    for part in page.parts:
        said += _part(part, 2)
    return _text(said)


def _now(page: Page) -> str:
    said = [f"# {plain(page.title)}: as it stands", f"Its definition stands in [{page.file}.md]({page.file}.md)."]
    for part in page.now:
        said += _part(part, 2)
    return _text(said)


def _text(said: list[str]) -> str:
    return "\n\n".join(block for block in said if block) + "\n"


def _part(part: Part, depth: int, above: str = "") -> Iterator[str]:
    """A part as headings down to the third level, further down as nested lists."""
    anchor = f"{above}-{part.key}" if above else part.key
    if above == "metrics":
        yield f'<a id="{anchor}"></a>'
    yield f"{'#' * depth} {plain(part.title)}"
    if part.note:
        yield part.note
    yield "\n".join([*_facts(part.facts), *_outline(part)])
    if depth == 2:
        for one in part.parts:
            yield from _part(one, depth + 1, anchor)
    else:
        yield "\n".join(line for one in part.parts for line in _nested(one, 0))
    if part.code:
        yield _code(part.code)


def _nested(part: Part, depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield f"{indent}- **{plain(part.title)}**"
    yield from (f"{indent}  {line}" for line in _facts(part.facts))
    for one in part.parts:
        yield from _nested(one, depth + 1)


def _outline(part: Part) -> list[str]:
    return [
        f"{'  ' * line.depth}- " + (f"[{plain(line.text)}](#{line.anchor})" if line.anchor else plain(line.text))
        for line in part.outline
    ]


def _facts(facts: tuple[Fact, ...]) -> list[str]:
    return [f"- **{plain(fact.label)}**: {_value(fact)}" for fact in facts]


def _value(fact: Fact) -> str:
    if fact.anchor:
        return f"[{plain(fact.value)}](#{fact.anchor})"
    if SAFE_LINK.fullmatch(fact.value):
        return f"<{fact.value}>"
    if fact.form == "code":
        return code_span(fact.value)
    return prose(fact.value) if fact.form == "prose" else plain(fact.value)


def _code(sql: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", sql)), default=0))
    return f"<details><summary>SQL of its total per week</summary>\n\n{fence}sql\n{visible(sql)}\n{fence}\n\n</details>"


def visible(text: str) -> str:
    """Text without what steers a terminal or turns lines round; line breaks stay."""
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)


def one_line(text: str) -> str:
    return visible(" ".join(text.split()))


def plain(text: str) -> str:
    """Text that reads as it stands: nothing in it is markup."""
    text = ENTITY.sub("&amp;", one_line(text)).replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def prose(text: str) -> str:
    """Text whose emphasis, code and links count, without HTML, images and links to elsewhere than the web and mail."""
    text = ENTITY.sub("&amp;", one_line(text)).replace("<", "&lt;").replace("![", r"!\[")
    return plain(one_line(text)) if ANY_SCHEME.search(text) else text


def code_span(text: str) -> str:
    """Text as code, whatever backticks it has."""
    text = visible(text.replace("\n", " "))
    runs = [len(run) for run in re.findall("`+", text)]
    ticks = "`" * next(count for count in range(1, len(runs) + 2) if count not in runs)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"
