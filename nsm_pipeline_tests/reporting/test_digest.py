"""The digest: short, plain, and what the page says."""

from __future__ import annotations

from datetime import datetime

import pytest
from made_up import altered, every, tables
from markdown_it import MarkdownIt

from nsm_pipeline.reporting.digest import SIGNS, digest_markdown
from nsm_pipeline.reporting.headline import headline
from nsm_pipeline.reporting.monday import Monday


def monday(found: dict) -> Monday:
    return Monday.of(found, "Example Forge", "000012-8c1f0d2b9a44", datetime(2026, 11, 2, 6))


@pytest.mark.parametrize("use_cases", [1, 3, 6, 12])
def test_it_is_a_page_of_chat(use_cases: int) -> None:
    """From 10 to 25 lines of words, however many use cases there are, with one for each of them."""
    text = digest_markdown(monday(tables(use_cases, 30)))
    lines = [line for line in text.splitlines() if line]
    assert 6 + use_cases <= len(lines) <= 25 + (use_cases > 10)
    assert len([line for line in lines if line[:3] in {f"- {sign}" for sign in SIGNS.values()}]) == use_cases
    assert text.endswith("The page: pages/dashboard.html\n")


def test_what_is_left_out_is_counted() -> None:
    text = digest_markdown(monday(altered(tables(12, 30), "guardrails", every, status="red")))
    part = text.split("Guardrails past their limit ")[1].split("\n\n")[0]
    assert part.startswith("(2 of 12):\n- ") and part.count("\n- ") == 2


def test_it_says_what_the_page_says() -> None:
    page = monday(tables())
    text = digest_markdown(page)
    assert text.startswith(f"**Example Forge, week 44 (26 October – 1 November 2026): {headline(page)}.**")
    assert [line[2] for line in text.splitlines() if line[:3] in {f"- {sign}" for sign in SIGNS.values()}] == [
        "▲",
        "◆",
        "◆",
    ]
    assert "Guardrails past their limit:\n- Mobile’s growth has a price" in text
    assert "Where to look: plan premium +0.4 since 5 Oct" in text
    assert "Trust: Certified numbers. 42 of 42 gates passed." in text
    assert "\u00a0" not in text and not any(ord(letter) > 0xFFFF for letter in text)


def test_without_red_guardrails_it_has_no_line_for_them() -> None:
    text = digest_markdown(monday(altered(tables(), "guardrails", every, status="green")))
    assert "Guardrails past their limit" not in text


def test_hostile_words_are_no_markup() -> None:
    hostile = "<b>*bold*</b> [link](http://evil.example) `code` # head\nnext | cell"
    text = digest_markdown(monday(altered(tables(), "metric_dictionary", every, use_case_title=hostile)))
    html = MarkdownIt().render(text)
    assert not [tag for tag in ("<b>", "<a ", "<em>", "<code>", "<h1>", "<table>") if tag in html]
    assert html.count("<strong>") == 1  # the headline's own
