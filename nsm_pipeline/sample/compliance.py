"""Compliance events: merges, audit log use, protected branches, framework labels.

Belongs here: the properties of compliance events.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.sample.arrow_text import joined, labels, numbers
from nsm_pipeline.sample.senders import NO_USER, Rows, Week
from nsm_pipeline.sample.volume import EXPORTED, LABELLED, MERGED, PROTECTED, VIEWED

BOOLEAN = ("false", "true")
SCOPE = ("group", "project", "instance")
LEVEL = ("maintainer", "developer")
FRAMEWORK = ("soc2", "iso27001", "hipaa", "gdpr")
SERVER_SIDE_EXPORT_SHARE = 0.4


def events(week: Week, counts: dict[str, int]) -> list[Rows]:
    """All compliance events of a week."""
    return [
        _merged(week, counts.get(MERGED, 0)),
        _viewed(week, counts.get(VIEWED, 0)),
        _exported(week, counts.get(EXPORTED, 0)),
        _one_word(week, PROTECTED, counts.get(PROTECTED, 0), "level", LEVEL, [0.7, 0.3]),
        _one_word(week, LABELLED, counts.get(LABELLED, 0), "framework", FRAMEWORK, [0.42, 0.28, 0.1, 0.2]),
    ]


def _merged(week: Week, wanted: int) -> Rows:
    account = week.pick_accounts("compliance", wanted, everyone=True)
    rows = len(account)
    under_rule = week.rng.random(rows) < 0.58 + 0.16 * week.progress
    self_approved = week.rng.random(rows) < np.where(under_rule, 0.05 - 0.02 * week.progress, 0.35)
    hours = np.round(week.rng.lognormal(np.log(9 - 2 * week.progress), 1.0, rows), 2)
    approval = joined(',"hours_to_approve":', numbers(hours))
    properties = joined(
        '{"under_approval_rule":', labels(BOOLEAN, under_rule.astype(np.int64)),
        ',"self_approved":', labels(BOOLEAN, self_approved.astype(np.int64)),
        pc.if_else(pa.array(under_rule), approval, ""), "}",
    )  # fmt: skip
    return Rows(MERGED, account, week.pick_users(account, 1.3), week.pick_times(account), properties)


def _viewed(week: Week, wanted: int) -> Rows:
    return _one_word(week, VIEWED, wanted, "scope", SCOPE, [0.5, 0.38, 0.12])


def _exported(week: Week, wanted: int) -> Rows:
    account = week.pick_accounts("compliance", wanted)
    rows = len(account)
    server_side = week.rng.random(rows) < SERVER_SIDE_EXPORT_SHARE
    user = np.where(server_side, NO_USER, week.pick_users(account, 3.0))
    exported = week.rng.lognormal(np.log(1800), 1.2, rows).astype(np.int64)
    properties = joined(
        '{"scope":"', labels(SCOPE, week.choose([0.6, 0.25, 0.15], rows)), '","rows":', numbers(exported), "}"
    )
    return Rows(EXPORTED, account, user, week.pick_times(account), properties)


def _one_word(week: Week, name: str, wanted: int, key: str, words: tuple[str, ...], shares: list[float]) -> Rows:
    """Events whose only property is a word; done by the few people who administer an account."""
    account = week.pick_accounts("compliance", wanted)
    properties = joined(f'{{"{key}":"', labels(words, week.choose(shares, len(account))), '"}')
    return Rows(name, account, week.pick_users(account, 2.5), week.pick_times(account), properties)
