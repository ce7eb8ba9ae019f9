"""Lines of key paths, and what becomes of YAML's anchors, aliases and merge keys."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_pipeline.playbook.places import LARGEST, Unreadable, read

TEXT = """\
# a comment

use_case: shop
owner:
  name: Us        # line 5
metrics:
  orders: {count: order_placed,
    where: >
      status = 'paid'
  }
  buyers:
    count_distinct: account
    of:
      - order_placed
      - viewed
inputs:
  - metric: orders
    dimension: depth
"""
TEXT = TEXT.replace("    where: >\n      status = 'paid'\n", "    where: \"status =\n      'paid'\"\n")
LINES = {
    "": 3,
    "use_case": 3,
    "owner.name": 5,
    "metrics.orders": 7,
    "metrics.orders.count": 7,
    "metrics.orders.where": 8,
    "metrics.buyers.of": 13,
    "metrics.buyers.of.1": 15,
    "inputs.0": 17,
    "inputs.0.dimension": 18,
    # what is not there: the deepest part of the path that is
    "title": 3,
    "owner.contact": 4,
    "metrics.orders.of.0": 7,
    "inputs.1.metric": 16,
}


@pytest.mark.parametrize("path", LINES)
def test_lines(path: str) -> None:
    assert read(TEXT).line(path) == LINES[path]


def test_the_first_line_of_an_empty_file() -> None:
    assert read("").line("use_case") == 1
    assert read("# nothing\n").content == {}


ANCHORS = """\
paid: &paid {where: "status = 'paid'",
  count: order_placed}
same: *paid
more:
  <<: *paid
  count: viewed
several: {<<: [{count: one}, *paid]}
list: [&name orders, *name]
"""


def test_aliases_and_merge_keys_stand_for_what_they_name() -> None:
    document = read(ANCHORS)
    assert document.content == yaml.safe_load(ANCHORS)
    assert document.content["more"] == {"where": "status = 'paid'", "count": "viewed"}
    assert document.content["several"]["count"] == "one"
    # A key that came by an alias stands where it is written.
    assert (document.line("same"), document.line("same.count")) == (3, 2)
    assert (document.line("more.count"), document.line("more.where")) == (6, 1)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: &a [*a]\n", 1, "an alias stands inside its own anchor"),
        ("a: 1\nb: &b {c: *b}\n", 2, "an alias stands inside its own anchor"),
        ("a: 1\nb: {<<: {x: 1, x: 2}}\n", 2, "the key 'x' stands twice"),
        ("a: {<<: {x: 1}, <<: {y: 2}}\n", 1, "the key '<<' stands twice"),
        ("a: 1\nb: {<<: 5}\n", 2, "expected a mapping or list of mappings for merging, but found scalar"),
        ("a: 1\nb: 2026-02-30\n", 2, "day is out of range for month"),
        ("a: 1\nb: " + "9" * 5000 + "\n", 2, "Exceeds the limit"),
        ("a: 1\nb: !!python/name:os.system x\n", 2, "could not determine a constructor"),
        ("a: 1\nb: !env HOME\n", 2, "could not determine a constructor for the tag '!env'"),
    ],
)
def test_what_is_refused(text: str, line: int, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem) as refused:
        read(text)
    assert refused.value.line == line


def test_a_few_lines_that_stand_for_billions() -> None:
    laughs = "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 10)}]\n" for n in range(1, 12))
    with pytest.raises(Unreadable, match=f"more than {LARGEST:,} keys and values"):
        read("k0: &k0 ha\n" + laughs)


words = st.text("abc.", min_size=1, max_size=4)
trees = st.recursive(
    words | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(words, trees, min_size=1, max_size=4), st.booleans())
@settings(max_examples=100)
def test_what_is_read_is_what_yaml_says(tree: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, sort_keys=False)
    document = read(text)
    assert document.content == tree
    lines = text.splitlines()
    for path, line in document.lines.items():
        key = path.rpartition(".")[2]
        assert key.isdigit() or key in lines[line - 1]
