"""YAML text reads back as the document it was made from, whatever the document and its comments hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.workshop.yaml_text import Noted, plain, yaml_text

# What YAML can hold at all: it knows no lone halves of a surrogate pair.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORDS = st.sampled_from(
    ["yes", "null", "1", "1.0", "1e3", "-", "- a", "a: b", "a #b", "# a", "{a}", "[a]", "'", '"', ""]
)
SCALARS = st.one_of(TEXT, WORDS, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))


def noted(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    notes = st.builds(Noted, values, st.tuples(TEXT), TEXT, st.booleans())
    return st.one_of(values, notes)


DOCUMENTS = st.dictionaries(
    st.one_of(TEXT, WORDS),
    noted(
        st.recursive(
            st.one_of(SCALARS, st.dates()),
            lambda inner: st.one_of(
                st.lists(noted(inner), max_size=4), st.dictionaries(TEXT, noted(inner), max_size=4)
            ),
            max_leaves=12,
        )
    ),
    min_size=1,
    max_size=4,
)


@given(DOCUMENTS, st.lists(TEXT, max_size=2))
def test_text_reads_back_as_the_document(document: dict[str, Any], head: list[str]) -> None:
    text = yaml_text(document, head)
    assert yaml.safe_load(text) == plain(document), text


@pytest.mark.parametrize("sign", ["\n", "\r", "\x85", "\u2028", "\x00", "\ufeff", "\x1b"])
def test_no_comment_becomes_a_key(sign: str) -> None:
    text = yaml_text({"a": Noted(1, (f"x{sign}b: 2",), f"y{sign}c: 3")}, [f"z{sign}d: 4"])
    assert yaml.safe_load(text) == {"a": 1}


def test_layout() -> None:
    document = {
        "use_case": "shop",
        "owner": {"name": "Shop group", "contact": "#shop"},
        "review_by": date(2027, 1, 31),
        "events": Noted(
            {"order_placed": {"properties": {"amount": Noted({"type": "number"}, beside="in 90 % of rows")}}},
            ("", "What is sent."),
        ),
        "metrics": Noted({"orders": {"count": "order_placed", "where": "status = 'paid'"}}, ("",), below=True),
        "inputs": [{"metric": "orders", "owner": "x" * 60}, {"metric": "buyers", "owner": "y" * 60}],
    }
    assert yaml_text(document) == (
        "use_case: shop\n"
        'owner: {name: Shop group, contact: "#shop"}\n'
        "review_by: 2027-01-31\n"
        "\n"
        "# What is sent.\n"
        "events:\n"
        "  order_placed:\n"
        "    properties:\n"
        "      amount: {type: number} # in 90 % of rows\n"
        "\n"
        "metrics:\n"
        "  orders: {count: order_placed, where: status = 'paid'}\n"
        f"inputs:\n  - {{metric: orders, owner: {'x' * 60}}}\n  - {{metric: buyers, owner: {'y' * 60}}}\n"
    )
