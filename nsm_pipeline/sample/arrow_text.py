"""Columns of text made from numbers, at the speed of numpy and Arrow: no Python loop over rows.

Belongs here: how hexadecimal ids, ISO times and JSON text are spelled. Nothing about what they mean.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.sample.timeline import DAY

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(256, 2)
_CLOCK = np.frombuffer(
    "".join(f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}Z" for s in range(DAY)).encode(), np.uint8
).reshape(DAY, 10)


def fixed_width(text: Bytes) -> pa.StringArray:
    """One string per row of a matrix of ASCII bytes."""
    rows, width = text.shape
    offsets = np.arange(0, (rows + 1) * width, max(width, 1), dtype=np.int32)[: rows + 1]
    data = pa.py_buffer(np.ascontiguousarray(text))
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), data)


def random_hex(rng: np.random.Generator, rows: int, prefix: str, digits: int) -> pa.StringArray:
    """Random lower-case hexadecimal ids: ``prefix`` and an even number of ``digits``."""
    text = np.empty((rows, len(prefix) + digits), dtype=np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    noise = np.frombuffer(rng.bytes(rows * digits // 2), np.uint8)
    text[:, len(prefix) :] = _HEX[noise].reshape(rows, digits)
    return fixed_width(text)


def iso_times(at: Ints) -> pa.StringArray:
    """Seconds since 1970 as ``2026-06-25T09:30:00Z``."""
    if not len(at):
        return pa.array([], pa.string())
    day = at // DAY
    first = int(day.min())
    names = np.datetime_as_string(np.arange(first, int(day.max()) + 1).astype("datetime64[D]"))
    dates = np.frombuffer("".join(names).encode(), np.uint8).reshape(-1, 10)
    text = np.empty((len(at), 20), dtype=np.uint8)
    text[:, :10] = dates[day - first]
    text[:, 10:] = _CLOCK[at - day * DAY]
    return fixed_width(text)


def timestamps(at: Ints) -> pa.Array:
    """Seconds since 1970 as timestamp[us, tz=UTC]."""
    return pa.array(at * 1_000_000).cast(pa.timestamp("us", tz="UTC"))


def labels(words: Sequence[str] | pa.StringArray, codes: npt.NDArray[np.integer]) -> pa.StringArray:
    """The word of each code; null where the code is negative."""
    known = words if isinstance(words, pa.Array) else pa.array(list(words), pa.string())
    return pc.take(known, pa.array(codes, mask=codes < 0))


def numbers(values: npt.NDArray[np.integer] | Floats) -> pa.StringArray:
    """Numbers as JSON spells them."""
    return pa.array(values).cast(pa.string())


def joined(*pieces: str | pa.StringArray) -> pa.StringArray:
    """The pieces of each row one after another; plain strings repeat on every row."""
    return pc.binary_join_element_wise(*pieces, "")
