"""`nsm init` by questions: a whole workshop typed in, wrong answers, steps back, a real terminal, an interruption."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import yaml
from homes import clean_environment
from landing_zone import Zone, event
from typer.testing import CliRunner, Result

from nsm_pipeline.cli import main as _  # noqa: F401 (registers the commands)
from nsm_pipeline.cli.app import State, app
from nsm_pipeline.playbook.loading import load_playbook

FRAME = ["shop", "", "Shop group", "#shop", "transaction", "Everybody gets it today.", "The parcel is there."]
ORDERS_BY = [
    "count_distinct",
    "order_placed",
    "order.placed",
    "status: string, amount: number",
    "account",
    "status = 'paid'",
    "",
]
YES = ["it does", "2"] * 7
NO = ["hardly", "0"] * 7
REVENUE = ["Revenue", "", "sum", "order_placed", "amount", "", ""]
# A target, and no outcome, slice, review date; not agreed yet.
REST = ["", "", "", "", ""]


def typed(home: Path, *lines: str, more: tuple[str, ...] = ()) -> Result:
    State.home, State.as_of = None, None
    return CliRunner().invoke(app, ["init", "--home", str(home), *more], input="".join(f"{line}\n" for line in lines))


WHOLE = [
    *FRAME,
    "Ordering accounts", "", *ORDERS_BY, *YES,
    *REVENUE, *NO,
    "",  # no more candidates
    "",  # the one proposed
    "It follows.",  # what speaks against revenue
    "5%",
    # breadth: none
    "", "We sell to everybody already.",
    # depth: a ratio
    "Orders per account", "", "ratio", "count", "order_placed", "", "",
    "count_distinct", "order_placed", "account", "", "", "Basket team", "",
    # frequency: a threshold
    "Frequent accounts", "", "count_entities", "order_placed", "account", "> 3", "", "4 weeks", "Loyalty team", "",
    # efficiency: a conversion
    "Quick orders", "", "conversion", "account", "page_viewed", "", "", "order_placed", "7 days", "", "Search team", "",
    # a danger
    "Orders that are never paid", "Open orders", "", "count", "order_placed", "status = 'open'", "", "", "3", "5", "",
    # outcomes
    "Accounts that come back", "", "retention", "order_placed", "account", "4", "", "",
    "1, 2", "2027-01-31", "yes",
]  # fmt: skip


def test_a_whole_workshop(tmp_path: Path) -> None:
    said = typed(tmp_path, *WHOLE)
    assert said.exit_code == 0, said.output
    text = (tmp_path / "playbook" / "shop.yaml").read_text()
    use_case = load_playbook(tmp_path / "playbook").use_cases["shop"]
    assert (use_case.title, use_case.game, use_case.status) == ("Shop", "transaction", "agreed")
    assert use_case.owner.contact == "#shop"
    assert use_case.north_star.metric == "ordering_accounts"
    assert use_case.growth_target == 0.05
    assert [one.dimension for one in use_case.inputs] == ["depth", "frequency", "efficiency"]
    assert [one.owner for one in use_case.inputs] == ["Basket team", "Loyalty team", "Search team"]
    assert use_case.without == {"breadth": "We sell to everybody already."}
    (counter,) = use_case.counter_metrics
    assert (counter.metric, counter.warn, counter.breach) == ("open_orders", 3, 5)
    assert use_case.outcomes == ("accounts_that_come_back",)
    assert use_case.slices == ("plan", "segment")
    assert str(use_case.review_by) == "2027-01-31"
    metrics = {name: metric.kind for name, metric in use_case.metrics.items()}
    assert metrics == {
        "ordering_accounts": "count_distinct",
        "orders_per_account": "ratio",
        "frequent_accounts": "count_entities",
        "quick_orders": "conversion",
        "open_orders": "count",
        "accounts_that_come_back": "retention",
    }
    assert use_case.events["order_placed"].sources[0].name == "order.placed"
    assert use_case.checklist.actionable == "it does"
    assert re.search(r"#\s+14  ordering_accounts – Ordering accounts \(chosen\)", text)
    assert re.search(r"#\s+0  revenue – Revenue\n#.*It follows\.", text)
    assert "of 14" in said.output


def test_wrong_answers_are_asked_again_with_a_hint(tmp_path: Path) -> None:
    lines = [
        "My Shop", *FRAME[:4], "tranaction", *FRAME[4:],
        "", "Ordering accounts", "", "cuont_distinct", "99",
        "count_distinct", "Order Placed", *ORDERS_BY[1:3], "amount: money",
        "account_id: string", *ORDERS_BY[3:5], "stauts = 'paid'", "status =", *ORDERS_BY[5:6],
        "four weeks", *ORDERS_BY[6:],
        "it does", "3", "2", *YES[2:], "", "x", "", "a lot", "",
    ]  # fmt: skip
    said = typed(tmp_path, *lines)
    for hint in (
        "Found 'My Shop'; a name is lower-case letters, digits and _, starting with a letter, as in my_shop.",
        "did you mean 'transaction'?",
        "An answer is needed here.",
        "did you mean 'count_distinct'?",
        "Found '99'",
        "Found 'Order Placed'; an event's name is lower-case",
        "Found 'money' for 'amount'",
        "Found 'account_id', which is taken",
        "did you mean 'status'?",
        "which does not parse",
        "a window is written as '4 weeks' or '28 days'",
        "Found '3'; 0, 1 or 2 is needed.",
        "Found 'x'",
        "Found 'a lot'; a share as 3%, or a number, is needed.",
    ):
        assert hint in said.output, f"{hint}\n{said.output}"


def test_back_takes_the_last_answers_back(tmp_path: Path) -> None:
    lines = ["<", *FRAME[:2], "Wrong group", "<", "<", "The Shop", "Shop group", *FRAME[3:], *WHOLE[7:]]
    said = typed(tmp_path, *lines)
    assert said.exit_code == 0, said.output
    assert "This is the first question." in said.output
    use_case = load_playbook(tmp_path / "playbook").use_cases["shop"]
    assert (use_case.title, use_case.owner.name) == ("The Shop", "Shop group")


def test_a_file_that_is_there_is_refused_at_the_name(tmp_path: Path) -> None:
    file = tmp_path / "playbook" / "shop.yaml"
    file.parent.mkdir()
    file.write_text("mine")
    said = typed(tmp_path, "shop", "shop_two", *WHOLE[1:])
    assert said.exit_code == 0, said.output
    assert "exists already and is left as it is" in said.output
    assert file.read_text() == "mine"
    assert (file.parent / "shop_two.yaml").is_file()


def test_answers_that_end_early_are_kept(tmp_path: Path) -> None:
    said = typed(tmp_path, *WHOLE[:40])
    assert said.exit_code != 0
    (draft,) = (tmp_path / "workshop").glob("*.yaml")
    assert str(draft) in str(said.exception)
    kept = yaml.safe_load(draft.read_text())
    assert kept["vision"] == "Everybody gets it today."
    assert kept["candidates"][0]["name"] == "ordering_accounts"
    assert not (tmp_path / "playbook").exists()


def test_events_that_have_landed_are_offered(zone: Zone) -> None:
    rows = [
        event(
            f"e{n}",
            properties={"state": ["paid", "open"][n % 2], "amount": -1 if n % 7 == 0 else n},
            event_name="Order Placed",
        )
        for n in range(60)
    ]
    zone.put("a.jsonl", rows)
    zone.put("b.jsonl", [event("x", event_name="page_viewed", properties={})])
    lines = [
        *FRAME, "1", "no",
        "Paid", "", "count_distinct", "1", "account", "state = 'paid'", "", *YES, "", "", "",
        *["", "none"] * 4, "", *REST,
    ]  # fmt: skip
    said = typed(zone.root, *lines)
    assert said.exit_code == 0, said.output
    assert "Order Placed" in said.output
    use_case = load_playbook(zone.home.playbook).use_cases["shop"]
    (placed,) = use_case.events.values()
    assert placed.sources[0].name == "Order Placed"
    assert placed.properties["state"].one_of == ("open", "paid")
    assert placed.properties["amount"].missing == ()  # as the person said


def _own_terminal() -> None:
    """Make it a process's controlling terminal, so that Ctrl-C typed there interrupts it: also where tests run in the
    background of a shell, which has its children ignore that."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """`nsm init` on a real pseudo-terminal."""

    def __init__(self, home: Path) -> None:
        self.leader, follower = pty.openpty()
        nsm = [sys.executable, "-c", "from nsm_pipeline.cli.main import main; main()"]
        self.process = subprocess.Popen(
            [*nsm, "init", "--home", str(home)],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=clean_environment(TERM="xterm", COLUMNS="120"),
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(follower)
        self.shown = ""

    def until(self, words: str, timeout: float = 60, again: str = "") -> None:
        """Read until something is shown after all that was waited for before; `again` is typed every ten seconds."""
        start, end, next_time = len(self.shown), time.monotonic() + timeout, time.monotonic() + 10
        while words not in self.shown[start:]:
            assert time.monotonic() < end, self.shown
            if again and time.monotonic() > next_time:
                self.type(again)
                next_time += 10
            if select.select([self.leader], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self.leader, 65536).decode(errors="replace")
                except OSError:
                    assert words in self.shown[start:], self.shown
                    return

    def type(self, line: str) -> None:
        os.write(self.leader, line.encode())


def test_a_real_terminal_and_ctrl_c(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.until("lower-case word")
    terminal.type("my shop\n")
    terminal.until("as in my_shop")
    terminal.type("my_shop\n")
    terminal.until("as people call it")
    terminal.type("My shop\n")
    terminal.until("Who answers")
    terminal.type("\x03")
    # Python forgets an interrupt that comes while it collects garbage: a person would press the keys again.
    terminal.until("What was said is kept in", again="\x03")
    assert terminal.process.wait(timeout=60) == 130
    (draft,) = (tmp_path / "workshop").glob("*.yaml")
    assert yaml.safe_load(draft.read_text()) == {"use_case": "my_shop", "title": "My shop"}
    assert "Traceback" not in terminal.shown
    os.close(terminal.leader)


@pytest.mark.parametrize("more", [("--json",), ("--event", "x")])
def test_options_that_need_another(tmp_path: Path, more: tuple[str, ...]) -> None:
    said = typed(tmp_path, more=more)
    assert "goes with" in str(said.exception)
