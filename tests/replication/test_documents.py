"""docs/replication.md, followed word for word: its commands and programs, with other ports, scene by scene."""

from __future__ import annotations

import re
import shlex
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

import tandemdb

from .ports import KeptPort
from .processes import ROOT, NodeProcess, in_step, run, until

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
KILL = "kill the primary"
STOP = "stop the secondary, start"
STOP_BOTH = "stop both nodes, the secondary first"
SCENES = {"Two terminals": ("7432", "7433"), "Failover by itself": ("7442", "7443")}


def scene_text(title: str) -> str:
    """The text below one heading."""
    page = (ROOT / "docs" / "replication.md").read_text(encoding="utf-8")
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


class Follower:
    """Does what the page says, in order: starts nodes, runs programs and commands, kills the primary when told to."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.kept: list[NodeProcess] = []  # the primary first
        self.kills = 0

    def follow(self, text: str) -> None:
        place = 0
        for block in BLOCK.finditer(text):
            self.read(text[place : block.start()])
            place = block.end()
            if block[1] == "python":
                self.settle()
                exec(compile(block[2], "docs/replication.md", "exec"), {"print": check_printed(block[2])})
            else:
                for line in block[2].strip().splitlines():
                    self.command(line)
        self.read(text[place:])

    def read(self, prose: str) -> None:
        prose = " ".join(prose.split()).lower()
        if STOP in prose:
            self.kept.pop(1).stop()
        if STOP_BOTH in prose:
            for node in reversed(self.kept):
                node.stop()
            self.kept.clear()
        if KILL in prose:
            self.settle()
            self.kept.pop(0).kill()
            self.kills += 1

    def command(self, line: str) -> None:
        words = shlex.split(line)
        assert words.pop(0) == "tandemdb"
        if words[0] == "serve":
            self.serve(words)
            return
        self.settle()
        status, printed = run(*words)
        assert status == 0, f"{line}\n{printed}"
        if words[0] == "switchover":
            self.kept.reverse()

    def serve(self, words: list[str]) -> None:
        assert (words[1], words[3]) == ("--name", "--listen")
        node = NodeProcess(*words[5:], name=words[2], listen=words[4])
        self.stack.callback(node.stop)
        assert node.url == f"tandemdb://{words[4]}/world"
        expected = f"secondary of {self.kept[0].url}" if self.kept else "primary"
        assert node.line == f"listening on {node.url} as {expected}\n"
        self.kept.append(node)

    def settle(self) -> None:
        """A reader's pause: the standby is in step, and on the record if there is one."""
        if len(self.kept) == 2:
            primary = self.kept[0]
            until(lambda: in_step(primary), "in step")
            if "coordination" in primary.status():
                until(lambda: len(primary.status()["coordination"]["sync_set"]) == 1, "on the record")


@pytest.mark.parametrize("title", SCENES)
def test_the_page_is_true(title: str, tmp_path: Path) -> None:
    text = scene_text(title)
    kept = [KeptPort(), KeptPort()]
    for port, other in zip(SCENES[title], kept, strict=True):
        assert port in text
        text = text.replace(f"127.0.0.1:{port}", str(other))
    text = text.replace("file:world.json", f"file:{tmp_path / 'world.json'}")
    with ExitStack() as stack:
        follower = Follower(stack)
        follower.follow(text)
        assert follower.kills == 1 and len(follower.kept) == 2
        follower.settle()


class Writer(threading.Thread):
    """Writes through whichever node leads until it is told to stop, or fails."""

    def __init__(self, *nodes: NodeProcess) -> None:
        super().__init__(daemon=True)
        self.url = f"tandemdb://{','.join(node.listen for node in nodes)}/world"
        self.stopping = threading.Event()
        self.done = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        connection = tandemdb.connect(self.url, timeout=60, isolation_level=None)
        try:
            while not self.stopping.wait(0.01):
                connection.execute("INSERT INTO visit VALUES (?)", (self.done,))
                self.done += 1
        except tandemdb.Error as error:
            self.failure = error
        finally:
            connection.close()


class Upgrader(Follower):
    """Follows the page with a program that writes, until it is told that both nodes stop."""

    writer: Writer

    def read(self, prose: str) -> None:
        if STOP_BOTH in " ".join(prose.split()):
            self.stop_writing()
        super().read(prose)

    def stop_writing(self) -> None:
        self.writer.stopping.set()
        self.writer.join(60)
        assert self.writer.failure is None and not self.writer.is_alive()


def test_the_page_is_true_of_upgrading(tmp_path: Path) -> None:
    """With one version for both: what another one would say of the first is in `test_versions.py`."""
    text = scene_text("Upgrading").replace("sqlite:///world.db", f"sqlite:///{tmp_path / 'world.db'}")
    kept = [KeptPort(), KeptPort()]
    ports = {port: other.number for port, other in zip(SCENES["Two terminals"], kept, strict=True)}
    begin = ["--load examples/world.sql", "--secondary-of tandemdb://127.0.0.1:7432/world"]
    first, second = (
        f"tandemdb serve --name world --listen 127.0.0.1:{port} {options}"
        for port, options in zip(ports, begin, strict=True)
    )
    for port, other in ports.items():
        text, first, second = (each.replace(f":{port}", f":{other}") for each in (text, first, second))
    with ExitStack() as stack:
        upgrader = Upgrader(stack)
        upgrader.command(first)
        upgrader.command(second)
        with upgrader.kept[0].connect() as connection:
            connection.execute("CREATE TABLE visit (number INTEGER PRIMARY KEY)")
        connection.close()
        upgrader.settle()
        upgrader.writer = Writer(*upgrader.kept)
        upgrader.writer.start()
        stack.callback(upgrader.writer.stopping.set)
        upgrader.follow(text)
        upgrader.settle()
        primary, secondary = upgrader.kept
        assert (primary.listen, secondary.listen) == tuple(f"127.0.0.1:{port}" for port in ports.values())
        with primary.connect() as connection:
            rows = connection.execute("SELECT number FROM visit ORDER BY number").fetchall()
            assert [number for (number,) in rows] == list(range(upgrader.writer.done)) and rows
            assert connection.execute("SELECT count(*) > 0 FROM country").fetchone() == (1,)
        connection.close()
        status, printed = run("verify", primary.url, secondary.url)
        assert status == 0, printed


def check_printed(block: str) -> object:
    """Return a print() that compares with the comments behind the block's own."""
    expected = iter(re.findall(r"print\(.*\)  # (.*)", block))

    def check(*values: object) -> None:
        assert " ".join(map(str, values)) == next(expected)

    return check
