"""Drawings as PNG, half of them in a process of its own: a picture takes a twentieth of a second, in which vl-convert
lets no other thread of its process work, and another process half a second to start.

What belongs here: from SVG to PNG. What does not: the drawings (`pictures`). Run as a module it is that other process:
a list of drawings as JSON comes in, a list of pictures in base64 goes out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

import vl_convert

SCALE = 2.0
ALONE = 4
"""So many drawings are not worth the way to another process."""


def png(svg: str) -> bytes:
    """A drawing as PNG, at two dots per unit."""
    return bytes(vl_convert.svg_to_png(svg, scale=SCALE))


class Painters:
    """This process and another one, which starts when the block begins and is ready when there is something to paint:
    what is done before that costs it no time."""

    def __enter__(self) -> Painters:
        command = [sys.executable, "-m", __name__]
        # In a session of its own: Ctrl-C is for this process, which ends the other.
        self._other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._other.kill()
        self._other.__exit__(kind, error, at)

    def pngs(self, svgs: Sequence[str]) -> list[bytes]:
        """Drawings as PNG, in their order; once. Raises CalledProcessError where the other process fails."""
        if len(svgs) <= ALONE:
            return [png(svg) for svg in svgs]
        self._give(svgs[1::2])
        found = [b""] * len(svgs)
        found[0::2] = [png(svg) for svg in svgs[0::2]]
        found[1::2] = self._take()
        return found

    def _give(self, svgs: Sequence[str]) -> None:
        """All of them before anything is painted here: it reads to the end before it begins."""
        assert self._other.stdin is not None
        with suppress(BrokenPipeError), self._other.stdin as pipe:  # where it has failed, its exit code says so
            pipe.write(json.dumps(svgs).encode())

    def _take(self) -> list[bytes]:
        assert self._other.stdout is not None
        said = self._other.stdout.read()
        if code := self._other.wait():
            raise subprocess.CalledProcessError(code, self._other.args)
        return [b64decode(text) for text in json.loads(said)]


if __name__ == "__main__":
    if drawings := sys.stdin.read():
        json.dump([b64encode(png(svg)).decode() for svg in json.loads(drawings)], sys.stdout)
