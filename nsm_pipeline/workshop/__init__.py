"""From a workshop to a playbook: what a group answered, what the data shows, and the file made of both.

What belongs here: the answers' grammar, answers → playbook, proposals from landed rows, a document as YAML text. What
does not: asking in the terminal (`cli.questions`), the playbook's own grammar (`playbook`). Nothing here writes a file.
"""
