"""Exit codes of `nsm`, the contract with scripts.

0 all certified and published, lint passed, or all that was verified is proved; 3 finished, but some week was withheld
or held, lint failed, or something is not proved; 2 bad usage, playbook or configuration; 1 anything else.
"""

WITHHELD, UNUSABLE, FAILED = 3, 2, 1
UNFIT = REFUTED = WITHHELD
