"""The digest of rows, against the plain way to make it."""

from __future__ import annotations

import hashlib

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.publishing.deltas import rows_digest


@given(st.lists(st.none() | st.text(max_size=5), min_size=1), st.data())
def test_texts_are_digested_as_lengths_and_letters(texts: list[str | None], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts) - 1))
    some = texts[start : data.draw(st.integers(start + 1, len(texts)))]
    letters = [(text or "").encode() for text in some]
    plain = f"name:string:{len(some)}\n".encode() + bytes(text is None for text in some)
    plain += b"".join(len(text).to_bytes(8, "little") for text in letters) + b"".join(letters)
    table = pa.table({"name": pa.array(texts, pa.string())}).slice(start, len(some))
    assert rows_digest(table) == hashlib.sha256(plain).hexdigest()[:16]
