"""docs/replication.md, followed word for word: its commands and programs, with other ports."""

from __future__ import annotations

import re
import shlex
import socket
from contextlib import ExitStack

from .processes import ROOT, NodeProcess, in_step, run, until

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PORTS = ("7432", "7433")


def test_two_terminals() -> None:
    text = (ROOT / "docs" / "replication.md").read_text(encoding="utf-8")
    free = free_ports(len(PORTS))
    for port, other in zip(PORTS, free, strict=True):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{other}")
    running: dict[str, NodeProcess] = {}
    kept: list[NodeProcess] = []
    promoted = False
    with ExitStack() as stack:
        for kind, block in BLOCK.findall(text):
            if kind == "python":
                if not promoted:
                    until(lambda: in_step(kept[0]), "in step")
                exec(compile(block, "docs/replication.md", "exec"), {"print": check_printed(block)})
                continue
            for line in block.strip().splitlines():
                words = shlex.split(line)
                assert words.pop(0) == "tandemdb"
                if words[0] == "serve":
                    listen = words[words.index("--listen") + 1]
                    node = NodeProcess(*words[5:], name=words[2], listen=listen)
                    stack.callback(node.stop)
                    assert node.url == f"tandemdb://{listen}/world"
                    running[listen] = node
                    kept.append(node)
                    continue
                if words[0] == "promote":
                    kept.pop(0).kill()
                    promoted = True
                elif words[0] == "verify":
                    until(lambda: in_step(kept[0]), "in step")
                status, printed = run(*words)
                assert status == 0, f"{line}\n{printed}"
    assert len(running) == 2 and len(kept) == 2


def check_printed(block: str) -> object:
    """Return a print() that compares with the comments behind the block's own."""
    expected = iter(re.findall(r"print\(.*\)  # (.*)", block))

    def check(*values: object) -> None:
        assert " ".join(map(str, values)) == next(expected)

    return check


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
