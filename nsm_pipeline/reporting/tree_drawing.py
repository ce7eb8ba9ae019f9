"""The metric tree as an SVG: the North Star left, what drives it to the right, counter-metrics below what they
protect, outcomes above the North Star.

What belongs here: from published rows to shapes. What does not: where cards stand (`tree_cards`, `tree_layout`), what
they say (`tree_words`), colours, which the page's style gives to classes (`templates/tree.css`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from nsm_pipeline.reporting.svg import mark
from nsm_pipeline.reporting.text_width import cut, width_of
from nsm_pipeline.reporting.tree_cards import (
    CARD,
    CURVE,
    HEADER,
    ICON,
    LABEL,
    LED,
    MARGIN,
    PAD,
    SMALL_LINE,
    STEP,
    TITLE_LINE,
    Card,
    Tree,
    clean,
    tree_of,
)
from nsm_pipeline.reporting.tree_words import (
    STATUSES,
    VERDICTS,
    Row,
    held_to,
    node_words,
    tree_table,
    verdict_lines,
    verdict_of,
)
from nsm_pipeline.reporting.wording import SHARE, number

__all__ = ["tree_css", "tree_svg", "tree_table"]

CROSS = "m-4 -4l8 8m0 -8l-8 8"
CROSSED = ("contradicted", "not reconciled")
LEGEND_ROW = 22.0


def tree_css() -> str:
    """The style of every tree on a page, to be put into it once."""
    return (Path(__file__).parent / "templates" / "tree.css").read_text(encoding="utf-8")


def tree_svg(nodes: Sequence[Row], edges: Sequence[Row], style: str = "") -> str:
    """An SVG element of the rows of TREE_NODES and TREE_EDGES of one use case, for a page that has `tree_css()`.
    `style`: CSS to put into the drawing itself, where it stands alone.

    Edges that cannot be drawn (an end that is no card, a circle) are left to the tables beside it (`tree_table`) and
    counted in the description. Equal rows give equal text.
    """
    tree = tree_of(nodes, edges)
    legend, rows = _legend(tree)
    height = tree.bottom + 14 + rows * LEGEND_ROW + MARGIN
    name = f"tree-{escape(clean(nodes[0]['use_case']))}" if nodes else "tree"
    title = tree.cards[tree.star].node["title"] if tree.star else "nothing"
    return "\n".join(
        [
            f'<svg class="tree" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {tree.width:g} {height:g}" '
            f'width="{tree.width:g}" height="{height:g}" role="img" aria-labelledby="{name}-title {name}-said">',
            f'<title id="{name}-title">{escape(clean(f"Metric tree of {title}"))}</title>',
            f'<desc id="{name}-said">{escape(clean(_described(tree)))}</desc>',
            *([f"<style>{style}</style>"] if style else []),
            *_headers(tree),
            *(text for at in range(len(tree.links)) for text in _link(tree, at)),
            *_hangers(tree),
            *(text for card in tree.all_cards for text in _card(card)),
            *legend,
            "</svg>",
        ]
    )


def _described(tree: Tree) -> str:
    """The drawing in a few sentences."""
    statuses = Counter(STATUSES[card.node["status"]] for card in tree.all_cards)
    verdicts = Counter(VERDICTS[verdict_of(edge)] for edge in _drawn(tree))
    inputs = len(tree.cards) - bool(tree.star)
    pills = sum(map(len, tree.hung.values()))
    said = [
        f"{inputs} inputs, {pills} counter-metrics, {len(tree.outcomes)} outcomes",
        "Status: " + ", ".join(f"{count} {words}" for words, count in statuses.items()),
        "Links: " + (", ".join(f"{count} {words}" for words, count in verdicts.items()) or "none"),
    ]
    if tree.undrawn:
        said.append(f"{tree.undrawn} more links stand only in the table")
    return ". ".join(said) + "."


def _drawn(tree: Tree) -> list[Row]:
    return [*tree.links, *(edge for _, edge in tree.outcomes if edge is not None)]


def _headers(tree: Tree) -> Iterator[str]:
    levels: dict[int, set[int]] = {}
    for key, column in tree.columns.items():
        levels.setdefault(column, set()).add(tree.cards[key].node["level"] or 0)
    for column, found in sorted(levels.items()):
        text = "Level " + " and ".join(str(level) for level in sorted(found)) if column else "North Star"
        yield _text(MARGIN + column * (CARD + LABEL + CURVE), HEADER - 22, text, "tree-column")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _class(verdict: str) -> str:
    return verdict.replace(" ", "_")


# --- lines


def _link(tree: Tree, at: int) -> Iterator[str]:
    """A line from a source's left side to its target's right side, and its verdict above and below it, beside the
    source: there no other line passes."""
    edge = tree.links[at]
    source, target = tree.cards[edge["metric"]], tree.cards[edge["drives"]]
    x, y = source.x, tree.ports(at)
    path = [f"M{x:g} {y:g}"]
    for height in (*tree.ways[at], target.middle):
        path.append(f"H{x - LABEL:g}")
        path.append(f"C{x - LABEL - CURVE * 0.6:g} {y:g} {x - LABEL - CURVE * 0.4:g} {height:g} ")
        x, y = x - LABEL - CURVE, height
        path.append(f"{x:g} {y:g}")
        if x > target.x + CARD:
            path.append(f"H{x - CARD:g}")
            x -= CARD
    yield from _line("".join(path), edge)
    yield from _label(edge, source.x - LABEL / 2 - 1, tree.ports(at))
    if verdict_of(edge) in CROSSED:
        yield f'<path class="tree-cross" d="M{source.x - LABEL:g} {tree.ports(at):g}{CROSS}"/>'


def _line(path: str, edge: Row) -> Iterator[str]:
    words = escape(clean(f"{edge['metric']} → {edge['drives']}: {edge['words']}"))
    name = f'data-edge="{escape(edge["metric"])}→{escape(edge["drives"])}"'
    yield f'<path class="tree-link tree-{_class(verdict_of(edge))}" {name} d="{path}"><title>{words}</title></path>'


def _label(edge: Row, x: float, y: float) -> Iterator[str]:
    """The verdict in words: its first line above the line, its second below."""
    lines = [cut(line, LABEL - 4, 10.5, bold=True) for line in verdict_lines(edge)]
    for line, height in zip(lines, (y - 5, y + 12), strict=False):
        yield _text(x, height, line, f"tree-label tree-said-{_class(verdict_of(edge))}", "middle")


def _hangers(tree: Tree) -> Iterator[str]:
    """Elbows from cards down to their counter-metrics, and from the North Star up to its outcomes."""
    for key, pills in tree.hung.items():
        card = tree.cards.get(key)
        for pill in pills if card is not None else ():
            assert card is not None
            bottom = card.y + card.height
            yield f'<path class="tree-link tree-hang" d="M{card.x + 9:g} {bottom:g}V{pill.middle:g}H{pill.x:g}"/>'
    for place, (card, edge) in enumerate(tree.outcomes):
        top = tree.cards[tree.star].y if tree.star else card.y + card.height
        path = f"M{MARGIN + 6 + STEP * place:g} {top:g}V{card.middle:g}H{card.x:g}"
        if edge is None:
            yield f'<path class="tree-link tree-hang" d="{path}"/>'
            continue
        yield from _line(path, edge)
        words = cut("leads it: " + " ".join(verdict_lines(edge)), card.width, 10.5, bold=True)
        yield _text(
            card.x + 2, card.y + card.height + LED - 8, words, f"tree-label tree-said-{_class(verdict_of(edge))}"
        )
        if verdict_of(edge) in CROSSED:
            yield f'<path class="tree-cross" d="M{MARGIN + 6 + STEP * place:g} {card.y + card.height + 4:g}{CROSS}"/>'


# --- cards


def _card(card: Card) -> Iterator[str]:
    node, left = card.node, card.x + ICON
    role = "pill" if card.is_small else node["role"]
    yield f'<g class="tree-node tree-{role} tree-{node["status"]}" data-node="{escape(node["metric"])}">'
    yield f"<title>{escape(clean(node_words(node)))}</title>"
    radius = 14 if card.is_small else 8
    yield (
        f'<rect class="tree-card" x="{card.x:g}" y="{card.y:g}" width="{card.width:g}" height="{card.height:g}" '
        f'rx="{radius}"/>'
    )
    line = SMALL_LINE if card.is_small else TITLE_LINE
    yield str(mark(node["status"], card.x + 16, card.y + PAD + line / 2 + 0.5, 6 if card.is_small else 7))
    at = card.y + PAD + line - 4
    for text in card.title:
        yield _text(left, at, text, "tree-small" if card.is_small else "tree-title")
        at += line
    yield from _value(card, left, at + (0 if card.is_small else 2))
    yield "</g>"


def _value(card: Card, left: float, y: float) -> Iterator[str]:
    """Value and unit on one line; owner, and what it is held to, on the next."""
    node, size = card.node, 11 if card.is_small else 14
    right = card.x + card.width - PAD
    value = number(node["value"], node["unit"])
    yield _text(left, y, value, "tree-small" if card.is_small else "tree-value")
    unit = "" if node["unit"] == SHARE or node["value"] is None else clean(node["unit"])
    x = left + width_of(value, size, bold=True) + 5
    yield _text(x, y, cut(unit, right - x, 11), "tree-unit")
    y += SMALL_LINE + (0 if card.is_small else 1)
    held = cut(held_to(node), right - left, 11)
    room = right - left - (width_of(held, 11) + 8 if held else 0)
    owner = cut(clean(node["owner"]), room, 11) if room > 24 else ""
    yield _text(left, y, owner, "tree-foot")
    yield _text(right, y, held, "tree-foot", "end")


# --- legend


def _legend(tree: Tree) -> tuple[list[str], int]:
    """What the shapes and lines of this drawing mean, and how many rows that takes."""
    statuses = {card.node["status"] for card in tree.all_cards}
    verdicts = {verdict_of(edge) for edge in _drawn(tree)}
    items = [(key, words, True) for key, words in STATUSES.items() if key in statuses]
    items += [(key, words, False) for key, words in VERDICTS.items() if key in verdicts]
    if any(tree.hung.values()):
        items.append(("pill", "counter-metric", False))
    said: list[str] = []
    x, row = MARGIN, 0
    for key, words, is_status in items:
        sign = 22.0 if is_status else 38.0
        wide = sign + width_of(words, 11) + 18
        if x > MARGIN and x + wide > tree.width:
            x, row = MARGIN, row + 1
        y = tree.bottom + 14 + row * LEGEND_ROW + 10
        if key == "pill":
            card = f'<rect class="tree-card" x="{x:g}" y="{y - 7:g}" width="32" height="14" rx="7"/>'
            said.append(f'<g class="tree-pill">{card}</g>')
        elif is_status:
            said.append(str(mark(key, x + 8, y, 6.5)))
        else:
            said.append(f'<path class="tree-link tree-{_class(key)}" d="M{x:g} {y:g}h32"/>')
            if key in CROSSED:
                said.append(f'<path class="tree-cross" d="M{x + 16:g} {y:g}{CROSS}"/>')
        said.append(_text(x + sign, y + 4, words, "tree-foot"))
        x += wide
    return said, row + 1 if items else 0
