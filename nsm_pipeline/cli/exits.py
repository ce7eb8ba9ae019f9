"""Exit codes of `nsm`, the contract with scripts.

0 all certified and published; 3 finished, but some week was withheld; 2 bad usage, playbook or configuration;
1 anything else.
"""

WITHHELD, UNUSABLE, FAILED = 3, 2, 1
