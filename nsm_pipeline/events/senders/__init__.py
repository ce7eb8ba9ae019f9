"""Event files as other programs export them: read by what `landing` in settings.yaml declares for their folder.

What belongs here: the vendors' formats as data, one module each, and the one compiler from a declared mapping to the
rows of the landing contract. What does not: files of the contract itself (`events.reading`), what makes a row valid
(`events.landed`), the grammar of the declaration (`playbook.senders`).
"""
