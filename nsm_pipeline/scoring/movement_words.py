"""A movement as a sentence: "+31 teams: breadth +44, frequency −13; of which plan premium +29".

What belongs here: rows of `movements` in words. What does not: the rows (`movements`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.scoring.movements import ALL, REST

SHOWN = 3
OTHERS = "the rest"
SHARE = "share"


def factor_words(use_case: UseCase) -> dict[str, str]:
    """What each metric is called in a movement: an input by its dimension, where no other factor has the same one, else
    by its title."""
    dimensions = {item.metric: item.dimension for item in use_case.inputs if item.relation == "formula"}
    taken = Counter(dimensions.values())
    titles = {name: (metric.title or name).lower() for name, metric in use_case.metrics.items()}
    return titles | {name: word for name, word in dimensions.items() if taken[word] == 1}


def movement_words(rows: Sequence[Mapping[str, Any]], unit: str, names: Mapping[str, str]) -> str:
    """One use case and week's rows of MOVEMENTS as a sentence; "" without rows.

    `unit`: the North Star's; `names`: words for factors by metric (`factor_words`). The largest parts first, at most
    three, then what is left of the view; of a slice its mix and rate together. The numbers of a view are rounded so
    that they add up to the change as shown.
    """
    if not rows:
        return ""
    times = 100.0 if unit == SHARE else 1.0
    change = float(rows[0]["change"]) * times
    factors = _summed((names.get(row["part"], row["part"]), row) for row in rows if row["view"] == "factors")
    slices = _summed((f"{row['slice']} {row['slice_value']}", row) for row in rows if row["view"] == "slices")
    factors, slices = ({label: part * times for label, part in view.items()} for view in (factors, slices))
    places = _places([change, *(factors or slices).values()])
    if all(round(part, places) == 0 for part in (change, *factors.values())):
        return "unchanged"
    said = f"{_number(change, places)} {'points' if unit == SHARE else unit}".rstrip()
    if factors:
        said += f": {_listed(factors, change, places)}"
    moved = [(label, part) for label, part in _largest(slices) if label != OTHERS and round(part, places)]
    # What moved the same way tells more of why than what moved against it.
    moved.sort(key=lambda item: item[1] * change <= 0)
    return said + (f"; of which {moved[0][0]} {_number(moved[0][1], places)}" if moved else "")


def _summed(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for label, row in parts:
        label = OTHERS if row["part"] == REST and row["slice_value"] == ALL else label
        found[label] = found.get(label, 0.0) + float(row["contribution"])
    return found


def _largest(parts: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))


def _listed(parts: Mapping[str, float], change: float, places: int) -> str:
    """The largest parts and what is left, rounded to numbers that add up to the change as shown (largest remainder)."""
    shown = [one for one in _largest(parts) if one[0] != OTHERS][:SHOWN]
    left = math.fsum((change, *(-part for _, part in shown)))
    exact = [part * 10**places for part in (*(part for _, part in shown), left)]
    units = [math.floor(one) for one in exact]
    missing = round(change * 10**places) - sum(units)
    by_remainder = sorted(range(len(exact)), key=lambda place: (units[place] - exact[place], place))
    for place in by_remainder[:missing]:
        units[place] += 1
    labelled = zip((*(label for label, _ in shown), OTHERS), units, strict=True)
    return ", ".join(
        f"{label} {_number(one / 10**places, places)}" for label, one in labelled if one or label != OTHERS
    )


def _places(numbers: Sequence[float]) -> int:
    """Decimals that leave the largest number two digits."""
    largest = max(abs(one) for one in numbers)
    return 0 if largest == 0 or largest >= 10 else min(6, 1 - math.floor(math.log10(largest)))


def _number(value: float, places: int) -> str:
    """With its sign, a minus as in print, and no decimals that are 0."""
    text = f"{abs(value):,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{'+' if value > 0 else '−'}{text}" if text != "0" else "±0"
