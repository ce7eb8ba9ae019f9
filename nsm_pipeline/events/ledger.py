"""What has landed: which files by content, what became of their rows, which duplicates are settled.

What belongs here: the record and what follows from it alone. What does not: reading files (`reading`,
`landing`). One JSON document per home, replaced as a whole under the ingest lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from nsm_pipeline.lake import digest, write_text

Kind = Literal["events", "accounts"]


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Delivery(Record):
    """One path of the landing zone with the content last seen there. `signature`: size, mtime, ctime.

    `kept`: where that content can't be used, the last one that could: its rows count until the file is whole again.
    """

    kind: Kind
    content: str
    signature: tuple[int, int, int]
    kept: str | None = None


class Content(Record):
    """What one file content held. `problem` is set where it was set aside as a whole.

    `parts`: landed rows per UTC week; `quarantined_by_week`: quarantined rows per UTC week; `duplicates`,
    `conflicts`: of the landed rows, those that lost to another row of the same event_id (equal, other content).
    `sent`: landed rows per UTC week and event name as sent, duplicates included; of a week that is in `parts` and not
    here it is not known which names it holds: there are too many, or an earlier version landed it.
    `reading`: meaning of what `landing` in the settings declared for the file, empty for the landing contract.
    """

    kind: Kind
    bytes: int
    problem: str | None = None
    rows: int = 0
    quarantined: int = 0
    parts: dict[date, int] = {}
    sent: dict[date, dict[str, int]] = {}
    quarantined_by_week: dict[date, int] = {}
    duplicates: int = 0
    conflicts: int = 0
    as_of: date | None = None
    reading: str = ""

    def may_hold(self, week: date, names: Collection[str]) -> bool:
        """Whether the part of a UTC week holds a row with one of some event names, as far as that is known."""
        sent = self.sent.get(week)
        return sent is None or any(name in sent for name in names)


class Ledger(Record):
    """The home's record. `settled`: contents (with the path that orders them) that duplicates account for;
    `losers`: digest of the settled duplicates per UTC week, `lost`: the same of those with each event name (of a week
    that is missing here the names are not known); `snapshots`: digest per account snapshot."""

    version: str = ""
    first_week: date | None = None
    deliveries: dict[str, Delivery] = {}
    contents: dict[str, Content] = {}
    replaced: list[tuple[str, str]] = []
    settled: dict[str, str] = {}
    losers: dict[date, str] = {}
    lost: dict[date, dict[str, str]] = {}
    snapshots: dict[date, str] = {}

    @model_validator(mode="after")
    def _holds_together(self) -> Ledger:
        """A delivery names contents that the ledger knows: else it was damaged, and nothing may be read out of it."""
        named = {key for one in self.deliveries.values() for key in (one.content, one.kept) if key is not None}
        if unknown := named - self.contents.keys():
            raise ValueError(f"the ledger names contents that it does not know: {', '.join(sorted(unknown)[:3])}")
        return self

    @classmethod
    def load(cls, file: Path) -> Ledger:
        return cls.model_validate_json(file.read_bytes()) if file.is_file() else cls()

    def save(self, file: Path) -> None:
        write_text(file, self.model_dump_json())

    def active(self, kind: Kind) -> dict[str, str]:
        """Contents that count, by id, with the first path that delivers each: in order of that path."""
        first: dict[str, str] = {}
        for path, delivery in sorted(self.deliveries.items()):
            used = self.used(delivery)
            if delivery.kind == kind and used is not None:
                first.setdefault(used, path)
        return first

    def used(self, delivery: Delivery) -> str | None:
        """The content whose rows count for a delivered path, None where no content of it was ever usable."""
        return delivery.content if self.contents[delivery.content].problem is None else delivery.kept

    def parts(self, weeks: tuple[date, ...]) -> list[tuple[date, str]]:
        """Landed parts (UTC week, content id) of some UTC weeks, in reading order."""
        return [
            (week, content)
            for content in self.active("events")
            for week in weeks
            if week in self.contents[content].parts
        ]

    def lost_with(self, week: date, names: Collection[str]) -> str | None:
        """Digest of a UTC week's settled duplicates with some event names, or of all where their names are not known;
        None where there are none."""
        by_name = self.lost.get(week)
        if by_name is None:
            return self.losers.get(week)
        found = sorted((name, lost) for name, lost in by_name.items() if name in names)
        return digest(found) if found else None

    def earliest(self) -> date | None:
        """The first UTC week with a landed row."""
        return min((week for content in self.active("events") for week in self.contents[content].parts), default=None)

    def rows(self) -> Iterator[LedgerRow]:
        """One row per delivered path and, for replaced files, per earlier content of it."""
        order = {**self.active("events"), **self.active("accounts")}
        for path, delivery in sorted(self.deliveries.items()):
            content = self.contents[delivery.content]
            if content.problem is not None:
                yield LedgerRow.of(path, delivery.content, content, "quarantined", content.problem)
            used = self.used(delivery)
            if used is None:
                continue
            if order[used] == path:
                reason = None if used == delivery.content else "kept: the content delivered since can't be used"
                yield LedgerRow.of(path, used, self.contents[used], "read", reason)
            else:
                yield LedgerRow.again(path, used, self.contents[used], order[used])
        for path, content_id in self.replaced:
            content = self.contents[content_id]
            now = self.contents[self.deliveries[path].content]
            other = "another content was delivered under this path"
            reason = (
                other if content.reading == now.reading else "read anew: its folder's entry in the settings changed"
            )
            yield LedgerRow.of(path, content_id, content, "replaced", reason)

    def totals(self) -> Counter[str]:
        """Sums over the event files that count: rows, accepted, duplicate, conflict, quarantined."""
        total: Counter[str] = Counter(rows=0, accepted=0, duplicate=0, conflict=0, quarantined=0)
        for row in self.rows():
            if row.kind == "events" and row.state in ("read", "redelivered"):
                total.update(
                    rows=row.rows,
                    accepted=row.accepted,
                    duplicate=row.duplicate,
                    conflict=row.conflict,
                    quarantined=row.quarantined,
                )
        return total


@dataclass(frozen=True)
class LedgerRow:
    """A line of `file_ledger`: accepted + duplicate + quarantined = rows; `conflict` is a part of duplicate."""

    path: str
    kind: str
    state: str
    reason: str | None
    content: str
    bytes: int
    rows: int
    accepted: int
    duplicate: int
    conflict: int
    quarantined: int
    first_week: date | None
    last_week: date | None

    @classmethod
    def of(cls, path: str, content_id: str, content: Content, state: str, reason: str | None) -> LedgerRow:
        landed = sum(content.parts.values()) if content.kind == "events" else content.rows - content.quarantined
        losers = content.duplicates + content.conflicts
        return cls(
            path, content.kind, state, reason, content_id, content.bytes, content.rows, landed - losers, losers,
            content.conflicts, content.quarantined, min(content.parts, default=None), max(content.parts, default=None),
        )  # fmt: skip

    @classmethod
    def again(cls, path: str, content_id: str, content: Content, first: str) -> LedgerRow:
        reason = f"the same bytes as {first}"
        return cls(
            path, content.kind, "redelivered", reason, content_id, content.bytes, content.rows, 0, content.rows, 0, 0,
            min(content.parts, default=None), max(content.parts, default=None),
        )  # fmt: skip

    @property
    def reconciles(self) -> bool:
        return self.accepted + self.duplicate + self.quarantined == self.rows
