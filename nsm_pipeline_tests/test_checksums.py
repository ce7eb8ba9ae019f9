"""Journals of checksums: what a write leaves, what may go wrong with a journal itself, and that it stays short."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import zlib
from pathlib import Path

import pytest

from nsm_pipeline import checksums
from nsm_pipeline.checksums import JOURNAL, KEPT, STEP, Checksum, checksum_of, discard, read_journal, record, rewrite
from nsm_pipeline.lake import replacing, write_text


def journal(folder: Path) -> str:
    return (folder / JOURNAL).read_text()


def newest(folder: Path, name: str) -> Checksum:
    return read_journal(folder).checksums[name][0]


def test_the_published_value_of_crc_32() -> None:
    assert zlib.crc32(b"123456789") == 0xCBF43926


def test_a_write_leaves_a_line(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "123456789")
    said = "a.json 9 cbf43926"
    assert journal(tmp_path) == f"{said} {zlib.crc32(said.encode()):08x}\n"
    assert newest(tmp_path, "a.json") == checksum_of(tmp_path / "a.json") == Checksum(9, 0xCBF43926)


def test_files_of_people_get_none(tmp_path: Path) -> None:
    write_text(tmp_path / "settings.yaml", "company: Test\n", journal=False)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.yaml"]


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    content = random.Random(7).randbytes(3 * checksums.BUFFER + 5)
    (tmp_path / "large").write_bytes(content)
    assert checksum_of(tmp_path / "large") == Checksum(len(content), zlib.crc32(content))


def test_a_block_that_fails_leaves_neither_line_nor_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "before")
    before = journal(tmp_path)
    with pytest.raises(RuntimeError), replacing(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert journal(tmp_path) == before
    assert (tmp_path / "a").read_text() == "before"


def test_a_kill_before_the_rename_leaves_the_earlier_checksum_good(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "before")
    record(tmp_path / "a", Checksum(5, zlib.crc32(b"after")))  # and here the process dies
    found = read_journal(tmp_path).checksums["a"]
    assert found[0] == Checksum(5, zlib.crc32(b"after"))
    assert checksum_of(tmp_path / "a") in found


def test_a_file_that_was_deleted_on_purpose(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "one")
    discard(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert read_journal(tmp_path).checksums == {"a": []}
    discard(tmp_path / "a")
    assert journal(tmp_path).count("\n") == 2
    write_text(tmp_path / "a", "two")
    assert newest(tmp_path, "a").size == 3
    discard(tmp_path / "a")
    rewrite(tmp_path)
    assert journal(tmp_path) == ""


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_byte_of_the_journal_is_found(tmp_path: Path, seed: int) -> None:
    for number in range(5):
        write_text(tmp_path / f"2026-01-{number:02}.parquet", "x" * number)
    content = bytearray((tmp_path / JOURNAL).read_bytes())
    chosen = random.Random(seed)
    place = chosen.randrange(len(content))
    content[place] ^= chosen.randrange(1, 256)
    (tmp_path / JOURNAL).write_bytes(content)
    found = read_journal(tmp_path)
    assert found.damaged
    right = {name: checksum_of(tmp_path / name) for name in found.checksums}
    assert all(found.checksums[name] == [checksum] for name, checksum in right.items())


def test_a_cut_off_line_spoils_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "one")
    write_text(tmp_path / "b", "two")
    with (tmp_path / JOURNAL).open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - 4)
    write_text(tmp_path / "c", "three")
    found = read_journal(tmp_path)
    assert (set(found.checksums), found.damaged) == ({"a", "c"}, [2])
    write_text(tmp_path / "b", "two")
    rewrite(tmp_path)
    found = read_journal(tmp_path)
    assert (set(found.checksums), found.damaged) == ({"a", "b", "c"}, [])


def test_a_journal_shared_by_a_hard_link_is_left_alone(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_text(theirs / "a", "one")
    ours.mkdir()
    os.link(theirs / JOURNAL, ours / JOURNAL)
    os.link(theirs / "a", ours / "a")
    before = journal(theirs)
    writers = [threading.Thread(target=write_text, args=(ours / f"{n}", str(n))) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert journal(theirs) == before
    assert set(read_journal(ours).checksums) == {"a", *map(str, range(8))}


def test_a_journal_stays_short(tmp_path: Path) -> None:
    longest = 0
    for number in range(2_000):
        record(tmp_path / f"2026-01-{number % 7:02}.parquet", Checksum(number, number))
        longest = max(longest, (tmp_path / JOURNAL).stat().st_size)
    assert STEP / 2 < longest < STEP + 2 * 7 * KEPT * 60
    found = read_journal(tmp_path)
    assert [found.checksums[f"2026-01-{day:02}.parquet"][0].size for day in range(7)] == [
        max(number for number in range(2_000) if number % 7 == day) for day in range(7)
    ]
    assert not found.damaged


def test_files_that_are_all_of_use_keep_their_lines(tmp_path: Path) -> None:
    for number in range(1_000):
        record(tmp_path / f"{number:020x}.parquet", Checksum(number, number))
    assert {name: found[0].size for name, found in read_journal(tmp_path).checksums.items()} == {
        f"{number:020x}.parquet": number for number in range(1_000)
    }


def write_many(folder: Path, worker: int) -> None:
    for number in range(300):
        record(folder / f"{worker}-{number % 5}", Checksum(number, worker))


def test_processes_side_by_side_lose_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "STEP", 512)  # rewritten all the time
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_many, args=(tmp_path, worker)) for worker in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    found = read_journal(tmp_path)
    assert not found.damaged
    assert {name: checksums_[0] for name, checksums_ in found.checksums.items()} == {
        f"{worker}-{place}": Checksum(295 + place, worker) for worker in range(4) for place in range(5)
    }
    assert (tmp_path / JOURNAL).stat().st_size < 512 + 2 * 20 * KEPT * 40


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a", "one")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:7]))
    with pytest.raises(OSError, match="the disk is full"):
        write_text(tmp_path / "a", "two")
    monkeypatch.undo()
    assert (tmp_path / "a").read_text() == "one"
    assert not read_journal(tmp_path).damaged
    assert sorted(path.name for path in tmp_path.iterdir()) == [JOURNAL, "a"]
