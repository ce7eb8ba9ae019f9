"""What a preset is: the endings of a vendor's files, how each is read, and where the contract's columns are in them.

What belongs here: the shape, and the contract itself as the preset of folders without one. What does not: any vendor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from nsm_pipeline.playbook.senders import Added, Fields, Times

Format = Literal["json_lines", "csv", "parquet", "snowplow"]
JSON_LINES: dict[str, Format] = {
    ending + packed: "json_lines" for ending in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz")
}
CSV: dict[str, Format] = {".csv": "csv", ".csv.gz": "csv"}
PARQUET: dict[str, Format] = {".parquet": "parquet"}


@dataclass(frozen=True)
class Preset:
    """`endings`: how a file is read by how its name ends, where "" is a name without a dot. `zone`: of times that are
    written without one; None refuses them. `keep`: whether what is mapped nowhere becomes a property."""

    endings: dict[str, Format]
    fields: Fields
    add: dict[str, Added]
    times: Times = "iso"
    zone: str | None = None
    keep: bool = False

    @classmethod
    def of(
        cls, endings: dict[str, Format], fields: dict[str, Any], add: dict[str, Any] | None = None, **more: Any
    ) -> Preset:
        """A preset from fields as they are spelled in settings.yaml."""
        added = {name: Added.model_validate(_spelled(value)) for name, value in (add or {}).items()}
        return cls(endings, Fields.model_validate(fields), added, **more)


def _spelled(value: object) -> object:
    return value if isinstance(value, dict) else {"from": value}


CONTRACT = Preset.of(
    {**JSON_LINES, **CSV, **PARQUET},
    {
        "event_id": "event_id",
        "event_name": "event_name",
        "occurred_at": "occurred_at",
        "received_at": "received_at",
        "account_id": "account_id",
        "user_id": "user_id",
        "properties": "properties",
    },
    keep=True,
)
