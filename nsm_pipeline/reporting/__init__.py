"""Pages for people, from published tables and the playbook. Pure: text in, text out; no files, no Dagster, no clock."""
