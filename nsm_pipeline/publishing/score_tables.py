"""The schemas of what is read on Monday: scorecard, guardrails, metric tree, movements, annotations, adoption.

What belongs here: columns, types, descriptions and keys. What does not: how they come about (`scoring`).
"""

from __future__ import annotations

from nsm_pipeline.publishing.columns import STAGE, STATE, Column, ExtractTable

COLOUR = "green, yellow, red, or no_colour where data is missing."
USE_CASE = Column("use_case", "string", "Use case by name.", True)
WEEK = Column("week", "date", "First day of the week.", True)
CERTIFICATE = Column("certificate_id", "string", "The certificate that vouches for the row; null for flash.")

SCORECARD = ExtractTable(
    "scorecard",
    "The North Star of every use case and published week: target, growth, goals, accounts, expectation, forecast, "
    "and one status with its guardrails.",
    ("use_case", "week"),
    (
        USE_CASE,
        WEEK,
        Column("metric", "string", "The North Star by name.", True),
        Column("unit", "string", "Unit of its values.", True),
        Column("value", "number", "The North Star's published value."),
        Column("previous_value", "number", "The week before's; null where that week is not published."),
        Column("growth", "number", "value ÷ previous_value − 1; null for the week in progress."),
        Column("habit", "number", "The habit: growth_per_week of the playbook, 0.07 by default."),
        Column("growth_above_habit", "number", "growth − habit."),
        Column("mean_growth_13_weeks", "number", "Mean growth of the 13 complete weeks before."),
        Column("growth_above_mean", "number", "growth − mean_growth_13_weeks."),
        Column("target", "number", "Where the target path is in this week; null before the path begins."),
        Column("target_value", "number", "Where the path ends; null for growth without an end."),
        Column("target_by", "date", "The week by which it ends; null for growth without an end."),
        Column("attainment", "number", "value ÷ target."),
        Column("goal_total", "number", "The habit's goal: previous_value × (1 + habit)."),
        Column("goal_retained", "number", "retained of the week before × (1 + habit), by the goals' lifecycle."),
        Column("goal_new", "number", "new of the week before × (1 + habit), by the goals' lifecycle."),
        Column("progress_total", "number", "value ÷ goal_total; so far, for the week in progress."),
        Column("progress_retained", "number", "retained ÷ goal_retained, likewise."),
        Column("progress_new", "number", "new ÷ goal_new, likewise."),
        Column("goals_by", "string", "What goals count as new and retained by: activity or creation.", True),
        Column("active", "integer", "Accounts active in the week."),
        Column("new", "integer", "Of them, active for the first time ever."),
        Column("retained", "integer", "Of them, active in the week before too."),
        Column("resurrected", "integer", "Of them, active earlier but not in the week before."),
        Column("churned", "integer", "Accounts active in the week before and not in this one."),
        Column("new_by_creation", "integer", "Active accounts created in the week."),
        Column("retained_by_creation", "integer", "Active accounts created before the week."),
        Column("quick_ratio", "number", "(new + resurrected) ÷ churned; null where nobody churned."),
        Column("expected", "number", "What the weeks before led to expect of this one; null with too few of them."),
        Column("expected_low", "number", "Lower end of its 95 % interval."),
        Column("expected_high", "number", "Upper end of its 95 % interval."),
        Column("has_season", "boolean", "Whether the expectation knows the season: from 104 weeks on.", True),
        Column(
            "verdict",
            "string",
            "as expected, unusually high, unusually low, not enough weeks, no value, in progress.",
            True,
        ),
        Column(
            "forecast_week",
            "date",
            "The target's week, at most 104 weeks on, where it is to come; else 13 weeks on. In the row of the newest "
            "complete week.",
        ),
        Column("forecast", "number", "The value forecast for that week."),
        Column("forecast_low", "number", "Lower end of its 95 % interval."),
        Column("forecast_high", "number", "Upper end of its 95 % interval."),
        Column("status", "string", f"The North Star against its target: {COLOUR}", True),
        Column("guardrail_status", "string", f"The worst of its guardrails: {COLOUR}", True),
        Column("joint_status", "string", f"Both in one, never green while a guardrail is red: {COLOUR}", True),
        Column("joint_words", "string", "The joint status in words.", True),
        STATE,
        STAGE,
        CERTIFICATE,
    ),
)

GUARDRAILS = ExtractTable(
    "guardrails",
    "Every counter-metric and week against its threshold, beside the metric that it protects.",
    ("use_case", "metric", "week"),
    (
        USE_CASE,
        Column("metric", "string", "The counter-metric by name.", True),
        WEEK,
        Column("title", "string", "Its title.", True),
        Column("protects", "string", "The metric that could be bought at its expense.", True),
        Column("risk", "string", "How that could be gamed.", True),
        Column("unit", "string", "Unit of its values.", True),
        Column("better", "string", "higher or lower.", True),
        Column("value", "number", "Its published value."),
        Column("rule", "string", "absolute, or median: against the trailing median.", True),
        Column("reference", "number", "The trailing median, where it is held to one."),
        Column("change", "number", "value ÷ reference − 1, where it is held to one."),
        Column("warn_at", "number", "The value from which on it is yellow."),
        Column("breach_at", "number", "The value from which on it is red."),
        Column("noise", "number", "Its usual change from week to week as a share: 1.4826 × median absolute deviation."),
        Column("breach_in_noise", "number", "Distance from the reference to breach_at, in such changes."),
        Column("is_wide_enough", "boolean", "Whether noise alone seldom breaches: at least 2 such changes wide."),
        Column("coverage", "number", "Share of the weeks it is judged by that have a value.", True),
        Column("status", "string", f"The guardrail: {COLOUR}", True),
        Column("protected_status", "string", f"The protected metric by itself: {COLOUR}", True),
        Column("joint_status", "string", f"The pair: {COLOUR}", True),
        Column("joint_words", "string", "The pair in words.", True),
        Column("since", "date", "First week of the unbroken run in this status."),
        Column("starting_points", "string", "Where to look after a breach: which slices moved, and since when."),
        STATE,
        STAGE,
        CERTIFICATE,
    ),
)

TREE_NODES = ExtractTable(
    "tree_nodes",
    "The metric tree's nodes as of the newest complete published week.",
    ("use_case", "metric", "role"),
    (
        USE_CASE,
        Column("metric", "string", "The metric by name.", True),
        Column("role", "string", "north_star, inputs, counter_metrics or outcomes.", True),
        Column("title", "string", "Its title.", True),
        Column("level", "integer", "0 for the North Star, 1 and more for inputs; null for the others."),
        Column("dimension", "string", "breadth, depth, frequency or efficiency, for inputs."),
        Column("owner", "string", "The team that moves it.", True),
        Column("week", "date", "The newest complete week with a published value; null without one."),
        Column("unit", "string", "Unit of its values.", True),
        Column("better", "string", "higher or lower.", True),
        Column("value", "number", "Its value in that week."),
        Column("change", "number", "value ÷ the week before's − 1."),
        Column("target", "number", "Where its target path is; null without a target."),
        Column("reference", "number", "The trailing median that it is held to where it has no target."),
        Column("status", "string", f"{COLOUR}", True),
        Column("status_words", "string", "Why it has that status.", True),
        Column("work", "string", "What is being done to move it, one work item per line: since, title, link."),
    ),
)

TREE_EDGES = ExtractTable(
    "tree_edges",
    "The metric tree's edges and what speaks for them: arithmetic that is reconciled, or history that is tested.",
    ("use_case", "metric", "drives", "relation"),
    (
        USE_CASE,
        Column("metric", "string", "The metric that moves the other.", True),
        Column("drives", "string", "The metric that is moved.", True),
        Column("relation", "string", "formula; hypothesis; outcome: the North Star leads it; protects.", True),
        Column(
            "verdict",
            "string",
            "Of a formula: reconciled, or not reconciled. Of a hypothesis or an outcome: supported, not supported, "
            "contradicted, too early to say. Of protects: declared.",
            True,
        ),
        Column("words", "string", "The verdict with its evidence, in words.", True),
        Column("expected_sign", "integer", "1: they should move alike; −1: against each other."),
        Column("lag", "integer", "Weeks by which the first moves ahead, of the strongest evidence."),
        Column("correlation", "number", "Rank correlation at that lag of what season and past did not foretell."),
        Column("low", "number", "Lower end of its interval, all lags of the edge reckoned with."),
        Column("high", "number", "Upper end of it."),
        Column("weeks", "integer", "Pairs of weeks behind it; so far, where it is too early; of a formula, its weeks."),
        Column("p_value", "number", "Chance of at least this without any link, all lags of the edge reckoned with."),
        Column("q_value", "number", "The same, all edges of the use case reckoned with (Benjamini and Hochberg)."),
        Column("has_season", "boolean", "Whether a yearly season was taken out: from 104 weeks on."),
        Column("gap", "number", "Largest gap of a formula over the weeks, as a share of the value."),
    ),
)

MOVEMENTS = ExtractTable(
    "movements",
    "Why the North Star moved from one published week to the next: parts that add up to the change.",
    ("use_case", "week", "view", "part", "slice", "slice_value"),
    (
        USE_CASE,
        WEEK,
        Column("view", "string", "factors: of the formula; slices: of an attribute; factor slices: both.", True),
        Column(
            "part", "string", "The factor by metric name; of slices: change, mix or rate; rest: the remainder.", True
        ),
        Column("slice", "string", "Account attribute; 'all' for factors.", True),
        Column("slice_value", "string", "Its value; 'all' for factors, 'small groups' for what is suppressed.", True),
        Column("contribution", "number", "What it adds to the change, in the North Star's unit.", True),
        Column("before", "number", "The part's own value in the week before."),
        Column("after", "number", "The part's own value in the week."),
        Column("change", "number", "The change of the North Star that the view's parts add up to.", True),
    ),
)

ANNOTATIONS = ExtractTable(
    "annotations",
    "What happened when, beside the series: notes, changes of instrumentation, restatements, work.",
    ("use_case", "week", "kind", "number"),
    (
        USE_CASE,
        WEEK,
        Column("kind", "string", "note, instrumentation, restatement or work.", True),
        Column("number", "integer", "Consecutive within use case, week and kind.", True),
        Column("text", "string", "What happened.", True),
        Column("metric", "string", "The metric that it is about, where it is about one."),
        Column("url", "string", "Where to read more."),
    ),
)

ACCOUNT_ADOPTION = ExtractTable(
    "account_adoption",
    "Adoption per account, use case and week: colours by the playbook's thresholds. The only table with accounts; "
    "published only where the settings say so.",
    ("use_case", "week", "account", "measure"),
    (
        USE_CASE,
        WEEK,
        Column("account", "string", "The account: a pseudonym, unless the settings ask for its id.", True),
        Column("measure", "string", "The measure by metric name; 'composite' for all of them together.", True),
        Column("value", "number", "The measure's value; of the composite, its score from 0 to 100."),
        Column("colour", "string", "green, yellow, red, or no_colour where the measure is missing.", True),
        Column("coverage", "number", "Share of the declared measures that are present; composite only."),
        Column("colour_1_month_earlier", "string", "The colour 4 weeks earlier; null where there was none yet."),
        Column("colour_3_months_earlier", "string", "The colour 13 weeks earlier; null where there was none yet."),
        Column("call_to_action", "string", "What to do where an account fell from green or yellow; composite only."),
        STATE,
        CERTIFICATE,
    ),
)
