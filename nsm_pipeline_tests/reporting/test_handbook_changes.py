"""What changed between two definitions, key by key, and what of it decides numbers."""

from __future__ import annotations

from typing import Any

import pytest
from every_key import changes_of, full_settings, full_use_case

from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.settings import Settings
from nsm_pipeline.reporting.handbook import page_of
from nsm_pipeline.reporting.handbook_changes import changed_pages
from nsm_pipeline.steps.definition_changes import definition_changes


def said(new: UseCase) -> list[str]:
    """What changed from the full use case."""
    return [change.words for change in changed_pages(page_of(full_use_case()), page_of(new))]


def with_(key: str, place: Any, **update: Any) -> UseCase:
    """The full use case with one item of a list or a mapping changed."""
    use_case = full_use_case()
    items = getattr(use_case, key)
    if isinstance(items, dict):
        changed: Any = {name: one.model_copy(update=update) if name == place else one for name, one in items.items()}
    else:
        changed = tuple(one.model_copy(update=update) if at == place else one for at, one in enumerate(items))
    return use_case.model_copy(update={key: changed})


def test_nothing_changed() -> None:
    assert said(full_use_case()) == []
    assert definition_changes(*[Playbook(Settings(), {"shop": full_use_case()})] * 2) == []


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (lambda: with_("inputs", 0, owner="Runner"), ["inputs › orders › owner: Verify → Runner"]),
        (lambda: with_("inputs", 0, drives=None), ["inputs › orders › drives: removed"]),
        (lambda: with_("metrics", "buyers", where="amount > 3"), ["metrics › buyers › where: amount > 2 → amount > 3"]),
        (lambda: with_("metrics", "orders", title="Orders"), ["metrics › orders › title: added (Orders)"]),
        (lambda: with_("counter_metrics", 0, breach=0.07),
         ["counter_metrics › order_size › breach: 5 % worse → 7 % worse"]),
        (lambda: full_use_case().model_copy(update={"slices": ("plan",)}), ["slices: plan, segment → plan"]),
        (lambda: full_use_case().model_copy(update={"vision": "Else."}), ["vision: Everybody buys *here*. → Else."]),
        (lambda: full_use_case().model_copy(update={"formula": None}), ["formula: removed"]),
    ],
)  # fmt: skip
def test_a_change_in_words(new: Any, words: list[str]) -> None:
    assert said(new()) == words


def test_items_that_come_and_go() -> None:
    use_case = full_use_case()
    metrics = {name: one for name, one in use_case.metrics.items() if name != "unused"}
    metrics["late"] = use_case.metrics["other"]
    assert said(use_case.model_copy(update={"metrics": metrics})) == [
        "metrics › late: added (count of page_viewed)",
        "metrics › unused: removed",
    ]
    assert said(use_case.model_copy(update={"inputs": use_case.inputs[:1]})) == ["inputs › heavy: removed"]


def test_a_new_target_reads_key_by_key() -> None:
    use_case = full_use_case()
    star = use_case.north_star
    target = star.target.model_copy(update={"value": 1200.0})
    new = use_case.model_copy(update={"north_star": star.model_copy(update={"target": target})})
    assert said(new) == ["north_star › target › value: 1000 → 1200"]


def test_the_order_of_keys_is_no_change() -> None:
    use_case = full_use_case()
    turned = {name: use_case.metrics[name] for name in reversed(use_case.metrics)}
    assert said(use_case.model_copy(update={"metrics": turned, "inputs": use_case.inputs[::-1]})) == []


@pytest.mark.slow
def test_whatever_changes_is_told() -> None:
    """Of any one key that changes something is told, and nothing of what only follows from it."""
    before = page_of(full_use_case())
    for _, path, new in changes_of(full_use_case()):
        assert changed_pages(before, page_of(new)), path


def test_settings_are_told_first() -> None:
    old, new = Settings(), full_settings()
    found = definition_changes(Playbook(old, {}), Playbook(new, {"shop": full_use_case()}))
    assert [one.use_case for one in found] == [None, "shop"]
    words = [change.words for change in found[0].changes]
    assert "settings › company: Our company → Us" in words
    assert [change.words for change in found[1].changes] == ["shop: added (Shop)"]


def counted(new: UseCase) -> tuple[str, ...]:
    (found,) = definition_changes(Playbook(Settings(), {"shop": sound()}), Playbook(Settings(), {"shop": new}))
    return found.counts


def sound() -> UseCase:
    """A use case whose plan can be made."""
    return UseCase.model_validate(
        {
            "use_case": "shop",
            "title": "Shop",
            "owner": {"name": "Us"},
            "events": {"order_placed": {"properties": {"gift": {"type": "boolean"}}, "sources": [{"name": "order"}]}},
            "metrics": {"orders": {"count": "order_placed", "where": "gift and account_id = 'a'"}},
            "north_star": {"metric": "orders"},
        }
    )


def test_what_is_counted_is_told_apart_from_words() -> None:
    def metric(**update: Any) -> UseCase:
        use_case = sound()
        return use_case.model_copy(update={"metrics": {"orders": use_case.metrics["orders"].model_copy(update=update)}})

    assert counted(metric(title="Orders")) == ()
    assert counted(metric(where="(account_id = 'a') and gift")) == ()  # the same in other words
    assert counted(metric(where="gift")) == (
        "north_star: metric orders changed from count of order_placed where gift and account_id = 'a' to count of "
        "order_placed where gift",
    )
    event = sound().events["order_placed"]
    described = {"order_placed": event.model_copy(update={"description": "Somebody ordered."})}
    assert counted(sound().model_copy(update={"events": described})) == ()
    same = {"order_placed": event.model_copy(update={"same": ("account_id",)})}
    assert counted(sound().model_copy(update={"events": same})) == ("event order_placed is read otherwise",)
