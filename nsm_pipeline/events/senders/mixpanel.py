"""Mixpanel: its raw export, one JSON object per line.

Facts from "Event Export API", "Event Deduplication" and, for the times of older projects, "Exporting Raw Data" in
Mixpanel's documentation.
"""

from __future__ import annotations

from nsm_pipeline.events.senders.preset import JSON_LINES, Preset

MIXPANEL = Preset.of(
    {**JSON_LINES, ".txt": "json_lines", ".txt.gz": "json_lines"},
    {
        # What Mixpanel tells copies by, without distinct_id, which changes when identities are merged; a raw export
        # holds the copies too.
        "event_id": {"join": ["event", "properties.time", "properties.$insert_id"]},
        "event_name": "event",
        "occurred_at": "properties.time",
        "received_at": {"from": "properties.mp_processing_time_ms", "times": "epoch_milliseconds"},
        "user_id": "properties.distinct_id",
        "properties": "properties",
    },
    times="epoch_seconds",
)
