"""Playbook definitions → measures → weekly rows. Pure: tables in, tables out; no files, clock or Dagster."""
