"""GitLab Service Ping counters in long form: one row per instance, ping and metric.

Facts from "Service Ping" and, for the fallback value -1, "Metrics instrumentation guide" in GitLab's documentation;
the columns are those of GitLab's published data model of pings (fct_ping_instance_metric).
"""

from __future__ import annotations

from nsm_pipeline.events.senders.preset import CSV, JSON_LINES, PARQUET, Preset

SERVICE_PING = Preset.of(
    {**CSV, **JSON_LINES, **PARQUET},
    {
        "event_id": {"join": ["dim_instance_id", "dim_ping_instance_id", "metrics_path"]},
        "event_name": "metrics_path",
        "occurred_at": "ping_created_at",
        "account_id": "dim_instance_id",
    },
    # A counter that failed or timed out reports -1, which is no count.
    {"value": {"from": "metric_value", "missing": [-1]}, "ping_id": "dim_ping_instance_id"},
    zone="UTC",
)
