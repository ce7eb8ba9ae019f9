"""Security events: scans and resolved vulnerabilities.

Belongs here: the properties of security events, and which scanners an account has switched on.
"""

import numpy as np

from nsm_pipeline.sample.arrow_text import Floats, joined, labels, numbers
from nsm_pipeline.sample.senders import NO_USER, Rows, Week, bot_flag
from nsm_pipeline.sample.volume import RESOLVED, SCAN

SCANNER = (
    "sast",
    "secret_detection",
    "dependency_scanning",
    "container_scanning",
    "dast",
    "api_fuzzing",
    "coverage_fuzzing",
)
SEVERITY = ("critical", "high", "medium", "low")
DAYS_TO_RESOLVE = np.array([4.0, 11.0, 30.0, 55.0])
BOT_SHARE = 0.12
SERVER_SIDE_SHARE = 0.15


def events(week: Week, counts: dict[str, int]) -> list[Rows]:
    """Scans and resolved vulnerabilities of a week."""
    return [_scans(week, counts.get(SCAN, 0)), _resolved(week, counts.get(RESOLVED, 0))]


def _scans(week: Week, wanted: int) -> Rows:
    account = week.pick_accounts("security", wanted, everyone=True)
    rows = len(account)
    bot = week.rng.random(rows) < BOT_SHARE
    occurred, user = week.nightly(account, week.pick_times(account), week.pick_users(account, 1.4), bot)
    user = np.where(~bot & (week.rng.random(rows) < SERVER_SIDE_SHARE), NO_USER, user)
    # Accounts switch on more scanners as they mature, mostly in the order of the list.
    breadth = np.clip(week.lives.scanners[account] * (0.6 + 0.5 * week.progress), 1, len(SCANNER))
    place = (week.rng.random(rows) ** 1.3 * breadth).astype(np.int64)
    scanner = np.where(place < 3, (place + account) % 3, place)
    status = (week.rng.random(rows) > 0.94 + 0.02 * week.progress).astype(np.int64)
    has_findings = (week.rng.random(rows) < 0.16 - 0.05 * week.progress) & (status == 0)
    findings = np.where(has_findings, week.rng.geometric(0.35, rows), 0)
    properties = joined(
        '{"scanner":"', labels(SCANNER, scanner), '","status":"', labels(("success", "failed"), status),
        '","findings_critical":', numbers(findings), ',"duration_s":',
        numbers(week.durations(typical=95, spread=0.7, rows=rows) / 10),
        bot_flag(week, bot, silent_share=0.1),
    )  # fmt: skip
    return Rows(SCAN, account, user, occurred, properties)


def _resolved(week: Week, wanted: int) -> Rows:
    account = week.pick_accounts("security", wanted)
    rows = len(account)
    severity = week.choose([0.08, 0.27, 0.41, 0.24], rows)
    typical = DAYS_TO_RESOLVE[severity] * (1.1 - 0.25 * week.progress)
    drawn: Floats = typical * week.rng.lognormal(0, 0.8, rows)
    days = np.minimum(drawn, 700).round(1)
    dismissed = week.choose([0.82, 0.18], rows)
    properties = joined(
        '{"severity":"', labels(SEVERITY, severity), '","days_to_resolve":', numbers(days),
        ',"dismissed":', labels(("false", "true"), dismissed),
        bot_flag(week, np.zeros(rows, dtype=np.bool_), silent_share=0.6),
    )  # fmt: skip
    return Rows(RESOLVED, account, week.pick_users(account, 1.8), week.pick_times(account), properties)
