"""docs/replication.md, followed word for word: its commands and programs, with other ports, scene by scene."""

from __future__ import annotations

import re
import shlex
from contextlib import ExitStack
from pathlib import Path

import pytest

from .etcd_server import free_ports
from .processes import ROOT, NodeProcess, in_step, run, until

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
KILL = "kill the primary"
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
        if KILL in " ".join(prose.split()):
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
            until(lambda: in_step(primary), "in step", 30)
            if "coordination" in primary.status():
                until(lambda: len(primary.status()["coordination"]["sync_set"]) == 1, "on the record", 30)


@pytest.mark.parametrize("title", SCENES)
def test_the_page_is_true(title: str, tmp_path: Path) -> None:
    text = scene_text(title)
    for port, other in zip(SCENES[title], free_ports(2), strict=True):
        assert port in text
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{other}")
    text = text.replace("file:world.json", f"file:{tmp_path / 'world.json'}")
    with ExitStack() as stack:
        follower = Follower(stack)
        follower.follow(text)
        assert follower.kills == 1 and len(follower.kept) == 2
        follower.settle()


def check_printed(block: str) -> object:
    """Return a print() that compares with the comments behind the block's own."""
    expected = iter(re.findall(r"print\(.*\)  # (.*)", block))

    def check(*values: object) -> None:
        assert " ".join(map(str, values)) == next(expected)

    return check
