"""Segment: the raw logs of its Amazon S3 destination, gzipped JSON lines with the full call.

Facts from "Amazon S3 Destination", "Spec: Common Fields" and "Spec: Group" in Segment's documentation.
"""

from __future__ import annotations

from nsm_pipeline.events.senders.preset import JSON_LINES, Preset

SEGMENT = Preset.of(
    {**JSON_LINES, ".gz": "json_lines"},
    {
        "event_id": "messageId",
        # A track call has an event; page, screen, identify, group and alias calls go by their type.
        "event_name": ["event", "type"],
        # `timestamp` is corrected for the device's clock; `originalTimestamp` and `sentAt` are not.
        "occurred_at": "timestamp",
        "received_at": "receivedAt",
        "account_id": ["context.groupId", "groupId"],
        "user_id": "userId",
        "properties": ["traits", "properties"],
    },
    {"call": "type", "name": "name", "anonymous_id": "anonymousId", "channel": "channel"},
)
