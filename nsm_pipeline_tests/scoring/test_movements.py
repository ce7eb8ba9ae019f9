"""Why the North Star moved: parts that add up, whatever the numbers; sentences that say no more than they."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import permutations
from typing import Any

import pytest
from guarded import SUPPRESSED, number, published, quotient, use_case
from hypothesis import assume, given
from hypothesis import strategies as st

from nsm_pipeline.playbook.formulas import evaluate, operands, parse_formula
from nsm_pipeline.scoring.decomposing import logarithmic_mean, shared_out
from nsm_pipeline.scoring.movement_words import factor_words, movement_words
from nsm_pipeline.scoring.movements import movement_rows
from nsm_pipeline.scoring.published import Number

POSITIVE = st.floats(1e-3, 1e6)
ANY = st.floats(-1e6, 1e6)
PRODUCTS = ("a * b", "a / b", "a * b * c", "a * b / (c * 2)", "2 * a", "a * a / b", "1 / (a * b)")
OTHERS = ("a + b", "a - b", "(a + b) * c", "a * b + c", "a / (b + c)", "-a", "a + 0 * b", "a * (b - c) * d")


def sums(rows: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """What the parts of each view and attribute add up to."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        found[row["view"], row["slice"]].append(row["contribution"])
    return {key: math.fsum(parts) for key, parts in found.items()}


@pytest.mark.parametrize("text", [*PRODUCTS, *OTHERS])
@given(data=st.data())
def test_parts_add_up_to_the_change(text: str, data: st.DataObject) -> None:
    tree = parse_formula(text)
    numbers = POSITIVE if text in PRODUCTS else ANY
    before, after = ({name: data.draw(numbers) for name in operands(tree)} for _ in (0, 1))
    parts = shared_out(tree, before, after)
    assume(parts is not None)
    assert parts is not None
    old, new = evaluate(tree, before), evaluate(tree, after)
    assert old is not None
    assert new is not None
    scale = max(abs(old), abs(new), *(abs(part) for part in parts.values()))
    # Products of tiny numbers lose their last bits below 1e-300: no float could hold them.
    assert math.fsum(parts.values()) == pytest.approx(new - old, rel=1e-9, abs=1e-9 * scale + 1e-300)
    assert parts.keys() == set(operands(tree))


@pytest.mark.parametrize("text", [*PRODUCTS, *OTHERS])
@given(data=st.data())
def test_back_again_is_the_opposite_and_what_stands_still_adds_nothing(text: str, data: st.DataObject) -> None:
    tree = parse_formula(text)
    numbers = POSITIVE if text in PRODUCTS else ANY
    before, after = ({name: data.draw(numbers) for name in operands(tree)} for _ in (0, 1))
    still = operands(tree)[0]
    after[still] = before[still]
    there, back = shared_out(tree, before, after), shared_out(tree, after, before)
    assume(there is not None and back is not None)
    assert there is not None
    assert back is not None
    scale = max(abs(part) for part in there.values())
    assert there[still] == pytest.approx(0, abs=1e-12 * (1 + scale))
    for name, part in there.items():
        assert back[name] == pytest.approx(-part, rel=1e-9, abs=1e-9 * (1 + scale))


@given(st.permutations(["a", "b", "c", "d"]), st.lists(POSITIVE, min_size=8, max_size=8))
def test_the_order_of_factors_does_not_matter(order: list[str], numbers: list[float]) -> None:
    before, after = dict(zip("abcd", numbers[:4], strict=True)), dict(zip("abcd", numbers[4:], strict=True))
    for sign in ("*", "+"):
        usual = shared_out(parse_formula(f" {sign} ".join("abcd")), before, after)
        other = shared_out(parse_formula(f" {sign} ".join(order)), before, after)
        assert usual is not None
        largest = max(abs(part) for part in usual.values())
        assert other == pytest.approx(usual, abs=1e-9 * largest)


def test_divisia_by_hand() -> None:
    """100 × 2 → 120 × 2.5: L(300, 200) = 100 ÷ ln 1.5 = 246.6303; × ln 1.2 and × ln 1.25."""
    parts = shared_out(parse_formula("buyers * each"), {"buyers": 100, "each": 2}, {"buyers": 120, "each": 2.5})
    assert logarithmic_mean(200, 300) == pytest.approx(246.6303462)
    assert parts == pytest.approx({"buyers": 44.96602, "each": 55.03398}, abs=1e-5)


def test_shapley_by_hand() -> None:
    """(1 + 2) × 10 → (3 + 1) × 20. The factor 10 → 20 meets 3, 5, 2 or 4 of the sum: (3 × 2 + 5 + 2 + 4 × 2) ÷ 6 × 10.
    In every order the sum's parts add 2 and −1, at 10 or 20 by chance alike."""
    tree = parse_formula("(new + back) * each")
    parts = shared_out(tree, {"new": 1, "back": 2, "each": 10}, {"new": 3, "back": 1, "each": 20})
    assert parts == pytest.approx({"new": 30.0, "back": -15.0, "each": 35.0})


@given(st.lists(st.floats(-100, 100), min_size=6, max_size=6))
def test_shapley_is_the_mean_over_all_orders(numbers: list[float]) -> None:
    tree = parse_formula("a * b + c")
    before, after = dict(zip("abc", numbers[:3], strict=True)), dict(zip("abc", numbers[3:], strict=True))
    expected = dict.fromkeys("abc", 0.0)
    for order in permutations("abc"):
        state = dict(before)
        for name in order:
            worth = evaluate(tree, state)
            state[name] = after[name]
            expected[name] += ((evaluate(tree, state) or 0) - (worth or 0)) / 6
    assert shared_out(tree, before, after) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_zero_takes_the_way_that_can_stand_it() -> None:
    parts = shared_out(parse_formula("a * b"), {"a": 0.0, "b": 3.0}, {"a": 4.0, "b": 5.0})
    assert parts == pytest.approx({"a": 16.0, "b": 4.0})
    assert shared_out(parse_formula("a / b"), {"a": 1.0, "b": 0.0}, {"a": 4.0, "b": 5.0}) is None
    assert shared_out(parse_formula("a * b"), {"a": None, "b": 1.0}, {"a": 4.0, "b": 5.0}) is None


def shop(old: tuple[float, float], new: tuple[float, float], **more: Any) -> list[dict[str, Any]]:
    """Movements of orders, from buyers and orders of two weeks."""
    pairs = (old, new)
    totals: dict[str, Any] = {
        "orders": [orders for _, orders in pairs],
        "buyers": [buyers for buyers, _ in pairs],
        "orders_each": [quotient(orders, buyers) for buyers, orders in pairs],
    }
    return movement_rows(published(totals, **more))


def test_factors_of_the_formula() -> None:
    rows = shop((100, 200), (120, 300))
    assert [(row["part"], round(row["contribution"], 4)) for row in rows] == [
        ("buyers", 44.966),
        ("orders_each", 55.034),
    ]
    assert [(row["before"], row["after"], row["change"]) for row in rows] == [(100, 120, 100), (2, 2.5, 100)]
    assert {row["view"] for row in rows} == {"factors"}


def test_what_the_formula_does_not_tell_is_the_rest() -> None:
    totals: dict[str, Any] = {
        "orders": [200.0, 310.0],
        "buyers": [100.0, 120.0],
        "orders_each": [number(2.0), number(2.5)],
    }
    rows = movement_rows(published(totals))
    assert sums(rows) == {("factors", "all"): pytest.approx(110)}
    assert rows[-1]["part"] == "rest"
    assert rows[-1]["contribution"] == pytest.approx(10)
    gone = movement_rows(published({**totals, "buyers": [100.0, None]}))
    assert [(row["part"], row["contribution"]) for row in gone] == [("rest", 110.0)]


def test_only_neighbouring_complete_weeks() -> None:
    values: dict[str, Any] = {"orders": [1.0, 2.0, None, 4.0, 5.0, number(9, state="flash")]}
    case = use_case(formula=None, slices=[])
    rows = movement_rows(published(values, {("orders", "plan"): [{"free": number(1)}] * 6}, case, current=5))
    assert len({row["week"] for row in rows}) == 2


def cut(*sides: dict[str, Number]) -> dict[tuple[str, str], list[dict[str, Number]]]:
    return {("orders", "plan"): list(sides)}


def test_slices_of_what_adds_up() -> None:
    rows = shop(
        (100, 200),
        (120, 300),
        slices=cut({"free": number(150), "gold": number(50)}, {"free": number(140), "new": number(160)}),
    )
    found = {row["slice_value"]: row["contribution"] for row in rows if row["view"] == "slices"}
    assert found == {"free": -10.0, "gold": -50.0, "new": 160.0}
    assert {row["part"] for row in rows if row["view"] == "slices"} == {"change"}


def test_small_groups_are_what_is_left() -> None:
    """A slice that is suppressed in one of the weeks is in neither."""
    rows = shop(
        (100, 200),
        (120, 300),
        slices=cut(
            {"free": number(150), "gold": SUPPRESSED, "tin": number(6)},
            {"free": number(240), "gold": number(50), "tin": SUPPRESSED},
        ),
    )
    found = {row["slice_value"]: row["contribution"] for row in rows if row["view"] == "slices"}
    assert found == {"free": 90.0, "small groups": 10.0}
    assert [row["before"] for row in rows if row["slice_value"] == "small groups"] == [None]


def test_slices_that_do_not_add_up_leave_a_rest() -> None:
    rows = shop((100, 200), (120, 300), slices=cut({"free": number(150)}, {"free": number(230)}))
    found = [(row["part"], row["contribution"]) for row in rows if row["view"] == "slices"]
    assert found == [("change", 80.0), ("rest", 20.0)]


RATIO = {"north_star": {"metric": "orders_each"}, "formula": None}
COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 50))


def ratio_rows(
    old: dict[str, tuple[int, int]], new: dict[str, tuple[int, int]], small: int = 0
) -> list[dict[str, Any]]:
    """Movements of orders per buyer from orders and buyers by plan, the last `small` plans suppressed."""
    totals, slices = [], []
    for side in (old, new):
        totals.append(quotient(sum(orders for orders, _ in side.values()), sum(buyers for _, buyers in side.values())))
        hidden = sorted(side)[len(side) - small :]
        slices.append({plan: SUPPRESSED if plan in hidden else quotient(*pair) for plan, pair in side.items()})
    return movement_rows(published({"orders_each": totals}, {("orders_each", "plan"): slices}, use_case(**RATIO)))


def test_mix_and_rate_by_hand() -> None:
    """Half of the buyers order 1 and half 3; then three quarters order 1 and a quarter 3: the mix alone moves 2 → 1.5.
    At mean rate 1.75: free 0.25 × (1 − 1.75), gold −0.25 × (3 − 1.75)."""
    rows = ratio_rows({"free": (10, 10), "gold": (30, 10)}, {"free": (30, 30), "gold": (30, 10)})
    found = {(row["slice_value"], row["part"]): row["contribution"] for row in rows}
    assert found == pytest.approx(
        {("free", "mix"): -0.1875, ("gold", "mix"): -0.3125, ("free", "rate"): 0.0, ("gold", "rate"): 0.0}
    )
    rows = ratio_rows({"free": (10, 10), "gold": (30, 10)}, {"free": (20, 10), "gold": (30, 10)})
    found = {(row["slice_value"], row["part"]): row["contribution"] for row in rows}
    assert found[("free", "rate")] == pytest.approx(0.5)
    assert sum(abs(part) for part in found.values()) == pytest.approx(0.5)


@given(
    st.dictionaries(st.sampled_from("abcde"), COUNTS, min_size=1),
    st.dictionaries(st.sampled_from("abcde"), COUNTS, min_size=1),
    st.integers(0, 1),
)
def test_mix_and_rate_add_up_to_the_change(
    old: dict[str, tuple[int, int]], new: dict[str, tuple[int, int]], small: int
) -> None:
    old, new = ({plan: (n if d else 0, d) for plan, (n, d) in side.items()} for side in (old, new))
    assume(all(sum(d for _, d in side.values()) for side in (old, new)))
    rows = ratio_rows(old, new, small)
    for row in rows:
        assert row["part"] in ("mix", "rate", "change")
    if rows:
        assert sums(rows)["slices", "plan"] == pytest.approx(rows[0]["change"], rel=1e-9, abs=1e-9)


@given(
    st.dictionaries(st.sampled_from("abcde"), COUNTS, min_size=1),
    st.dictionaries(st.sampled_from("abcde"), COUNTS, min_size=1),
    st.booleans(),
)
def test_every_view_adds_up_to_the_change(
    old: dict[str, tuple[int, int]], new: dict[str, tuple[int, int]], suppress: bool
) -> None:
    old, new = ({plan: (n if d else 0, d) for plan, (n, d) in side.items()} for side in (old, new))
    slices: dict[tuple[str, str], list[dict[str, Number]]] = {}
    totals: dict[str, list[Number]] = {"orders": [], "buyers": [], "orders_each": []}
    for side in (old, new):
        hidden = {"a"} if suppress else set()
        makes = {
            "orders": lambda n, _: number(n),
            "buyers": lambda _, d: number(d),
            "orders_each": quotient,
        }
        for metric, make in makes.items():
            totals[metric].append(make(sum(n for n, _ in side.values()), sum(d for _, d in side.values())))
            found = {plan: SUPPRESSED if plan in hidden else make(*pair) for plan, pair in side.items()}
            slices.setdefault((metric, "plan"), []).append(found)
    rows = movement_rows(published(totals, slices))
    change = totals["orders"][1].value - totals["orders"][0].value  # type: ignore[operator]
    scale = max(1.0, *(abs(row["contribution"]) for row in rows)) if rows else 1.0
    for key, total in sums(rows).items():
        assert total == pytest.approx(change, rel=1e-9, abs=1e-9 * scale), key
    assert len({(row["view"], row["part"], row["slice"], row["slice_value"]) for row in rows}) == len(rows)


def test_the_formula_within_a_slice() -> None:
    slices = {
        ("orders", "plan"): [{"free": number(150), "gold": number(50)}, {"free": number(150), "gold": number(150)}],
        ("buyers", "plan"): [{"free": number(80), "gold": number(20)}, {"free": number(80), "gold": number(40)}],
        ("orders_each", "plan"): [
            {"free": quotient(150, 80), "gold": quotient(50, 20)},
            {"free": quotient(150, 80), "gold": quotient(150, 40)},
        ],
    }
    rows = [row for row in shop((100, 200), (120, 300), slices=slices) if row["view"] == "factor slices"]
    found = {(row["slice_value"], row["part"]): row["contribution"] for row in rows}
    assert found["free", "buyers"] == found["free", "orders_each"] == 0
    assert found["gold", "buyers"] + found["gold", "orders_each"] == pytest.approx(100)
    assert found["gold", "buyers"] == pytest.approx(100 / math.log(3) * math.log(2))


def words(rows: list[dict[str, Any]], unit: str = "orders") -> str:
    return movement_words(rows, unit, factor_words(use_case()))


def part(
    view: str, name: str, contribution: float, change: float, cut: str = "all", value: str = "all"
) -> dict[str, Any]:
    return {
        "view": view, "part": name, "slice": cut, "slice_value": value, "contribution": contribution, "change": change
    }  # fmt: skip


def test_in_words() -> None:
    rows = [
        part("factors", "buyers", 43.7, 31),
        part("factors", "orders_each", -12.7, 31),
        part("slices", "change", -40, 31, "plan", "free"),
        part("slices", "change", 29, 31, "plan", "premium"),
    ]
    assert words(rows) == "+31 orders: breadth +44, frequency −13; of which plan premium +29"
    assert words(rows[:2]) == "+31 orders: breadth +44, frequency −13"
    assert words(rows[2:]) == "+31 orders; of which plan premium +29"
    assert words([]) == ""


def test_numbers_in_words_add_up_and_have_the_digits_that_tell() -> None:
    thirds = [part("factors", f"m{place}", 1 / 3, 1) for place in range(3)]
    assert words(thirds) == "+1 orders: m0 +0.4, m1 +0.3, m2 +0.3"
    many = [part("factors", f"m{place}", contribution, 12) for place, contribution in enumerate((9.7, 4.4, -3.3, 1.2))]
    assert words(many) == "+12 orders: m0 +10, m1 +4, m2 −3, the rest +1"
    shares = [part("factors", "buyers", 0.021, 0.013), part("factors", "rest", -0.008, 0.013)]
    assert words(shares, "share") == "+1.3 points: breadth +2.1, the rest −0.8"
    assert words([part("factors", "buyers", 0.0, 0.0)]) == "unchanged"
    assert words([part("factors", "buyers", 5, 0), part("factors", "orders_each", -5, 0)]) == (
        "±0 orders: breadth +5, frequency −5"
    )


@given(st.lists(st.floats(-1e4, 1e4).filter(lambda one: one == 0 or abs(one) > 1e-3), min_size=1, max_size=6))
def test_numbers_as_shown_add_up(contributions: list[float]) -> None:
    change = math.fsum(contributions)
    said = words([part("factors", f"m{place}", one, change) for place, one in enumerate(contributions)])
    if said != "unchanged":
        shown = [
            float(text.rsplit(" ", 1)[1].translate({0x2212: "-", 0xB1: "", 0x2C: ""}))
            for text in said.split(": ")[1].split(", ")
        ]
        total = float(said.split(" ")[0].translate({0x2212: "-", 0xB1: "", 0x2C: ""}))
        assert math.fsum(shown) == pytest.approx(total, abs=1e-7)
        assert len(shown) <= 4


def test_factors_of_one_dimension_go_by_their_titles() -> None:
    inputs = [
        {"metric": "buyers", "dimension": "breadth", "drives": "orders", "relation": "formula"},
        {"metric": "orders_each", "dimension": "breadth", "drives": "orders", "relation": "formula"},
    ]
    names = factor_words(use_case(inputs=inputs))
    assert (names["buyers"], names["orders_each"]) == ("buyers", "orders per buyer")
