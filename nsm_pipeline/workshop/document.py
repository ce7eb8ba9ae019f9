"""Answers → a playbook document in the order of docs/playbook.md, with what the workshop said as comments.

What belongs here: which answer goes where, and why the North Star was chosen. What does not: the answers' grammar
(`answers`), layout (`yaml_text`), whether it all fits together (`checked`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nsm_pipeline.errors import WrongKey, nearest
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.workshop.answers import Answers, Candidate, Counted
from nsm_pipeline.workshop.checklist import CRITERIA, MOST, points, ranked, total
from nsm_pipeline.workshop.spelling import spelled_event, spelled_metric, spelled_model, spelled_share
from nsm_pipeline.workshop.yaml_text import Noted

R = TypeVar("R")
Notes = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Draft:
    """A playbook document, and from which answer each of its parts comes (key path → key path)."""

    document: dict[str, Any]
    places: dict[str, str] = field(default_factory=dict)

    def answered(self, path: str) -> str:
        """The answers' key path behind a key path of the playbook."""
        for prefix in sorted(self.places, key=len, reverse=True):
            if path == prefix or path.startswith(f"{prefix}."):
                return self.places[prefix] + path[len(prefix) :]
        return path


def draft(answers: Answers, notes: Notes | None = None) -> Draft:
    """The playbook that follows from the answers. `notes`: comments by key path, as in `events.order_placed`.

    Raises WrongKey with the answers' key path where they do not agree with each other.
    """
    chosen = _chosen(answers)
    metrics, places = _metrics(answers, chosen)
    document: dict[str, Any] = {
        "use_case": answers.use_case,
        "title": answers.title,
        "status": answers.status,
        "owner": spelled_model(answers.owner),
        "review_by": answers.review_by,
        "game": answers.game,
        "vision": answers.vision,
        "value_moment": answers.value_moment,
        "events": Noted(_events(answers, notes or {}), ("",), below=True),
        "activity": Noted(list(answers.activity), ("",)) if answers.activity else None,
        "slices": list(answers.slices) if answers.activity else Noted(list(answers.slices), ("",)),
        "metrics": Noted(metrics, ("",), below=True),
        "north_star": Noted(_north_star(answers, chosen), ("", *_deliberation(answers, chosen))),
        "inputs": Noted(_inputs(answers, chosen), below=True),
        "without": answers.without,
        "counter_metrics": Noted(_counters(answers, chosen), below=True),
        "outcomes": [outcome.name for _, outcome in given(answers.outcomes)],
        "checklist": Noted(_checklist(chosen), ("",), below=True),
    }
    return Draft({key: value for key, value in document.items() if _said(value)}, places)


def _said(value: Any) -> bool:
    inner = value.value if isinstance(value, Noted) else value
    return inner not in (None, "", [], {}, ())


def _chosen(answers: Answers) -> Candidate:
    names = [candidate.name for candidate in answers.contenders]
    if not names:
        raise WrongKey("candidates", "no candidate for the North Star is named; at least one is needed.")
    if answers.north_star is not None and answers.north_star not in names:
        raise WrongKey("north_star", f"found '{answers.north_star}'; {nearest(answers.north_star, names)}")
    name = answers.north_star or ranked(answers.contenders)[0].name
    chosen = answers.contenders[names.index(name)]
    if chosen.counted is None:
        path = f"candidates.{answers.candidates.index(chosen)}"
        raise WrongKey(path, f"'{name}' is the North Star, and how it is counted ('counted') is missing.")
    return chosen


def _metrics(answers: Answers, chosen: Candidate) -> tuple[dict[str, Any], dict[str, str]]:
    """The playbook's metrics, the North Star first, and the answers they come from."""
    metrics: dict[str, Any] = {}
    places: dict[str, str] = {}
    for path, name, metric, title in _counted(answers, chosen):
        if name in metrics:
            first = places[f"metrics.{name}"]
            raise WrongKey(path, f"found the name '{name}', which {first} has already; a metric has one meaning.")
        metrics[name] = spelled_metric(metric, title)
        places[f"metrics.{name}"] = path
    for key, rows in roles(answers).items():
        for number, (place, _) in enumerate(given(rows)):
            places[f"{key}.{number}"] = f"{key}.{place}"
            places[f"{key}.{number}.metric"] = f"{key}.{place}.name"
    places["north_star.metric"] = "north_star"
    return metrics, places


def _counted(answers: Answers, chosen: Candidate) -> Iterator[tuple[str, str, Metric, str]]:
    """Every metric with the answer that counts it: key path, name, metric, title."""
    assert chosen.counted is not None
    place = answers.candidates.index(chosen)
    yield f"candidates.{place}.counted", chosen.name, chosen.counted, chosen.title
    for key, rows in roles(answers).items():
        for place, row in given(rows):
            yield f"{key}.{place}.counted", row.name, row.counted, row.title
    for name, metric in answers.metrics.items():
        yield f"metrics.{name}", name, metric, ""


def roles(answers: Answers) -> dict[str, Sequence[Counted | None]]:
    """The metrics that have a role, by the answers' key; the North Star apart."""
    return {"inputs": answers.inputs, "counter_metrics": answers.counter_metrics, "outcomes": answers.outcomes}


def given(rows: Sequence[R | None]) -> list[tuple[int, R]]:
    """Rows that somebody filled in, with their place in the answers."""
    return [(place, row) for place, row in enumerate(rows) if row is not None]


def _events(answers: Answers, notes: Notes) -> dict[str, Any]:
    events: dict[str, Any] = {}
    for name, event in answers.events.items():
        words = spelled_event(name, event)
        properties = words.get("properties", {})
        for key in properties:
            above, beside = _note(notes, f"events.{name}.properties.{key}")
            properties[key] = Noted(properties[key], above, beside)
        if properties:
            words["properties"] = Noted(properties, below=True)
        events[name] = Noted(words, notes.get(f"events.{name}", ()), below=bool(properties))
    return events


def _note(notes: Notes, path: str) -> tuple[tuple[str, ...], str]:
    """Of a property's comments the first stands beside it, the others above."""
    found = notes.get(path, ())
    return found[1:], found[0] if found else ""


def _north_star(answers: Answers, chosen: Candidate) -> dict[str, Any]:
    return {"metric": chosen.name, "target": {"growth_per_week": spelled_share(answers.growth_per_week)}}


def _inputs(answers: Answers, chosen: Candidate) -> list[dict[str, Any]]:
    rows = []
    for _, one in given(answers.inputs):
        words = {
            "metric": one.name,
            "dimension": one.dimension,
            "level": one.level,
            # What moves an input of a lower level is for the group to say; the first level moves the North Star.
            "drives": one.drives or (chosen.name if one.level == 1 else None),
            "relation": one.relation,
            "owner": one.owner,
        }
        rows.append({key: value for key, value in words.items() if value})
    return rows


def _counters(answers: Answers, chosen: Candidate) -> list[dict[str, Any]]:
    rows = []
    for _, one in given(answers.counter_metrics):
        row: dict[str, Any] = {"metric": one.name, "protects": one.protects or chosen.name, "risk": one.risk}
        row["better"] = one.better
        row |= {key: spelled_share(at) for key, at in (("warn", one.warn), ("breach", one.breach)) if at is not None}
        rows.append(row)
    return rows


def _checklist(chosen: Candidate) -> dict[str, str]:
    answers = {name: getattr(chosen.scores, name).answer for name in CRITERIA}
    return {name: answer for name, answer in answers.items() if answer}


def _deliberation(answers: Answers, chosen: Candidate) -> list[str]:
    """What the group weighed: every candidate with its points, and what spoke against those not chosen."""
    scored = [one for one in answers.contenders if any(given is not None for given in points(one).values())]
    why = [f"Why {chosen.name}: {answers.why}"] if answers.why else []
    if not scored and len(answers.contenders) == 1:
        return why
    lines = [f"Candidates of the workshop, with their points on the checklist (at most {MOST}):"]
    for one in ranked(answers.contenders):
        title = f" – {one.title}" if one.title else ""
        lines.append(f"  {total(one):>2}  {one.name}{title}{' (chosen)' if one is chosen else ''}")
        if one is not chosen:
            lines += [f"      {line}" for line in _against(one)]
    return [*lines, *why]


def _against(candidate: Candidate) -> list[str]:
    """A losing candidate's remark, and its answers where it did not get every point."""
    lines = [candidate.remark] if candidate.remark else []
    for name, given in points(candidate).items():
        answer = getattr(candidate.scores, name).answer
        if (given is not None and given < 2) or (given is None and answer):
            score = "no points given" if given is None else given
            lines.append(f"{name.replace('_', ' ')}: {score}{f' ({answer})' if answer else ''}")
    return lines
