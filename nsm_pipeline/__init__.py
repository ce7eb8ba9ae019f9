"""Weekly North Star Metrics per use case: computed from usage events, certified, published for BI."""

import os

# DuckDB's allocator gives memory back to the system a second after it was freed, only to ask for it again: half of all
# page faults of a run and a tenth of the time of landing. The library reads this once, when it is loaded.
os.environ.setdefault("DUCKDB_JE_MALLOC_CONF", "dirty_decay_ms:5000,muzzy_decay_ms:5000")
