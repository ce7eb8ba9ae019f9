"""CI events: pipelines, under their old and new name, and builds.

Belongs here: the properties of CI events and the rename of ``ci_pipeline_done`` to
``pipeline.finished``.
"""

import numpy as np
import pyarrow as pa

from nsm_pipeline.sample.arrow_text import Bools, Ints, joined, labels, numbers, random_hex
from nsm_pipeline.sample.senders import Rows, Week, bot_flag
from nsm_pipeline.sample.timeline import Timeline
from nsm_pipeline.sample.volume import BUILD, PIPELINE, PIPELINE_OLD

STATUS = ("success", "failed", "canceled")
REF = ("main", "merge_request", "tag")
SOURCE = ("push", "merge_request_event", "web", "api", "schedule")
RUNNER = ("shared", "group", "project")
BOT_SHARE = 0.15
NOT_MEASURED_SHARE = 0.02
NOT_MEASURED = -10  # in tenths of a second: -1 s in the new shape, -1000 ms in the old


def events(week: Week, when: Timeline, counts: dict[str, int]) -> list[Rows]:
    """Pipelines and builds of a week. Builds belong to pipelines, so any build needs one."""
    builds = counts.get(BUILD, 0)
    wanted = max(counts.get(PIPELINE, 0), min(builds, 1))
    account = week.pick_accounts("ci", wanted, everyone=True)
    rows = len(account)
    if not rows:
        return []
    bot = week.rng.random(rows) < BOT_SHARE
    occurred, user = week.nightly(account, week.pick_times(account), week.pick_users(account, 1.5), bot)
    status = _status(week, account, bot, base=0.79)
    duration = week.durations(typical=420 - 90 * week.progress, spread=0.8, rows=rows)
    duration[week.rng.random(rows) < NOT_MEASURED_SHARE] = NOT_MEASURED
    ref = np.where(bot, 0, week.choose([0.3, 0.64, 0.06], rows))
    source = np.where(bot, 4, week.choose([0.4, 0.45, 0.08, 0.07], rows))

    pipeline = random_hex(week.rng, rows, "p", 10)
    is_bot = bot_flag(week, bot, silent_share=0.0)
    outcome, target = labels(STATUS, status), labels(REF, ref)
    new_shape = joined(
        '{"pipeline_id":"', pipeline, '","status":"', outcome, '","duration_s":',
        numbers(duration / 10), ',"ref":"', target, '"', is_bot,
    )  # fmt: skip
    old_shape = joined(
        '{"pipeline_id":"', pipeline, '","result":"', outcome, '","duration_ms":',
        numbers(duration * 100), ',"ref":"', target, '","source":"', labels(SOURCE, source), '"', is_bot,
    )  # fmt: skip
    sends_old, sends_new = _names_sent(week, when, account)
    return [
        _some(Rows(PIPELINE_OLD, account, user, occurred, old_shape), sends_old),
        _some(Rows(PIPELINE, account, user, occurred, new_shape), sends_new),
        _builds(week, builds, account, user, occurred, bot),
    ]


def _names_sent(week: Week, when: Timeline, account: Ints) -> tuple[Bools, Bools]:
    """Which rows are sent under the old name, and which under the new one; both in the dual run."""
    everyone = np.ones(len(account), dtype=np.bool_)
    if week.index < when.cut_over:
        return everyone, ~everyone
    if when.in_dual_run(week.index):
        return account % 2 == 1, everyone
    return ~everyone, everyone


def _status(week: Week, account: Ints, bot: Bools, base: float) -> Ints:
    """Success drifts up by a few points over the history; every account has its own level."""
    level = base + 0.05 * week.progress + 0.012 * np.sin(week.index / 5.0)
    own = ((account * 2_654_435_761) % 1000 / 1000 - 0.5) * 0.16
    draw = week.rng.random(len(account))
    success = np.clip(level + own + 0.04 * bot, 0.3, 0.99)
    return np.where(draw < success, 0, np.where(draw < success + (1 - success) * 0.78, 1, 2))


def _builds(week: Week, rows: int, account: Ints, user: Ints, occurred: Ints, bot: Bools) -> Rows:
    """Builds of randomly chosen pipelines: same account, user and bot, up to ten minutes earlier."""
    of = np.sort(week.rng.integers(0, len(account), rows))
    whose, at = account[of], np.maximum(week.start, occurred[of] - week.rng.integers(0, 600, rows))
    duration = week.durations(typical=130, spread=0.9, rows=rows)
    properties = joined(
        '{"status":"', labels(STATUS, _status(week, whose, bot[of], base=0.86)), '","duration_s":',
        numbers(duration / 10), ',"runner":"', labels(RUNNER, week.choose([0.62, 0.23, 0.15], rows)), '"',
        bot_flag(week, bot[of], silent_share=0.1),
    )  # fmt: skip
    return Rows(BUILD, whose, user[of], at, properties)


def _some(rows: Rows, chosen: Bools) -> Rows:
    if chosen.all():
        return rows
    return Rows(
        rows.name,
        rows.account[chosen],
        rows.user[chosen],
        rows.occurred[chosen],
        rows.properties.filter(pa.array(chosen)),
    )
