"""Published rows → what is read on Monday. Pure: no files, no Dagster, no clock."""
