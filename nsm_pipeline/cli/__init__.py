"""The command line `nsm`."""

import gc

# Look for reference cycles seldom, from the first import on: a command makes few, and at Python's default it looks some
# hundred times while it loads, and later through the million objects of Dagster and Great Expectations every time.
gc.set_threshold(100_000, 50, 100)
