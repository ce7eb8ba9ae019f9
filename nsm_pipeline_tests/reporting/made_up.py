"""Tables of an extract that were never computed: made up, seeded, consistent in themselves, as the schemas have them.

Accounts come and go, the North Star is accounts × share of them, changes add up over factors and slices.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from nsm_pipeline.publishing.tables import EXTRACT

Row = dict[str, Any]
LAST = date(2026, 10, 26)
TITLES = ("Planning", "Docs", "Mobile", "Search", "Billing", "Chat", "Calendar", "Automation", "Insights",
          "Integrations", "Permissions", "Onboarding")  # fmt: skip
SCHEMAS = {table.name: table for table in EXTRACT}


def tables(use_cases: int = 3, weeks: int = 60, seed: int = 7) -> dict[str, pa.Table]:
    """The extract's tables: `weeks` complete weeks up to LAST, and the one in progress."""
    rows: dict[str, list[Row]] = {name: [] for name in SCHEMAS}
    for place in range(use_cases):
        _use_case(rows, place, weeks, random.Random(seed * 1000 + place))
    return {name: pa.Table.from_pylist(rows[name], table.schema) for name, table in SCHEMAS.items()}


def every(_: Row) -> bool:
    """Every row of a table is meant."""
    return True


def altered(
    found: Mapping[str, pa.Table], table: str, where: Callable[[Row], bool], **values: Any
) -> dict[str, pa.Table]:
    """The same tables with some cells of some rows of one table set to other values."""
    rows = [{**row, **values} if where(row) else row for row in found[table].to_pylist()]
    assert any(where(row) for row in found[table].to_pylist()), f"no row of {table} is meant"
    return {**found, table: pa.Table.from_pylist(rows, SCHEMAS[table].schema)}


def _use_case(rows: dict[str, list[Row]], place: int, weeks: int, dice: random.Random) -> None:
    title = TITLES[place % len(TITLES)]
    name = title.lower() + ("" if place < len(TITLES) else f"_{place}")
    case = {"use_case": name}
    days = [LAST - timedelta(days=7 * back) for back in range(weeks - 1, -2, -1)]
    lifecycle = _lifecycle(dice, len(days), 300 + 500 * dice.random(), 0.004 + 0.012 * dice.random())
    shares = [min(0.95, 0.62 + 0.001 * at + dice.gauss(0, 0.01)) for at in range(len(days))]
    values = [float(round(one["active"] * share)) for one, share in zip(lifecycle, shares, strict=True)]
    actives = [one["active"] for one in lifecycle]
    shares = [value / active for value, active in zip(values, actives, strict=True)]
    withheld = {len(days) - 20 - place % 5} if weeks > 30 else set()
    outcome = place % 4  # on course; behind; at a price; slightly behind
    ending = values[-2] * {0: 1.1, 1: 1.35, 2: 1.08, 3: 1.14}[outcome]
    _dictionary(rows["metric_dictionary"], name, title)
    target_by, start = LAST + timedelta(days=7 * 9), values[max(0, len(values) - 36)]
    path = _path(days, days[max(0, len(days) - 36)], start, target_by, ending)
    guard = _guard_values(dice, len(days), outcome)
    growths: list[float] = []
    previous: float | None = None
    first_red: date | None = None
    for at, week in enumerate(days):
        flash = at == len(days) - 1
        state = "flash" if flash else "withheld" if at in withheld else "certified"
        stage = "flash" if flash else "settling" if at >= len(days) - 3 else "final"
        certificate = f"{name}-{week}-{dice.getrandbits(64):016x}" if state == "certified" else None
        rows["certificates"].append(_certificate(name, title, week, state, stage, certificate))
        if state == "withheld":
            previous = None
            continue
        label = {**case, "week": week, "state": state, "stage": stage, "certificate_id": certificate}
        value = values[at] * (0.9 if flash else 1.0)
        one = lifecycle[at]
        growth = None if previous is None or flash else value / previous - 1
        mean = sum(growths[-13:]) / 13 if len(growths) >= 13 else None
        if growth is not None:
            growths.append(growth)
        target = path.get(week)
        status = "no_colour" if target is None or flash else _status(value / target)
        breach, warn = 3.2, 3.0
        guard_status = "red" if guard[at] >= breach else "yellow" if guard[at] >= warn else "green"
        first_red = (first_red or week) if guard_status == "red" else None
        joint, words = _joint(status, guard_status)
        goal = None if previous is None else previous * 1.02
        score = {**label, "metric": "weekly_teams", "unit": "teams", "value": value, "previous_value": previous,
                 "growth": growth, "habit": 0.02, "growth_above_habit": None if growth is None else growth - 0.02,
                 "mean_growth_13_weeks": mean, "target": target, "target_value": ending, "target_by": target_by,
                 "growth_above_mean": None if growth is None or mean is None else growth - mean,
                 "attainment": None if target is None else value / target, "goal_total": goal,
                 "goals_by": "activity", "progress_total": None if goal is None else value / goal, **one,
                 "new_by_creation": one["new"], "retained_by_creation": one["active"] - one["new"],
                 "goal_new": lifecycle[at - 1]["new"] * 1.02 if previous else None,
                 "goal_retained": lifecycle[at - 1]["retained"] * 1.02 if previous else None,
                 "has_season": weeks >= 104, "verdict": "in progress" if flash else "not enough weeks",
                 "status": status, "guardrail_status": guard_status, "joint_status": joint,
                 "joint_words": words}  # fmt: skip
        score["quick_ratio"] = (one["new"] + one["resurrected"]) / one["churned"] if one["churned"] else None
        for kind in ("new", "retained"):
            if score[f"goal_{kind}"]:
                score[f"progress_{kind}"] = one[kind] / score[f"goal_{kind}"]
        if at >= 13 and not flash:
            middle = sum(values[at - 3 : at]) / 3 * 1.012
            score |= {"expected": middle, "expected_low": middle * 0.965, "expected_high": middle * 1.035}
            far = value / middle
            score["verdict"] = "unusually high" if far > 1.035 else "unusually low" if far < 0.965 else "as expected"
        if at == len(days) - 2:
            ahead = value * (1 + (sum(growths[-13:]) / max(1, len(growths[-13:])))) ** 9
            score |= {"forecast_week": target_by, "forecast": ahead, "forecast_low": ahead * 0.94,
                      "forecast_high": ahead * 1.06}  # fmt: skip
            _nodes(rows["tree_nodes"], name, title, week, value, growth, target, status, guard[at], guard_status,
                   (actives[at], actives[at - 1]), (shares[at], shares[at - 1]))  # fmt: skip
            if previous is not None:
                rows["movements"] += _movements(dice, name, week, actives[at - 1 : at + 1], shares[at - 1 : at + 1])
        rows["scorecard"].append(score)
        rows["growth"].append({**{key: score.get(key) for key in SCHEMAS["growth"].schema.names},
                               "complete": not flash, "unknown_creation": 0, "goal": goal,
                               "attainment": score["progress_total"]})  # fmt: skip
        rows["guardrails"].append({**label, "metric": "support_contacts", "title": "Support contacts per 100 teams",
                                   "protects": "weekly_teams", "risk": "Teams are pushed in before they can cope.",
                                   "unit": "contacts", "better": "lower", "value": guard[at], "rule": "absolute",
                                   "warn_at": warn, "breach_at": breach, "noise": 0.03, "coverage": 1.0,
                                   "status": guard_status, "protected_status": status, "joint_status": joint,
                                   "joint_words": words, "since": first_red if guard_status == "red" else week,
                                   "starting_points": "plan premium +0.4 since 5 Oct" if guard_status == "red"
                                   else None})  # fmt: skip
        metric = {**label, "slice": "all", "slice_value": "all", "entities": one["active"], "unit": "teams"}
        rows["north_star"].append({**metric, "metric": "weekly_teams", "title": f"Weekly {title.lower()} teams",
                                   "role": "north_star", "value": value, "numerator": value})  # fmt: skip
        for key, text, unit, amount in (("active_teams", "Active teams", "teams", float(actives[at])),
                                        ("value_share", "Share that reach value", "share", shares[at]),
                                        ("invites", "Invites per new team", "invites", 1.8 + dice.gauss(0, 0.08)),
                                        ("hours_to_first", "Hours to first plan", "h", 19 - at * 0.02)):  # fmt: skip
            rows["inputs"].append({**metric, "metric": key, "title": text, "role": "inputs", "value": amount,
                                   "unit": unit, "numerator": amount})  # fmt: skip
        rows["counter_metrics"].append({**metric, "metric": "support_contacts", "role": "counter_metrics",
                                        "title": "Support contacts per 100 teams", "value": guard[at],
                                        "unit": "contacts", "numerator": guard[at]})  # fmt: skip
        previous = value if state == "certified" else None
    _edges(rows["tree_edges"], name)
    _told(rows, name, days)


def _lifecycle(dice: random.Random, count: int, first: float, growth: float) -> list[dict[str, int]]:
    """Accounts by week: active = new + retained + resurrected, churned = active before − retained."""
    found, active = [], round(first)
    for at in range(count):
        churned = round(active * (0.06 + 0.01 * dice.random()))
        resurrected = round(churned * (0.3 + 0.1 * dice.random()))
        new = max(0, round(churned - resurrected + active * growth * (0.4 + 1.2 * dice.random())))
        if at == 0:
            churned, resurrected, new = 0, 0, 0
        retained = active - churned
        active = retained + resurrected + new
        found.append({"active": active, "new": new, "retained": retained, "resurrected": resurrected,
                      "churned": churned})  # fmt: skip
    return found


def _path(days: list[date], since: date, start: float, by: date, ending: float) -> dict[date, float]:
    return {
        week: start + (ending - start) * ((week - since).days / (by - since).days) for week in days if week >= since
    }


def _guard_values(dice: random.Random, count: int, outcome: int) -> list[float]:
    found, level = [], 2.6
    for at in range(count):
        level += 0.2 * (2.6 - level) + dice.gauss(0, 0.06)
        late = max(0, at - (count - 8)) * 0.14 if outcome == 2 else 0.0
        found.append(round(level + late, 3))
    return found


def _status(attainment: float) -> str:
    return "green" if attainment >= 1 else "yellow" if attainment >= 0.95 else "red"


def _joint(status: str, guard: str) -> tuple[str, str]:
    if guard == "red":
        return "red", "growth at a cost" if status == "green" else "at risk"
    if status == "green":
        return ("green", "healthy growth") if guard == "green" else ("yellow", "growing, guardrail to watch")
    return status, {"yellow": "slightly behind, quality holds", "red": "behind, quality holds"}.get(
        status, "not judged yet"
    )


def _certificate(name: str, title: str, week: date, state: str, stage: str, certificate: str | None) -> Row:
    failed = "volume against the trailing median: volume_ratio 0.31" if state == "withheld" else ""
    return {"use_case": name, "week": week, "state": state, "stage": stage, "certificate_id": certificate,
            "superseded_pending": False, "gates": 0 if state == "flash" else 14, "failed_gates": int(bool(failed)),
            "failed": failed, "warnings": "", "held": None, "owner": f"{title} group"}  # fmt: skip


def _dictionary(rows: list[Row], name: str, title: str) -> None:
    common = {"use_case": name, "use_case_title": title, "description": "", "kind": "count_distinct",
              "definition": "…", "better": "higher", "owner": f"{title} group", "status": "agreed"}  # fmt: skip
    for metric, text, role, unit in (
        ("weekly_teams", f"Weekly {title.lower()} teams", "north_star", "teams"),
        ("active_teams", "Active teams", "inputs", "teams"),
        ("value_share", "Share that reach value", "inputs", "share"),
        ("invites", "Invites per new team", "inputs", "invites"),
        ("hours_to_first", "Hours to first plan", "inputs", "h"),
        ("support_contacts", "Support contacts per 100 teams", "counter_metrics", "contacts"),
    ):
        rows.append({**common, "metric": metric, "title": text, "role": role, "unit": unit})


def _nodes(rows: list[Row], name: str, title: str, week: date, value: float, growth: float | None,
           target: float | None, status: str, guard: float, guard_status: str, actives: tuple[int, int],
           shares: tuple[float, float]) -> None:  # fmt: skip
    common = {"use_case": name, "week": week, "better": "higher", "owner": f"{title} group"}
    rows.append({**common, "metric": "weekly_teams", "role": "north_star", "title": f"Weekly {title.lower()} teams",
                 "level": 0, "unit": "teams", "value": value, "change": growth, "target": target, "status": status,
                 "status_words": "against its target"})  # fmt: skip
    for metric, text, level, dimension, owner, unit, now, change, aim, colour, words, work in (
        ("active_teams", "Active teams", 1, "breadth", "Activation", "teams", float(actives[0]),
         actives[0] / actives[1] - 1, actives[0] * 0.99, "green", "1.0 % above its target", None),
        ("value_share", "Share that reach value", 1, "frequency", "Editor", "share", shares[0],
         shares[0] / shares[1] - 1, shares[0] * 1.03, "yellow", "2.9 % below its target",
         "2026-08-03, Template gallery, https://example.org/templates"),
        ("invites", "Invites per new team", 2, "depth", "Growth", "invites", 1.84, -0.021, 2.15, "red",
         "14 % below its target", None),
        ("hours_to_first", "Hours to first plan", 2, "efficiency", "Onboarding", "h", 18.9, -0.012, None, "no_colour",
         "too few weeks for a median", None),
    ):  # fmt: skip
        rows.append({**common, "metric": metric, "role": "inputs", "title": text, "level": level, "unit": unit,
                     "dimension": dimension, "owner": owner, "value": now, "change": change, "target": aim,
                     "status": colour, "status_words": words, "work": work,
                     "better": "lower" if unit == "h" else "higher"})  # fmt: skip
    rows.append({**common, "metric": "support_contacts", "role": "counter_metrics", "better": "lower",
                 "title": "Support contacts per 100 teams", "unit": "contacts", "value": guard, "change": 0.019,
                 "status": guard_status, "status_words": "against its limit"})  # fmt: skip


def _movements(dice: random.Random, name: str, week: date, actives: list[int], shares: list[float]) -> list[Row]:
    (a0, a1), (s0, s1) = actives, shares
    change = a1 * s1 - a0 * s0
    common = {"use_case": name, "week": week, "change": change}
    breadth, depth = (a1 - a0) * (s0 + s1) / 2, (s1 - s0) * (a0 + a1) / 2  # Shapley for two factors
    found = [
        {**common, "view": "factors", "part": part, "slice": "all", "slice_value": "all", "contribution": amount,
         "before": before, "after": after}
        for part, amount, before, after in (("active_teams", breadth, a0, a1), ("value_share", depth, s0, s1))
    ]  # fmt: skip
    for attribute, names in (("plan", ("premium", "ultimate", "free")), ("segment", ("small", "enterprise"))):
        rest = change
        for place, value in enumerate(names):
            amount = rest if place == len(names) - 1 else float(round(dice.gauss(change / len(names), 9)))
            rest -= amount
            found.append({**common, "view": "slices", "part": "change", "slice": attribute, "slice_value": value,
                          "contribution": amount, "before": 100.0, "after": 100.0 + amount})  # fmt: skip
    return found


def _edges(rows: list[Row], name: str) -> None:
    for metric, drives, relation, verdict, words in (
        ("active_teams", "weekly_teams", "formula", "reconciled", "adds up within 0.01 %"),
        ("value_share", "weekly_teams", "formula", "reconciled", "adds up within 0.01 %"),
        ("invites", "active_teams", "hypothesis", "supported", "r 0.42 (0.18 to 0.61) two weeks ahead, 52 weeks"),
        ("hours_to_first", "value_share", "hypothesis", "too early to say", "12 of 26 weeks"),
        ("support_contacts", "weekly_teams", "protects", "declared", "declared"),
    ):
        rows.append({"use_case": name, "metric": metric, "drives": drives, "relation": relation, "verdict": verdict,
                     "words": words})  # fmt: skip


def _told(rows: dict[str, list[Row]], name: str, days: list[date]) -> None:
    for back, kind, text, metric, url in (
        (0, "note", "Pricing page changed", None, None),
        (3, "work", "Free-tier limit lifted (Growth)", "active_teams", "https://example.org/limit"),
        (12, "work", "Template gallery (Editor)", "value_share", "https://example.org/templates"),
        (17, "instrumentation", "plan_saved is sent as plan.saved", None, None),
        (9, "restatement", "restated: the forgotten upload (Ana), 4 values", None, None),
    ):
        if back + 1 < len(days):
            rows["annotations"].append({"use_case": name, "week": days[-2 - back], "kind": kind, "number": 1,
                                        "text": text, "metric": metric, "url": url})  # fmt: skip
    if len(days) > 12:
        rows["restatements"].append(
            {"number": len(rows["restatements"]) + 1, "use_case": name, "table": "north_star",
             "metric": "weekly_teams", "week": days[-11], "slice": "all", "slice_value": "all", "old": 512.0,
             "new": 530.0, "old_state": "certified", "new_state": "certified", "kind": "restatement",
             "cause": "landed files", "reason": "the forgotten upload", "by": "Ana", "version": "000012",
             "at": "2026-09-07T06:00:00Z"})  # fmt: skip
