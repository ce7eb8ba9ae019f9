"""Thin Dagster shells around the steps: assets, checks, jobs, schedules, sensors."""
