"""Where the cards of a metric tree lie: columns, order within them, heights. Geometry alone.

What belongs here: a layered layout with few crossings and no overlaps. What does not: what a card shows, what is drawn
(`tree_drawing`).

The method is that of Sugiyama, Tagawa and Toda (1981): layers, a place held in every layer that a long link passes,
order by the mean place of the neighbours (barycentre), of which the order with the fewest crossings is kept. Heights
are then the least squares from the neighbours' heights that keep order and distance (pool adjacent violators).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Link = tuple[str, str]
GAP = 16.0
SWEEPS = 12


@dataclass(frozen=True)
class Slot:
    """What needs room in a column: `up` and `down` from the height at which links meet it."""

    key: str
    column: int
    up: float
    down: float


@dataclass(frozen=True)
class Layout:
    """`heights`: by slot, where links meet it, from 0 on downwards; `ways`: by number of the link, the heights at which
    it passes the columns between its ends, from its source on; `height`: of everything."""

    heights: Mapping[str, float]
    ways: Mapping[int, tuple[float, ...]]
    height: float


def columns_of(levels: Mapping[str, int], links: Sequence[Link]) -> dict[str, int]:
    """The column of every key: its level, or further right where what it drives lies there already. The links must
    not run in a circle (`without_circles`)."""
    columns = dict(levels)
    for _ in levels:
        for source, target in links:
            columns[source] = max(columns[source], columns[target] + 1)
    return columns


def without_circles(links: Sequence[Link]) -> list[int]:
    """Numbers of the links, in order, without those that would close a circle with the ones before."""
    drives: dict[str, set[str]] = {}
    kept = []
    for number, (source, target) in enumerate(links):
        reached, ahead = {target}, [target]
        while ahead:
            found = drives.get(ahead.pop(), set()) - reached
            reached |= found
            ahead += found
        if source not in reached:
            drives.setdefault(source, set()).add(target)
            kept.append(number)
    return kept


def layout(slots: Sequence[Slot], links: Sequence[Link]) -> Layout:
    """Heights of all slots. Links run from a slot to one of a column further left."""
    found = {slot.key: slot for slot in slots}
    short: list[Link] = []
    passed: dict[int, list[str]] = {}
    for number, (source, target) in enumerate(links):
        between = range(found[source].column - 1, found[target].column, -1)
        passed[number] = [f"{number}>{column}" for column in between]
        found |= {key: Slot(key, column, GAP / 2, GAP / 2) for key, column in zip(passed[number], between, strict=True)}
        trail = [source, *passed[number], target]
        short += pairwise(trail)
    columns = _ordered(found, short)
    heights = _placed(columns, found, short)
    top = min((heights[key] - found[key].up for key in heights), default=0.0)
    heights = {key: round(height - top, 1) for key, height in heights.items()}
    ways = {number: tuple(heights[key] for key in keys) for number, keys in passed.items()}
    bottom = max((heights[key] + found[key].down for key in heights), default=0.0)
    return Layout({slot.key: heights[slot.key] for slot in slots}, ways, bottom)


def _ordered(slots: Mapping[str, Slot], links: Sequence[Link]) -> list[list[str]]:
    """Keys by column, in the order with the fewest crossings that was seen."""
    columns = _walked(slots, links)
    best, fewest = columns, crossings(columns, links)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        columns = [list(column) for column in columns]
        forwards = sweep % 2 == 0
        numbers = range(1, len(columns)) if forwards else range(len(columns) - 2, -1, -1)
        for number in numbers:
            place = {key: at for at, key in enumerate(columns[number - 1 if forwards else number + 1])}
            means = {key: _mean(place, key, links) for key in columns[number]}
            own = {key: float(at) for at, key in enumerate(columns[number])}
            columns[number].sort(key=lambda key: (own[key] if means[key] is None else means[key], own[key]))
        count = crossings(columns, links)
        if count < fewest:
            best, fewest = columns, count
    return best


def _walked(slots: Mapping[str, Slot], links: Sequence[Link]) -> list[list[str]]:
    """Keys by column as a walk from the left meets them: of a tree, without any crossing."""
    columns: list[list[str]] = [[] for _ in range(max((slot.column for slot in slots.values()), default=-1) + 1)]
    drivers: dict[str, list[str]] = {}
    for source, target in links:
        drivers.setdefault(target, []).append(source)
    seen: set[str] = set()

    def walk(key: str) -> None:
        if key not in seen:
            seen.add(key)
            columns[slots[key].column].append(key)
            for driver in drivers.get(key, ()):
                walk(driver)

    for key in sorted(slots, key=lambda key: slots[key].column):
        walk(key)
    return columns


def _neighbours(key: str, links: Sequence[Link]) -> Iterator[str]:
    for source, target in links:
        if key in (source, target):
            yield target if source == key else source


def _mean(place: Mapping[str, float], key: str, links: Sequence[Link]) -> float | None:
    found = [place[other] for other in _neighbours(key, links) if other in place]
    return sum(found) / len(found) if found else None


def crossings(columns: Sequence[Sequence[str]], links: Sequence[Link]) -> int:
    """How many pairs of links between neighbouring columns cross."""
    place = {key: (number, at) for number, column in enumerate(columns) for at, key in enumerate(column)}
    ends = [(*place[target], place[source][1]) for source, target in links]
    return sum(
        a[0] == b[0] and (a[1] - b[1]) * (a[2] - b[2]) < 0 for index, a in enumerate(ends) for b in ends[index + 1 :]
    )


def _placed(columns: Sequence[Sequence[str]], slots: Mapping[str, Slot], links: Sequence[Link]) -> dict[str, float]:
    """Heights: at first each column by itself, then swept from side to side towards the neighbours'."""
    heights: dict[str, float] = {}
    for column in columns:
        heights |= _spread([slots[key] for key in column], [0.0] * len(column))
    last = len(columns) - 1
    for _ in range(SWEEPS):
        for number in [*range(1, last + 1), *range(last - 1, -1, -1)]:
            column = columns[number]
            means = [_mean(heights, key, links) for key in column]
            wanted = [heights[key] if mean is None else mean for key, mean in zip(column, means, strict=True)]
            heights |= _spread([slots[key] for key in column], wanted)
    return heights


def _spread(column: Sequence[Slot], wanted: Sequence[float]) -> dict[str, float]:
    """Heights of a column's slots nearest to the wanted ones, in order and without overlap: with the room above each
    taken off they need only not fall, which is isotonic regression."""
    room, at = [], 0.0
    for before, slot in zip([None, *column[:-1]], column, strict=True):
        at += 0.0 if before is None else before.down + GAP + slot.up
        room.append(at)
    pools: list[tuple[float, int]] = []
    for height, taken in zip(wanted, room, strict=True):
        pools.append((height - taken, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (a, m), (b, n) = pools[-2:]
            pools[-2:] = [((a * m + b * n) / (m + n), m + n)]
    level = [mean for mean, count in pools for _ in range(count)]
    return {slot.key: height + taken for slot, height, taken in zip(column, level, room, strict=True)}
