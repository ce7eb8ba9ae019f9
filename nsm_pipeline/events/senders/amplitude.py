"""Amplitude: the unpacked files of its Export API, one JSON object per line.

Facts from "Export API" and "Amazon S3 export" in Amplitude's documentation.
"""

from __future__ import annotations

from nsm_pipeline.events.senders.preset import JSON_LINES, Preset

AMPLITUDE = Preset.of(
    JSON_LINES,
    {
        # Amplitude has dropped what came twice; $insert_id is unique per device and for a week only.
        "event_id": ["uuid", "$insert_id"],
        "event_name": "event_type",
        "occurred_at": "event_time",
        "received_at": "server_received_time",
        "user_id": "user_id",
        "properties": "event_properties",
    },
    {
        **{name: name for name in ("platform", "version_name", "country", "language", "device_family", "os_name")},
        "amplitude_id": "amplitude_id",
        "session_id": "session_id",
    },
    zone="UTC",
)
