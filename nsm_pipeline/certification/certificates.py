"""The certificate of one use case and week: what was judged, what it was made of, and its values, under one hash.

What belongs here: building and checking certificates as values. What does not: storing or publishing them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from nsm_pipeline.sealed import canonical

VALUES = ("metric", "role", "slice", "slice_value", "value", "numerator", "denominator", "entities")


class CertifiedGate(BaseModel):
    """A gate's result; `found` says what a failed one found."""

    model_config = ConfigDict(frozen=True)
    gate: str
    severity: str
    passed: bool
    found: str = ""


class Certificate(BaseModel):
    """No time stands in it: equal inputs give an equal certificate, and so an equal id.

    `fingerprints`: per table of the week the digest of what it was made from; `made_from`: the documents behind them
    (landed files, account snapshot, definition, version of the code); `waiting`: metrics left out, their own window
    being open.
    """

    model_config = ConfigDict(frozen=True)
    use_case: str
    week: date
    fingerprints: dict[str, str]
    made_from: dict[str, dict[str, object]] = {}
    waiting: list[str] = []
    values: list[dict[str, object]]
    gates: list[CertifiedGate]

    @cached_property
    def content(self) -> dict[str, Any]:
        """All of it as plain JSON data."""
        return self.model_dump(mode="json")

    @cached_property
    def id(self) -> str:
        return f"{self.use_case}-{self.week}-{hashlib.sha256(canonical(self.content).encode()).hexdigest()[:16]}"

    @property
    def rows(self) -> pa.Table:
        """The certified values as metric rows, `use_case` and `week` with each."""
        return rows_of([self])


def rows_of(certificates: Sequence[Certificate]) -> pa.Table:
    """The values of some certificates, in their order, as metric rows, `use_case` and `week` with each."""
    values = [value for one in certificates for value in one.values]
    # Column by column: from rows as dictionaries it takes four times as long, and there are years of weeks.
    return pa.table(
        {
            "use_case": pa.array([one.use_case for one in certificates for _ in one.values], pa.string()),
            "week": pa.array([one.week for one in certificates for _ in one.values], pa.date32()),
            **{name: [value.get(name) for value in values] for name in VALUES},
        }
    )


def certify(
    use_case: str,
    week: date,
    fingerprints: dict[str, str],
    rows: pa.Table,
    gates: Sequence[CertifiedGate],
    made_from: Mapping[str, dict[str, object]] | None = None,
    waiting: Sequence[str] = (),
) -> Certificate:
    """A certificate over a week's metric rows. Raises ValueError where a critical gate has not passed."""
    failed = [gate.gate for gate in gates if gate.severity == "critical" and not gate.passed]
    if failed:
        raise ValueError(f"{use_case} {week} has failed {', '.join(failed)}")
    return Certificate(
        use_case=use_case,
        week=week,
        fingerprints=fingerprints,
        made_from=dict(made_from or {}),
        waiting=sorted(waiting),
        values=rows.select(VALUES).to_pylist(),
        gates=list(gates),
    )
