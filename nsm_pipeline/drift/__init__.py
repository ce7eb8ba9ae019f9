"""Noticing by itself that telemetry has changed: pure functions from small weekly facts to findings."""
