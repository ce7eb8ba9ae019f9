"""Landing files → landed rows, quarantine, ledger → deduplicated, canonical usage events per week."""
