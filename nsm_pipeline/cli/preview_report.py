"""A preview as Markdown, fit for a comment on a pull request.

What belongs here: the report. What does not: its sentences (`preview_words`), computing it (`steps.previewing`).
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from nsm_pipeline.cli.planning import in_all, release_lines, said, tables_text, weeks_text
from nsm_pipeline.cli.preview_words import (
    figure,
    headline,
    largest_text,
    next_steps,
    share,
    signed,
    state_line,
    summaries,
    target_line,
)
from nsm_pipeline.steps.planning import Plan
from nsm_pipeline.steps.previewing import Preview, Value

SHOWN = 12
LONGEST = 200
SIGNS = frozenset("\\`*_{}[]|~")
KINDS = {
    "restatement": "**final, needs a reason**",
    "within_tolerance": "final, within tolerance",
    "settling": "settling",
    "flash": "flash",
    "added": "new",
    "small_group": "small group",
}


def report(preview: Preview, slices: bool) -> str:
    """The whole report."""
    lines = ["## North Star Metrics: what this would change", "", plain(_capital(headline(preview))), ""]
    lines += ["### What is rebuilt, and why", "", *_why(preview.plan), "", plain(_capital(in_all(preview.plan))), ""]
    lines += [*(plain(line) for line in release_lines(preview.plan)), ""]
    for name in preview.plan.use_cases:
        lines += _of_use_case(preview, name, slices)
    flips = [plain(state_line(one)) for one in preview.states] + [plain(target_line(one)) for one in preview.targets]
    flips += [plain(f"{one.use_case} {one.week}: {one.metric} {one.old} → {one.new}") for one in preview.colours]
    if flips:
        lines += ["### Certificates, goals and guardrails", "", *_folded([f"- {one}" for one in flips], "flips"), ""]
    steps = next_steps(preview)
    if steps:
        lines += ["### What to type next", "", "```", *steps, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def plain(text: str) -> str:
    """Text that Markdown and HTML show as it is."""
    return "".join(f"\\{one}" if one in SIGNS else one for one in html.escape(text, quote=False))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _why(plan: Plan) -> Iterator[str]:
    for file in plan.landing[:SHOWN]:
        yield f"- landed: {plain(file.path)} ({file.state}, {sum(file.rows.values()):,} rows, {file.late:,} late)"
    if len(plan.landing) > SHOWN:
        yield f"- landed: {len(plan.landing) - SHOWN} more files"
    for group in plan.groups:
        why = "; ".join(map(said, group.reasons))
        weeks = weeks_text(group.weeks)
        yield f"- **{group.use_case}** {weeks}: {plain(why)} → {plain(tables_text(group))} ({group.files} files)"
    for name in plan.growth:
        yield f"- **{name}** all weeks: growth (1 file)"
    if plan.is_empty:
        yield "- nothing is stale"


def _of_use_case(preview: Preview, name: str, slices: bool) -> list[str]:
    values = [one for one in preview.of_metrics(slices) if one.change.use_case == name]
    if not values:
        return []
    head = ["| week | metric |" + (" slice |" if slices else "") + " shown | would be | difference | | |"]
    head += ["|---|---|" + ("---|" if slices else "") + "--:|--:|--:|--:|---|"]
    rows = [_row(one, slices) for one in values[:LONGEST]]
    if len(rows) <= SHOWN:
        return [f"### {plain(name)}", "", *head, *rows, ""]
    summary = f"<summary>week by week: {len(values):,} values</summary>"
    shown = [*_summary_rows(values), "", "<details>", summary, "", *head, *rows, ""]
    if len(values) > LONGEST:
        shown += [f"The last {len(values) - LONGEST:,} are left out; `--format json` has them.", ""]
    return [f"### {plain(name)}", "", *shown, "</details>", ""]


def _summary_rows(values: Sequence[Value]) -> list[str]:
    """Of many values, a line per metric."""
    rows = [
        f"| {plain(one.metric)} | {one.weeks} | {one.first} … {one.last} | {largest_text(one)} | {one.final or ''} |"
        for one in summaries(values)
    ]
    return ["| metric | weeks | from … to | largest change | need a reason |", "|---|--:|---|---|--:|", *rows]


def _row(one: Value, slices: bool) -> str:
    change = one.change
    cut = [plain("" if change.slice == "all" else f"{change.slice} {change.slice_value}")] if slices else []
    numbers = [figure(change.old), figure(change.new), signed(one.difference), share(one.share)]
    return "| " + " | ".join([str(change.week), plain(change.metric), *cut, *numbers, KINDS.get(one.kind, "")]) + " |"


def _folded(lines: Sequence[str], what: str) -> list[str]:
    """Long lists folded away."""
    if len(lines) <= SHOWN:
        return list(lines)
    summary = f"<summary>{len(lines) - SHOWN:,} more {what}</summary>"
    return [*lines[:SHOWN], "", "<details>", summary, "", *lines[SHOWN:], "", "</details>"]
