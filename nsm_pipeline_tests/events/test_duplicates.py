"""What the ledger says of losers: their digest decides which weeks are built anew."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.events.duplicates import LOSERS, _as_json
from nsm_pipeline.lake import digest, digest_of_text

LOSER = st.fixed_dictionaries(
    {
        "id_hash": st.integers(0, 2**64 - 1),
        "content": st.text("0123456789abcdef", min_size=20, max_size=20),
        "row": st.integers(0, 2**40),
        "event_name": st.text(),
        "kind": st.sampled_from(["duplicate", "conflict"]),
    }
)


@given(st.lists(LOSER, max_size=5))
def test_losers_spelled_by_hand_have_the_digest_of_the_rows_themselves(rows: list[dict[str, object]]) -> None:
    spelled = list(_as_json(pa.Table.from_pylist(rows, LOSERS)))
    assert [name for name, _ in spelled] == [row["event_name"] for row in rows]
    assert digest_of_text(f"[[{','.join(text for _, text in spelled)}]]") == digest(rows)
