"""Answers → playbook: what goes where, what is refused and how, and that every playbook that comes out loads."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from homes import here
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_pipeline.playbook.loading import load_playbook
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.workshop.answers import Answers
from nsm_pipeline.workshop.composing import composed
from nsm_pipeline.workshop.spelling import spelled_metric, spelled_share

SHOP = """
use_case: shop
title: Shop
owner: {name: Shop group}
game: transaction
value_moment:
events:
  order_placed:
    properties:
      amount: {type: number, minimum: 0}
      status: {type: string, one_of: [paid, open]}
    sources: [{name: Order Placed, properties: {amount: Amount}}]
  page_viewed:
candidates:
  - name: revenue
    title: Revenue
    remark: Everybody looks at it already.
    scores: {leading_indicator: {answer: no, score: 0}, measurable: 2}
  - name: ordering_accounts
    title: Ordering accounts
    counted: {count_distinct: account, of: order_placed, where: "status = 'paid'"}
    scores: {expresses_customer_value: {answer: They got it, score: 2}, actionable: 1}
  - name:
north_star:
growth_per_week: 3.5%
metrics:
  orders: {count: order_placed}
inputs:
  - {name: , dimension: breadth}
  - {name: viewers, title: Viewers, counted: {count_distinct: user, of: page_viewed}, dimension: breadth, owner: Web}
  - {name: ratio, counted: {ratio: {numerator: orders, denominator: {count: page_viewed}}}, dimension: depth, level: 2}
without: {efficiency: "One click already.", frequency: }
counter_metrics:
  - name: unpaid
    risk: Orders nobody pays
    counted: {count: order_placed, where: "status = 'open'", window: 28 days}
    warn: 3%
outcomes:
  - {name: again, counted: {retention: account, of: order_placed, weeks: 4}}
slices: [plan]
"""


def file(folder: Path, **changes: Any) -> Path:
    """The shop's answers with some keys replaced, by key path with __ for a dot; None takes a key out."""
    content = yaml.safe_load(SHOP)
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        place = content
        for part in parents:
            place = place[part]
        place[last] = value
    target = folder / "answers.yaml"
    target.write_text(yaml.safe_dump(content, sort_keys=False))
    return target


def test_what_goes_where(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text(SHOP)
    said = here("init", "--home", tmp_path / "home", "--answers", answers, "--json")
    assert said.code == 0, said.err
    report = said.json
    assert report["file"] == str(tmp_path / "home" / "playbook" / "shop.yaml")
    assert report["candidates"] == [{"name": "ordering_accounts", "points": 3}, {"name": "revenue", "points": 2}]
    text = Path(report["file"]).read_text()
    use_case = load_playbook(tmp_path / "home" / "playbook").use_cases["shop"]
    assert use_case.north_star.metric == "ordering_accounts"
    assert use_case.growth_target == 0.035
    assert use_case.metrics["ordering_accounts"].title == "Ordering accounts"
    assert list(use_case.metrics) == ["ordering_accounts", "viewers", "ratio", "unpaid", "again", "orders"]
    assert [(one.metric, one.dimension, one.level, one.drives) for one in use_case.inputs] == [
        ("viewers", "breadth", 1, "ordering_accounts"),
        ("ratio", "depth", 2, None),
    ]
    assert use_case.without == {"efficiency": "One click already."}
    assert use_case.counter_metrics[0].protects == "ordering_accounts"
    assert use_case.outcomes == ("again",)
    assert use_case.events["page_viewed"].sources[0].name == "page_viewed"
    assert use_case.checklist.expresses_customer_value == "They got it"
    for part in (
        "window: 4 weeks",
        "growth_per_week: 3.5%",
        "revenue – Revenue",
        "Everybody looks at it already.",
        "leading indicator: 0 (no)",
        "ordering_accounts – Ordering accounts (chosen)",
    ):
        assert part in text
    order = [line.split(":")[0] for line in text.splitlines() if line and line[0].isalpha()]
    assert order == [
        "use_case", "title", "status", "owner", "game", "events", "slices", "metrics", "north_star", "inputs",
        "without", "counter_metrics", "outcomes", "checklist",
    ]  # fmt: skip


WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown key": ({"vison": "x"}, ("vison", "did you mean 'vision'?")),
    "unknown key of a candidate": ({"candidates__1__scroes": {}}, ("candidates.1.scroes", "'scores'")),
    "unknown criterion": (
        {"candidates__0__scores": {"actionabel": 1}},
        ("candidates.0.scores.actionabel", "'actionable'"),
    ),
    "score of three": ({"candidates__0__scores": {"actionable": 3}}, ("candidates.0.scores.actionable", "3")),
    "unknown game": ({"game": "atention"}, ("game", "did you mean 'attention'?")),
    "no title": ({"title": None}, ("title",)),
    "a name in capitals": ({"use_case": "Shop"}, ("use_case", "'Shop'", "lower-case")),
    "no candidate": ({"candidates": []}, ("candidates", "at least one")),
    "chosen without counting": ({"north_star": "revenue"}, ("candidates.0", "'counted'")),
    "chosen that is none": ({"north_star": "revenu"}, ("north_star", "did you mean 'revenue'?")),
    "unknown event": ({"candidates__1__counted__of": "order_plcaed"}, ("candidates.1.counted.of", "'order_placed'")),
    "unknown property": (
        {"counter_metrics__0__counted__where": "stauts = 'x'"},
        ("counter_metrics.0.counted.where", "stauts"),
    ),
    "unknown kind": ({"inputs__1__counted": {"cuont": "page_viewed"}}, ("inputs.1.counted.cuont", "'count'")),
    "after an empty row": ({"inputs__2__name": "viewers"}, ("inputs.2.counted", "'viewers'", "inputs.1.counted")),
    "unknown dimension": ({"inputs__1__dimension": "bredth"}, ("inputs.1.dimension", "'breadth'")),
    "reason for no dimension": ({"without": {"bredth": "x"}}, ("without.bredth",)),
    "drives nothing": ({"inputs__1__drives": "orderin_accounts"}, ("inputs.1.drives", "'ordering_accounts'")),
    "no risk": ({"counter_metrics__0__risk": ""}, ("counter_metrics.0.risk",)),
    "unknown slice": ({"slices": ["plam"]}, ("slices.0", "did you mean 'plan'?")),
    "a property's type": (
        {"events__order_placed__properties__amount__type": "nubmer"},
        ("events.order_placed.properties.amount.type", "'number'"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_answers_are_refused_by_their_own_key(tmp_path: Path, what: str) -> None:
    changes, words = WRONG[what]
    answers = file(tmp_path, **changes)
    said = here("init", "--home", tmp_path / "home", "--answers", answers)
    assert said.code == 2
    for word in (str(answers), "line ", *words):
        assert word in said.err, said.err
    assert not (tmp_path / "home" / "playbook").exists()


def test_every_way_to_not_be_a_file(tmp_path: Path) -> None:
    for text, word in (("a: [", "not readable as YAML"), ("- a", "a mapping of keys"), ("\xff", "mapping")):
        (tmp_path / "a.yaml").write_text(text)
        said = here("init", "--home", tmp_path, "--answers", tmp_path / "a.yaml")
        assert (said.code, word in said.err) == (2, True), said.err
    assert here("init", "--home", tmp_path, "--answers", tmp_path / "gone.yaml").code == 2


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    answers = file(tmp_path)
    home = tmp_path / "home"
    assert here("init", "--home", home, "--answers", answers).code == 0
    target = home / "playbook" / "shop.yaml"
    target.write_text("mine")
    said = here("init", "--home", home, "--answers", answers)
    assert (said.code, target.read_text()) == (2, "mine")
    assert str(target) in said.err
    assert "--force" in said.err
    assert here("init", "--home", home, "--answers", answers, "--force").code == 0
    assert target.read_text() != "mine"
    said = here("init", "--home", home, "--answers", answers, "--output", home / "playbook" / "other.yaml")
    assert said.code == 2
    assert "defines the use case 'shop' already" in said.err
    blank = tmp_path / "blank.yaml"
    assert here("init", "--home", home, "--blank", blank).code == 0
    blank.write_text("mine")
    assert here("init", "--home", home, "--blank", blank).code == 2
    assert blank.read_text() == "mine"


def test_a_blank_file_that_is_filled_in(tmp_path: Path) -> None:
    blank = tmp_path / "blank.yaml"
    assert here("init", "--home", tmp_path, "--blank", blank, "--json").json["answers"] == str(blank)
    said = here("init", "--home", tmp_path, "--answers", blank)
    assert said.code == 2
    assert "use_case" in said.err
    text = blank.read_text()
    assert set(Answers.model_fields) - {"activity", "metrics"} == set(yaml.safe_load(text))
    for empty, filled in (
        ("use_case:\n", "use_case: shop\n"),
        ("\ntitle:\n", "\ntitle: Shop\n"),
        ("  name:\n  contact:", "  name: Shop group\n  contact:"),
        ("\nevents:\n", "\nevents: {order_placed: }\n"),
        ("  - name:\n", "  - name: orders\n"),
        ("    counted:\n", "    counted: {count: order_placed}\n"),
    ):
        assert empty in text
        text = text.replace(empty, filled, 1)
    blank.write_text(text)
    said = here("init", "--home", tmp_path, "--answers", blank)
    assert said.code == 0, said.err
    assert load_playbook(tmp_path / "playbook").use_cases["shop"].north_star.metric == "orders"


@pytest.mark.parametrize(
    "words",
    [
        {"count": ["a", "b"], "where": "x = 'y'", "window": "28 days", "unit": "rows"},
        {"count_distinct": "user", "of": "a", "window": "10 days", "include_internal": True},
        {"quantile": "amount", "of": "a", "q": "90%"},
        {"count_entities": "account", "of": "a", "having": ">= 40 per seat"},
        {"count_entities": "account", "of": "a", "having": "sum amount > 0.00001"},
        {"count_entities": "account", "of": "a", "having": "distinct user > 3"},
        {"attribute": "seats", "aggregate": "average", "over": "all"},
        {"ratio": {"numerator": {"count": "a", "where": "b"}, "denominator": "c"}, "better": "lower"},
        {"conversion": "user", "from": {"events": "a", "where": "b"}, "to": ["b", "c"], "within": "36 hours"},
        {"time_between": "account", "from": "created_on", "to": "a", "within": "2 weeks", "aggregate": "median"},
        {"retention": "account", "of": "a", "weeks": 4},
        {"cohort": "account", "from": "created_on", "within": "7 days", "to": "a", "having": "> 3", "as": "share"},
        {"lifecycle": "new", "by": "created_on"},
        {"formula": "a / (b + c)", "slices": []},
    ],
)
def test_a_metric_spelled_again_is_the_same_metric(words: dict[str, Any]) -> None:
    metric = Metric.model_validate(words)
    assert Metric.model_validate(spelled_metric(metric)) == metric


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9))
def test_a_share_spelled_is_the_same_number(value: float) -> None:
    words = spelled_share(value)
    assert words == value or (isinstance(words, str) and float(words.removesuffix("%")) / 100 == value)


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
SCORED = st.fixed_dictionaries({"answer": WORDS, "score": st.sampled_from([None, 0, 1, 2])})
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
COUNTED = st.sampled_from(
    [
        {"count": "did"},
        {"count_distinct": "user", "of": "did", "window": "4 weeks"},
        {"sum": "amount", "of": "did", "where": "kind = 'a: b # c'"},
        {"ratio": {"numerator": {"count": "did"}, "denominator": {"count_distinct": "account", "of": "did"}}},
        {"count_entities": "account", "of": "did", "having": "distinct user > 3"},
        {"conversion": "account", "from": "did", "to": "did", "within": "7 days"},
        {"retention": "user", "of": "did"},
    ]
)
ANSWERS = st.fixed_dictionaries(
    {
        "use_case": NAMES,
        "title": WORDS.filter(bool),
        "owner": st.fixed_dictionaries({"name": WORDS}, optional={"contact": WORDS}),
        "game": st.sampled_from(["attention", "transaction", "productivity", None]),
        "vision": WORDS,
        "review_by": st.one_of(st.none(), st.dates()),
        "growth_per_week": st.one_of(st.sampled_from(["7%", "0.5%"]), st.floats(-1, 1)),
        "names": st.lists(NAMES, min_size=5, max_size=5, unique=True),
        "titles": st.lists(WORDS, min_size=5, max_size=5),
        "counted": st.lists(COUNTED, min_size=5, max_size=5),
        "scores": st.fixed_dictionaries({"actionable": SCORED, "measurable": SCORED}),
        "remark": WORDS,
        "risk": WORDS.filter(bool),
        "sent": WORDS.filter(bool),
        "choices": st.lists(WORDS, min_size=1, max_size=4, unique=True),
    }
)


@settings(max_examples=60)
@given(ANSWERS)
def test_what_comes_out_of_any_answers_loads(tmp_path: Path, parts: dict[str, Any]) -> None:
    parts = deepcopy(parts)
    names, titles, counted = (parts.pop(key) for key in ("names", "titles", "counted"))
    scores, remark, risk = (parts.pop(key) for key in ("scores", "remark", "risk"))
    properties = {"amount": {"type": "number"}, "kind": {"type": "string", "one_of": parts.pop("choices")}}
    events = {"did": {"properties": properties, "sources": [{"name": parts.pop("sent")}]}}
    answers = Answers.model_validate(
        {
            **parts,
            "events": events,
            "candidates": [
                {"name": name, "title": title, "counted": how, "scores": scores, "remark": remark}
                for name, title, how in zip(names[:2], titles, counted, strict=False)
            ],
            "north_star": names[1],
            "inputs": [{"name": names[2], "title": titles[2], "counted": counted[2], "dimension": "depth"}],
            "counter_metrics": [{"name": names[3], "counted": counted[3], "risk": risk, "breach": 0.05}],
            "outcomes": [{"name": names[4], "title": titles[4], "counted": counted[4]}],
        }
    )
    made = composed(answers, {})
    (tmp_path / "made.yaml").write_text(made.text, encoding="utf-8")
    (found,) = load_playbook(tmp_path, tmp_path).use_cases.values()
    assert found == made.use_case
    assert found.north_star.metric == names[1]
    assert found.metrics[names[2]] == made.use_case.metrics[names[2]]
