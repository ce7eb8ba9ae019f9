"""PostHog: the events model of its S3 batch export, JSON lines or Parquet.

Facts from "S3 destination for batch exports" and "Group analytics" in PostHog's documentation.
"""

from __future__ import annotations

from nsm_pipeline.events.senders.preset import Format, Preset

# A Parquet file's compression stands in its name but lies inside the format.
PARQUET: dict[str, Format] = {
    f".parquet{packed}": "parquet" for packed in ("", ".zst", ".gz", ".snappy", ".sz", ".lz4", ".br")
}
POSTHOG = Preset.of(
    {".jsonl": "json_lines", ".jsonl.gz": "json_lines", **PARQUET},
    {
        "event_id": "uuid",
        "event_name": "event",
        "occurred_at": "timestamp",
        "received_at": "created_at",
        "account_id": ["properties.$groups.company", "properties.$group_0"],
        # One person may have many a distinct_id.
        "user_id": ["person_id", "distinct_id"],
        "properties": "properties",
    },
    {"distinct_id": "distinct_id"},
    zone="UTC",
)
