"""Simulated histories whose links are known: no more false verdicts than docs/method.md states, no less found.

What belongs here: a small part of that table, with a seed of its own. What does not: the whole (`simulating`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import binom
from simulated_links import KINDS
from simulating import EVERY, LINKED_CELLS, UNLINKED_CELLS, Cell, Rates, rates, tables

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs" / "method.md"
SEED = 2
FEW = 40
UNLINKED = 15 * FEW
LINKED = 3 * FEW
# As docs/method.md states them: of edges with a link, how many are supported.
FOUND = {("drift", 0.3, 156): 0.55, ("drift", 0.5, 104): 0.95, ("swing", 0.5, 104): 0.95, ("deep", 0.5, 104): 0.8}


def most(share: float, of: int) -> float:
    """The share of `of` cases that chance exceeds once in a thousand where `share` is true."""
    return float(binom.ppf(0.999, of, share)) / of


def least(share: float, of: int) -> float:
    return float(binom.ppf(0.001, of, share)) / of


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_moves_anything_one_use_case_in_twenty_says_otherwise(kind: str) -> None:
    found = rates(Cell(kind, 130), FEW, SEED)
    assert found.any_false <= most(0.05, FEW)
    assert 0 < found.alone <= most(0.07, UNLINKED)


@pytest.mark.parametrize(("kind", "strength", "weeks"), FOUND)
def test_what_moves_the_north_star_is_found_at_its_lag(kind: str, strength: float, weeks: int) -> None:
    found = rates(Cell(kind, weeks, strength), FEW, SEED)
    assert found.found >= least(FOUND[kind, strength, weeks], LINKED)
    assert found.at_lag >= least(0.99, LINKED)
    assert found.wrong_sign <= most(0.01, LINKED)
    assert found.false_share <= most(0.08, int(LINKED * found.found))


def test_what_moves_it_the_wrong_way_is_contradicted() -> None:
    found = rates(Cell("drift", 104, 0.5, against=True), FEW, SEED)
    assert found.found >= least(0.95, LINKED)
    assert found.wrong_sign <= most(0.01, LINKED)


def test_a_strong_link_alone_is_missed_in_half_of_the_cases_with_the_fewest_weeks() -> None:
    """Why 39 pairs of weeks are needed: with fewer, "not supported" would mostly mean that history is short."""
    found = rates(Cell("drift", 44, 0.5), FEW, SEED)
    assert least(0.6, LINKED) <= found.found_alone <= most(0.6, LINKED)


def test_the_tables_hold_every_cell() -> None:
    nothing = Rates(0.041, 0.012, 0, 0, 0, 0, 0)
    some = Rates(0.04, 0.09, 0.561, 0.782, 0.99, 0.001, 0.05)
    text = tables({cell: nothing if cell in UNLINKED_CELLS else some for cell in EVERY})
    assert text.count("4.1 % · 1.2 %") == len(UNLINKED_CELLS)
    assert text.count("| 78.2 % | 56.1 % |") == len(LINKED_CELLS)
    heads = [line for line in text.splitlines() if "weeks" in line and "%" not in line]
    assert all(head in DOCS.read_text(encoding="utf-8") for head in heads)
