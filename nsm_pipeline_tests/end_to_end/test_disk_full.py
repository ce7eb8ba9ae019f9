"""A disk that fills up during a run: one readable paragraph, the last good version in place, and a way on."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from homes import broken_extract, copy, differences, everything, extract, finish, here, published, start
from loaded import start_loaded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def no_file_above(size: int) -> Callable[[], None]:
    """For the child: writing beyond `size` bytes fails (EFBIG), as a full disk does (ENOSPC)."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of some kilobytes; skipped where that is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(kilobytes: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this machine lets nobody mount a small disk here")
        mounted.append(folder)
        return folder

    yield mount
    for one in mounted:
        subprocess.run(["umount", "-l", str(one)], check=True)


def kilobytes(folder: Path) -> int:
    """What a folder takes on a tmpfs: whole pages per file, nothing for a folder."""
    return sum(-(-file.lstat().st_size // 4096) * 4 for file in folder.rglob("*") if not file.is_dir())


def _one_paragraph(text: str) -> bool:
    return text.startswith("Error ") and "Traceback" not in text and text.strip().count("\n") <= 1


@pytest.mark.parametrize(
    ("folder", "room", "doing"),
    [
        ("lake", 4, "events/landed.py"),
        ("lake", 64, "orchestration/"),
        ("dagster", 40, "dagster/_core/storage"),
        ("extracts", 16, "publishing/extracts.py"),
    ],
)
def test_a_full_disk(
    published_once: Path,
    undisturbed: Path,
    small_disk: Callable[[int], Path],
    tmp_path: Path,
    folder: str,
    room: int,
    doing: str,
) -> None:
    """`room`: kilobytes left for a folder when the run begins: it runs out while landing, judging, logging, publishing.
    `doing`: where it did, as the traceback that is kept says."""
    home = copy(published_once, tmp_path / "home")
    size = kilobytes(home / folder)
    disk = small_disk(size + room)
    shutil.move(home / folder, disk / folder)
    (home / folder).symlink_to(disk / folder)
    before = published(home)
    said = finish(start_loaded("run", "--home", home))
    assert said.code == 1, said
    assert _one_paragraph(said.err), said.err
    assert doing in (home / "last_error.txt").read_text()
    assert broken_extract(home) is None
    assert published(home) == before
    assert extract(home, "north_star")

    subprocess.run(["mount", "-o", f"remount,size={size + 60_000}k", str(disk)], check=True)
    assert here("run", "--home", home).code == 3
    assert not differences(everything(home), everything(undisturbed))


def test_files_that_cannot_grow(published_once: Path, undisturbed: Path, tmp_path: Path) -> None:
    home = copy(published_once, tmp_path / "home")
    before = published(home)
    said = finish(start("run", "--home", home, before=no_file_above(4096)))
    assert said.code == 1, said
    assert _one_paragraph(said.err), said.err
    assert published(home) == before
    assert broken_extract(home) is None
    assert here("run", "--home", home).code == 3
    assert not differences(everything(home), everything(undisturbed))
