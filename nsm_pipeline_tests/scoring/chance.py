"""How often a guardrail breaks by chance, by the width of its breach: the table in docs/method.md.

What belongs here: made-up series and the guardrail's own judgement of them. What does not: other statistics
(`simulated`, `simulating`). `python chance.py docs/method.md` writes the table, from a fixed seed.
"""

from __future__ import annotations

import random
import sys
from datetime import date, timedelta
from pathlib import Path

from nsm_pipeline.playbook.documenting import with_part
from nsm_pipeline.playbook.guardrails import Guardrail
from nsm_pipeline.scoring.guardrails import judged
from nsm_pipeline.weeks import WEEK

FIRST = date(2020, 1, 6)
BURN_IN, JUDGED = 30, 90
NOISE = 0.03
# Standard deviation of a change from week to week, where that of the series' own noise is 1.
KINDS = {
    "a level with noise": 2**0.5,
    "a level with noise that lingers (half of it in the next week)": 1.0,
    "a random walk": 1.0,
}


def series(kind: str, drawn: random.Random) -> dict[date, float]:
    """A share around 20 %, whose usual change is NOISE × that of its kind, relative."""
    values, state = {}, 0.0
    for place in range(BURN_IN + JUDGED):
        fresh = drawn.gauss(0, 1)
        if kind == "a random walk":
            state += fresh
        elif kind == "a level with noise":
            state = fresh
        else:
            state = state / 2 + fresh * 0.75**0.5
        values[FIRST + place * WEEK] = 0.2 * (1 + NOISE) ** state
    return values


def red_by_chance(kind: str, width: float, count: int) -> float:
    """The share of weeks that are red without cause; `width`: of the breach, in usual changes."""
    rail, drawn = _rail(kind, width), random.Random(kind)
    weeks = red = 0
    for _ in range(count):
        values = series(kind, drawn)
        for week in list(values)[BURN_IN:]:
            red += judged(rail, values[week], values, week).status == "red"
            weeks += 1
    return red / weeks


def step_found(kind: str, width: float, step: float, count: int) -> float:
    """How often a lasting step for the worse by `step` usual changes is red in its first week."""
    rail, drawn = _rail(kind, width), random.Random(kind)
    week, found = FIRST + timedelta(weeks=60), 0
    for _ in range(count):
        values = series(kind, drawn)
        worse = values[week] * (1 + step * NOISE * KINDS[kind])
        found += judged(rail, worse, values, week).status == "red"
    return found / count


def _rail(kind: str, width: float) -> Guardrail:
    return Guardrail("lower", None, width * NOISE * KINDS[kind], 8)


def table(count: int) -> str:
    lines = [
        "| series | red with a breach of 1 | of 2 | of 3 usual changes | step of 2 found | of 3 | of 4 |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        shares = [red_by_chance(kind, width, count) for width in (1, 2, 3)]
        shares += [step_found(kind, 2, step, 10 * count) for step in (2, 3, 4)]
        lines.append(f"| {kind} | " + " | ".join(f"{share:.1%}".replace("%", " %") for share in shares) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_part(file.read_text(encoding="utf-8"), "guardrails", table(300)), encoding="utf-8")
