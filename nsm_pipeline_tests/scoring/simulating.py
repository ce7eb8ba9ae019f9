"""How often the metric tree's test errs and finds: `python -m nsm_pipeline_tests.scoring.simulating docs`.

What belongs here: counting verdicts over simulated use cases, the tables of docs/method.md. What does not: making
histories (`simulated`), the method itself (`nsm_pipeline.scoring`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from simulated_links import KINDS, Effect, history, use_case

from nsm_pipeline.playbook.documenting import with_part
from nsm_pipeline.scoring.hypotheses import evidence
from nsm_pipeline.scoring.lagged import LEVEL

WEEKS = (52, 104, 156)
USE_CASES = 400
# Of 15 inputs, three move the North Star, one or two weeks later.
LAGS = (1, 2, 1)
LINKED = ("drift", "swing", "deep")
STRENGTHS = (0.3, 0.5)
LINKED_WEEKS = (44, *WEEKS)  # 44: the first with enough pairs at all lags


@dataclass(frozen=True)
class Rates:
    """Shares over simulated use cases.

    `alone`: of edges without a link, those whose p-value is at most 5 %; `any_false`: of use cases, those with an edge
    that is supported or contradicted without a link; `found`, `found_alone`: of edges with a link, those with the
    right verdict, and those whose p-value is at most 5 %; `at_lag`: of those found, with the right lag; `wrong_sign`:
    of edges with a link, those with the opposite verdict; `false_share`: of all supported and contradicted edges, those
    without a link."""

    alone: float
    any_false: float
    found: float
    found_alone: float
    at_lag: float
    wrong_sign: float
    false_share: float


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what histories are like, how long they are, how strong three links are. `against`: whether
    the links work against what the playbook expects."""

    kind: str
    weeks: int
    strength: float = 0.0
    against: bool = False

    @property
    def effects(self) -> tuple[Effect, ...]:
        return tuple(Effect(of, self.strength, lag) for of, lag in enumerate(LAGS)) if self.strength else ()


def rates(cell: Cell, use_cases: int = USE_CASES, seed: int = 1) -> Rates:
    """Verdicts of simulated use cases with 15 inputs."""
    kind, weeks, effects, against = cell.kind, cell.weeks, cell.effects, cell.against
    it = use_case(lower=[effect.of for effect in effects] if against else ())
    random = np.random.default_rng([seed, weeks, sorted(KINDS).index(kind), len(effects), *([1] if against else [])])
    right, wrong = ("contradicted", "supported") if against else ("supported", "contradicted")
    lags = {f"input_{effect.of}": effect.lag for effect in effects}
    count: Counter[str] = Counter()
    for _ in range(use_cases):
        false = 0
        for edge, found in evidence(it, history(kind, weeks, random, effects)).items():
            said = found.verdict in (right, wrong)
            alone = found.p_value is not None and found.p_value <= LEVEL
            count["said"] += said
            if edge.metric not in lags:
                count["unlinked"] += 1
                count["alone"] += alone
                false += said
            else:
                count["linked"] += 1
                count["found"] += found.verdict == right
                count["found_alone"] += alone
                count["at_lag"] += found.verdict == right and found.strongest.lag == lags[edge.metric]
                count["wrong_sign"] += found.verdict == wrong
        count["false"] += false
        count["any_false"] += false > 0
    return Rates(
        _share(count, "alone", count["unlinked"]),
        _share(count, "any_false", use_cases),
        _share(count, "found", count["linked"]),
        _share(count, "found_alone", count["linked"]),
        _share(count, "at_lag", count["found"]),
        _share(count, "wrong_sign", count["linked"]),
        _share(count, "false", count["said"]),
    )


def _share(count: Counter[str], name: str, of: int) -> float:
    return count[name] / of if of else 0.0


UNLINKED_CELLS = tuple(Cell(kind, weeks) for kind in KINDS for weeks in WEEKS)
LINKED_CELLS = tuple(Cell(kind, weeks, r) for kind in LINKED for r in STRENGTHS for weeks in LINKED_WEEKS)
AGAINST_CELLS = tuple(Cell("drift", weeks, 0.5, against=True) for weeks in WEEKS)
EVERY = (*UNLINKED_CELLS, *LINKED_CELLS, *AGAINST_CELLS)


def tables(found: Mapping[Cell, Rates]) -> str:
    """The two tables of docs/method.md."""
    head = " | ".join(f"{weeks} weeks" for weeks in WEEKS)
    lines = [f"| nothing moves anything: histories are | {head} |", f"|---|{'---|' * len(WEEKS)}"]
    for kind, words in KINDS.items():
        cells = [found[Cell(kind, weeks)] for weeks in WEEKS]
        lines.append(
            f"| {words} | " + " | ".join(f"{_shown(at.alone)} · {_shown(at.any_false)}" for at in cells) + " |"
        )
    lines += [
        "",
        "| three inputs of 15 move the North Star | weeks | alone | supported | at its lag | contradicted | false |",
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for cell in (*LINKED_CELLS, *AGAINST_CELLS):
        at = found[cell]
        sign = ", against what is expected" if cell.against else ""
        supported, contradicted = (at.wrong_sign, at.found) if cell.against else (at.found, at.wrong_sign)
        of_found = (at.at_lag if at.found else None, at.false_share if at.found else None)
        parts = (at.found_alone, supported, of_found[0], contradicted, of_found[1])
        name = f"r = {cell.strength}{sign}; {KINDS[cell.kind]}"
        lines.append(f"| {name} | {cell.weeks} | " + " | ".join(map(_shown, parts)) + " |")
    return "\n".join(lines)


def _shown(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}".replace("%", " %")


if __name__ == "__main__":
    file = Path(sys.argv[1]) / "method.md"
    results = {cell: rates(cell) for cell in EVERY}
    file.write_text(with_part(file.read_text(encoding="utf-8"), "edges", tables(results)), encoding="utf-8")
