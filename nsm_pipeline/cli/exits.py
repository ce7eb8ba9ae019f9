"""Exit codes of `nsm`, the contract with scripts.

0 all certified and published, or lint passed; 3 finished, but some week was withheld or held, or lint failed; 2 bad
usage, playbook or configuration; 1 anything else.
"""

WITHHELD, UNUSABLE, FAILED = 3, 2, 1
UNFIT = WITHHELD
