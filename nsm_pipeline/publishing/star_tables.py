"""The schemas of the star's dimensions, and of the data dictionary.

What belongs here: columns, types, descriptions and keys. What does not: their rows (`star`), which table refers to
which (`references`). The dimension of metrics is `tables.METRIC_DICTIONARY`.
"""

from __future__ import annotations

from nsm_pipeline.publishing.columns import Column, ExtractTable

USE_CASES = ExtractTable(
    "use_cases",
    "Every use case: what it is for, its North Star, and who answers for it.",
    ("use_case",),
    (
        Column("use_case", "string", "Use case by name.", True),
        Column("title", "string", "Its title.", True),
        Column("status", "string", "proposed, agreed or deprecated.", True),
        Column("owner", "string", "Who answers for its definitions.", True),
        Column("contact", "string", "Where to reach them."),
        Column("review_by", "date", "The day by which the group looks at it again."),
        Column("game", "string", "What the product competes for: attention, transaction or productivity."),
        Column("vision", "string", "What will be true when the product has succeeded."),
        Column("value_moment", "string", "The moment in which a customer gets the value."),
        Column("north_star", "string", "Its North Star, by name of the metric.", True),
        Column("formula", "string", "How the North Star comes about: metric = arithmetic over metrics."),
        Column("outcomes", "string", "Metrics that the North Star is supposed to lead, with commas between."),
        Column("slices", "string", "Account attributes by which its metrics are cut, with commas between."),
    ),
)
WEEKS = ExtractTable(
    "weeks",
    "Every week that another table has. Month, quarter and years are those in which most of its days lie.",
    ("week",),
    (
        Column("week", "date", "First day of the week.", True),
        Column("last_day", "date", "Its last day.", True),
        Column("iso_year", "integer", "The year of its ISO 8601 week.", True),
        Column("iso_week", "integer", "The number of that week; of one that starts on another day, the nearest.", True),
        Column("year", "integer", "The calendar year.", True),
        Column("quarter", "integer", "The quarter of the year, 1 to 4.", True),
        Column("month", "integer", "The month of the year, 1 to 12.", True),
        Column("is_complete", "boolean", "False for the week in progress and later ones.", True),
        Column("stage", "string", "flash, settling or final, when this version was published.", True),
    ),
)
DATA_DICTIONARY = ExtractTable(
    "data_dictionary",
    "Every column of every table of the extract.",
    ("table", "column"),
    (
        Column("table", "string", "Table by name.", True),
        Column("column", "string", "Column by name.", True),
        Column("position", "integer", "Its place in the table, from 1.", True),
        Column("type", "string", "string, integer, number, boolean or date.", True),
        Column("description", "string", "What it holds.", True),
        Column("required", "boolean", "Whether every row has a value.", True),
        Column("is_key", "boolean", "Whether it is part of the table's key.", True),
        Column("refers_to", "string", "Where it is explained: table.column, with commas between."),
    ),
)
STAR = (USE_CASES, WEEKS, DATA_DICTIONARY)
