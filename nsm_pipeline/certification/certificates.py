"""The certificate of one use case and week: what was judged, what it was made of, and its values, under one hash.

What belongs here: building and checking certificates as values. What does not: storing or publishing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from nsm_pipeline.lake import digest


class CertifiedGate(BaseModel):
    model_config = ConfigDict(frozen=True)
    gate: str
    severity: str
    passed: bool


class Certificate(BaseModel):
    """No time stands in it: equal inputs give an equal certificate, and so an equal id."""

    model_config = ConfigDict(frozen=True)
    use_case: str
    week: date
    fingerprints: dict[str, str]
    values: list[dict[str, object]]
    gates: list[CertifiedGate]

    @cached_property
    def id(self) -> str:
        return f"{self.use_case}-{self.week}-{digest(self.model_dump(mode='json'))}"

    @property
    def rows(self) -> pa.Table:
        """The certified values as metric rows, `use_case` and `week` with each."""
        return pa.Table.from_pylist([{"use_case": self.use_case, "week": self.week, **value} for value in self.values])


def certify(
    use_case: str, week: date, fingerprints: dict[str, str], rows: pa.Table, gates: Sequence[CertifiedGate]
) -> Certificate:
    """A certificate over a week's metric rows. Raises ValueError where a critical gate has not passed."""
    failed = [gate.gate for gate in gates if gate.severity == "critical" and not gate.passed]
    if failed:
        raise ValueError(f"{use_case} {week} has failed {', '.join(failed)}")
    values = [
        {
            name: row[name]
            for name in ("metric", "role", "slice", "slice_value", "value", "numerator", "denominator", "entities")
        }
        for row in rows.to_pylist()
    ]
    return Certificate(use_case=use_case, week=week, fingerprints=fingerprints, values=values, gates=list(gates))
