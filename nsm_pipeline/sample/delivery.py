"""When rows arrive: lateness, the outage, duplicates, and which delivery each row falls into.

Belongs here: the passage from a week of occurrence to files of arrival. Rows that have not arrived yet
wait here, so memory holds one week and the late rows of the five before it.

Tables have the columns ``event_id``, ``name``, ``account``, ``user`` (codes), ``occurred``, ``received``
(seconds since 1970) and ``properties`` (JSON text).
"""

import numpy as np
import pyarrow as pa

from nsm_pipeline.sample.arrow_text import Bools, Ints, random_hex
from nsm_pipeline.sample.timeline import DAY, Period, Timeline, seconds
from nsm_pipeline.sample.volume import DAY_SHAPE, DUPLICATE_SHARE, OUTAGE_KEPT

LATE_SHARE = 0.04
LONGEST_DELAY = 35 * DAY
CONFLICTS = 5


class Deliveries:
    """Rows under way. ``emit`` takes what senders made, ``due`` hands out one delivery after another."""

    def __init__(self, seed: int, when: Timeline) -> None:
        self._seed = seed
        self._when = when
        self._under_way: list[pa.Table] = []
        self._again: pa.Table | None = None

    def emit(self, week: int, made: pa.Table) -> None:
        """Give the rows of a week their ids and times of arrival; those of the outage are lost."""
        rng = np.random.default_rng([self._seed, 5, week])
        if week == self._when.outage:
            made = made.filter(pa.array(~_lost(rng, made, seconds(self._when.monday(week)))))
        occurred = made["occurred"].to_numpy()
        received = occurred + _delays(rng, len(occurred))
        ids = random_hex(rng, made.num_rows, "", 24)
        self._under_way.append(made.append_column("event_id", ids).append_column("received", pa.array(received)))

    def due(self, number: int, period: Period) -> pa.Table:
        """The rows of one delivery in order of arrival, with the duplicates of the one before."""
        rng = np.random.default_rng([self._seed, 6, number])
        rows = pa.concat_tables(self._under_way).combine_chunks()
        arrived = rows["received"].to_numpy() < period.end_second
        self._under_way = [rows.filter(pa.array(~arrived))]
        new = _sorted(rows, np.flatnonzero(arrived))
        if period.week == self._when.conflicting:
            new = _with_conflicts(new)
        # A duplicate is the same row once more in the next file; it is not sent a third time.
        again = new.filter(pa.array(rng.random(new.num_rows) < DUPLICATE_SHARE))
        if self._again is not None and self._again.num_rows:
            rows = pa.concat_tables([self._again, new]).combine_chunks()
            new = _sorted(rows, np.arange(rows.num_rows))
        self._again = again
        return new


def _sorted(rows: pa.Table, chosen: Ints) -> pa.Table:
    """The chosen rows in order of arrival."""
    order = np.argsort(rows["received"].to_numpy()[chosen], kind="stable")
    return rows.take(pa.array(chosen[order]))


def _delays(rng: np.random.Generator, rows: int) -> Ints:
    """Seconds from occurrence to arrival: minutes for most, a day to five weeks for 4 %."""
    prompt = 2 + rng.exponential(90, rows)
    late = rng.random(rows) < LATE_SHARE
    prompt[late] = DAY * (1 + rng.lognormal(0.7, 1.0, int(late.sum())))
    return np.minimum(prompt, LONGEST_DELAY).astype(np.int64)


def _lost(rng: np.random.Generator, made: pa.Table, monday: int) -> Bools:
    """Rows that the outage swallowed: from Tuesday on, as many as make up the lost share of the week."""
    lost_from_tuesday = (1 - OUTAGE_KEPT) * DAY_SHAPE.sum() / DAY_SHAPE[1:].sum()
    down = made["occurred"].to_numpy() >= monday + DAY
    lost: Bools = down & (rng.random(made.num_rows) < lost_from_tuesday)
    return lost


def _with_conflicts(rows: pa.Table) -> pa.Table:
    """A few rows take over the id of the row before them, whose content differs."""
    if rows.num_rows < 2 * CONFLICTS:
        return rows
    places = np.linspace(1, rows.num_rows - 1, CONFLICTS).astype(np.int64)
    source = np.arange(rows.num_rows)
    source[places] -= 1
    at = rows.schema.get_field_index("event_id")
    return rows.set_column(at, "event_id", rows["event_id"].take(pa.array(source)))
