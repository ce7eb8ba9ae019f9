"""What is measured: YAML files per use case and one for the company; their models, filters and loading.

What belongs here: the grammar and its errors. What does not: how a metric is computed (`metrics`).
"""
