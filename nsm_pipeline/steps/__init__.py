"""The pipeline's steps over a home: what Dagster's assets and the command line both call.

What belongs here: opening a home, deciding what is stale, running each room's work and storing its result. What
does not: computation (the rooms), Dagster (`orchestration`).
"""
