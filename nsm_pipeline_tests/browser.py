"""A page as a reader has it: in a real browser, with what it asked for, what it complained of, and the axe audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

CHROMIUM = "/usr/bin/chromium"
Scheme = Literal["light", "dark"]


@dataclass
class Read:
    """An open page. `asked`: addresses beside its own; `complaints`: what its console says, and failed
    scripts."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """What the axe audit finds, one line per rule and place."""
        found = Axe().run(self.page).response["violations"]
        return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as player:
        opened = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


def read(opened: Browser, file: Path, scheme: Scheme = "light", width: int = 1280, height: int = 900) -> Read:
    """A file opened in a colour scheme, without a network: whatever else it asks for is noted and refused."""
    page = opened.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
    found = Read(page)

    def ask(route: Route) -> None:
        if route.request.url == file.as_uri():
            return route.continue_()
        found.asked.append(route.request.url)
        return route.abort()

    page.route("**/*", ask)
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.goto(file.as_uri())
    return found
