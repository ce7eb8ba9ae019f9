"""The cards of a metric tree and where they stand: what hangs from what, what is linked, how much room it needs.

What belongs here: rows of TREE_NODES and TREE_EDGES → cards with places. What does not: how columns are ordered
(`tree_layout`), shapes (`tree_drawing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nsm_pipeline.errors import printable
from nsm_pipeline.reporting.text_width import wrapped
from nsm_pipeline.reporting.tree_layout import Slot, columns_of, layout, without_circles
from nsm_pipeline.reporting.tree_words import Row

CARD, PILL, LABEL, CURVE = 196.0, 178.0, 96.0, 44.0
BETWEEN = LABEL + CURVE
MARGIN, HEADER, ICON, PAD = 10.0, 36.0, 30.0, 9.0
TITLE_LINE, SMALL_LINE, LABELLED = 16.0, 14.0, 30.0
# LABELLED: a line of text above a link, and one below.
HANGING, STEP, LED = 8.0, 7.0, 22.0


@dataclass
class Card:
    """A node's card: its title cut to its width, and where it lies (`x`, `y`: its upper left corner)."""

    node: Row
    width: float = CARD
    x: float = 0.0
    y: float = 0.0

    def __post_init__(self) -> None:
        size, lines = (11, 2) if self.is_small else (12.5, 3)
        self.title = wrapped(clean(self.node["title"]), self.width - ICON - PAD, size, lines, bold=True)

    @property
    def is_small(self) -> bool:
        """Whether it is a counter-metric's pill."""
        return bool(self.node["role"] == "counter_metrics")

    @property
    def height(self) -> float:
        return 2 * PAD + len(self.title) * (SMALL_LINE if self.is_small else TITLE_LINE) + self.foot

    @property
    def foot(self) -> float:
        """The height of what stands below the title: value, owner, what it is held to."""
        return SMALL_LINE * 2 if self.is_small else TITLE_LINE + 2 + SMALL_LINE

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass
class Tree:
    """`cards`: those in columns, by metric; `hung`: counter-metrics by the card they hang from; `outcomes`: above the
    North Star, each with what it is led by; `links`: edges between cards in columns; `ways`: by number of the link,
    where it passes the columns between; `undrawn`: edges that are left to the table."""

    star: str
    cards: dict[str, Card]
    hung: dict[str, list[Card]]
    outcomes: list[tuple[Card, Row | None]]
    links: list[Row]
    columns: dict[str, int]
    undrawn: int
    ways: dict[int, tuple[float, ...]] = field(default_factory=dict)
    bottom: float = HEADER

    @property
    def width(self) -> float:
        return 2 * MARGIN + CARD + max(self.columns.values(), default=0) * (CARD + BETWEEN)

    @property
    def all_cards(self) -> list[Card]:
        pills = [pill for key in self.cards for pill in self.hung.get(key, ())]
        return [card for card, _ in self.outcomes] + list(self.cards.values()) + pills

    def ports(self, number: int) -> float:
        """The height at which a link leaves its source: links of one source one below the other, in the order of what
        they drive, so that they do not cross."""
        metric = self.links[number]["metric"]
        own = [at for at, edge in enumerate(self.links) if edge["metric"] == metric]
        own.sort(key=lambda at: (self.ways[at][:1] or (self.cards[self.links[at]["drives"]].middle,), at))
        return self.cards[metric].middle + LABELLED * (own.index(number) - (len(own) - 1) / 2)


def clean(text: object) -> str:
    """Text on one line, without what steers a terminal or may not stand in XML."""
    return printable(" ".join(str(text).split()))


def tree_of(nodes: Sequence[Row], edges: Sequence[Row]) -> Tree:
    """The tree of one use case's rows, every card in its place."""
    star = next((node["metric"] for node in nodes if node["role"] == "north_star"), "")
    cards = {node["metric"]: Card(node) for node in nodes if node["role"] in ("north_star", "inputs")}
    arrows = [edge for edge in edges if edge["relation"] in ("formula", "hypothesis")]
    drawable = [edge for edge in arrows if edge["metric"] != star and {edge["metric"], edge["drives"]} <= cards.keys()]
    links = [drawable[number] for number in without_circles([_ends(edge) for edge in drawable])]
    levels = {key: 0 if key == star else card.node["level"] or 1 for key, card in cards.items()}
    columns = columns_of(levels, [_ends(edge) for edge in links])
    hung = _hung(nodes, edges, cards, star)
    tree = Tree(star, cards, hung, _outcomes(nodes, edges, star), links, columns, len(arrows) - len(links))
    _place(tree)
    return tree


def _ends(edge: Row) -> tuple[str, str]:
    return edge["metric"], edge["drives"]


def _hung(nodes: Sequence[Row], edges: Sequence[Row], cards: Mapping[str, Card], star: str) -> dict[str, list[Card]]:
    protects = {edge["metric"]: edge["drives"] for edge in edges if edge["relation"] == "protects"}
    found: dict[str, list[Card]] = {}
    for node in nodes:
        if node["role"] == "counter_metrics":
            found.setdefault(_host(node["metric"], protects, cards, star), []).append(Card(node, PILL))
    return found


def _host(metric: str, protects: Mapping[str, str], cards: Mapping[str, Card], star: str) -> str:
    """The card from which a counter-metric hangs: what it protects, by way of others where it protects one of them."""
    seen: set[str] = set()
    while metric not in cards:
        if metric in seen:
            return star
        seen.add(metric)
        metric = protects.get(metric, star)
    return metric


def _outcomes(nodes: Sequence[Row], edges: Sequence[Row], star: str) -> list[tuple[Card, Row | None]]:
    led = {edge["drives"]: edge for edge in edges if edge["relation"] == "outcome" and edge["metric"] == star}
    found = [node for node in nodes if node["role"] == "outcomes"]
    width = CARD - indent(len(found))
    return [(Card(node, width), led.get(node["metric"])) for node in found]


def indent(outcomes: int) -> float:
    """How far outcomes stand to the right of the North Star's edge: a line to each goes up beside them."""
    return 6 + STEP * outcomes


def _place(tree: Tree) -> None:
    slots = []
    for key, card in tree.cards.items():
        above = sum(LED + one.height for one, _ in tree.outcomes) if key == tree.star else 0.0
        labels = LABELLED * sum(edge["metric"] == key for edge in tree.links)
        below = sum(HANGING + pill.height for pill in tree.hung.get(key, ()))
        half = card.height / 2
        slots.append(Slot(key, tree.columns[key], max(half + above, labels / 2), max(half + below, labels / 2)))
    found = layout(slots, [_ends(edge) for edge in tree.links])
    tree.ways = {number: tuple(HEADER + one for one in heights) for number, heights in found.ways.items()}
    tree.bottom = HEADER + found.height
    for key, card in tree.cards.items():
        card.x = MARGIN + tree.columns[key] * (CARD + BETWEEN)
        card.y = HEADER + found.heights[key] - card.height / 2
        at = card.y + card.height
        for pill in tree.hung.get(key, ()):
            pill.x, pill.y = card.x + CARD - PILL, at + HANGING
            at = pill.y + pill.height
    at = tree.cards[tree.star].y if tree.outcomes and tree.star else HEADER
    for card, _ in reversed(tree.outcomes):
        card.x, card.y = MARGIN + indent(len(tree.outcomes)), at - LED - card.height
        at = card.y
