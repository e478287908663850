"""Failpoints: a node that kills itself, as `kill -9` would, when it gets to a named point of the protocol.

    TANDEMDB_FAILPOINT="primary.after_send:3" python -m tandemdb.testing.failpoints serve --name shop ...

runs `tandemdb serve` and ends it with SIGKILL the third time it has sent something. With TANDEMDB_FAILPOINT_FILE set,
the point is read from that file when the process gets SIGUSR1, and counted from then on. The production code has no
hook for this: the methods named in POINTS are wrapped when this module is told to, and at no other time.
"""

from __future__ import annotations

import functools
import importlib
import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

VARIABLE = "TANDEMDB_FAILPOINT"
FILE_VARIABLE = "TANDEMDB_FAILPOINT_FILE"


class Point(NamedTuple):
    """Before or after which method; `module` is one below `tandemdb.replication`."""

    module: str
    owner: str
    method: str
    before: bool


POINTS = {
    "primary.mid_transaction": Point("publisher", "Publisher", "stream", False),
    "primary.before_completion": Point("core.primary", "Primary", "complete", True),
    "primary.before_send": Point("network.transport", "Channel", "send_bytes", True),
    "primary.after_send": Point("network.transport", "Channel", "send_bytes", False),
    "primary.before_acknowledgement": Point("core.primary", "Primary", "_acknowledged", True),
    "primary.after_acknowledgement": Point("core.primary", "Primary", "_acknowledged", False),
    "primary.before_install": Point("pipeline", "Pipeline", "_install", True),
    "primary.after_install": Point("core.primary", "Primary", "installed", False),
    "primary.mid_snapshot": Point("core.primary", "Primary", "_next_image", False),
    "secondary.before_apply": Point("core.blocks", "", "apply_all", True),
    "secondary.after_apply": Point("core.blocks", "", "apply_all", False),
    "secondary.before_acknowledgement": Point("follower", "Follower", "_answer", True),
    "secondary.after_acknowledgement": Point("follower", "Follower", "_answer", False),
    "secondary.before_install": Point("core.unseen", "Unseen", "show", True),
    "secondary.after_install": Point("core.unseen", "Unseen", "show", False),
    "secondary.mid_snapshot": Point("core.secondary", "Secondary", "_take_transfer", False),
}


def install(text: str, die: Callable[[], None]) -> None:
    """Call `die` at a point: its name, or `name:n` for the n-th time it is reached.

    Raises:
        ValueError: there is no such point.
    """
    name, _, number = text.partition(":")
    if name not in POINTS:
        raise ValueError(f"unknown failpoint {name!r}; there are {', '.join(POINTS)}")
    point = POINTS[name]
    module = importlib.import_module(f"tandemdb.replication.{point.module}")
    owner = getattr(module, point.owner) if point.owner else module
    method = getattr(owner, point.method)
    remaining = int(number or 1)

    @functools.wraps(method)
    def reach(*arguments: Any, **options: Any) -> Any:
        nonlocal remaining
        if not point.before:
            answer = method(*arguments, **options)
        remaining -= 1
        if remaining == 0:
            die()
        return method(*arguments, **options) if point.before else answer

    setattr(owner, point.method, reach)
    takes = getattr(module, "TAKES", {})  # Methods that are looked up by what they take.
    for kind, function in takes.items():
        if function is method:
            takes[kind] = reach


def kill_this_process() -> None:
    """End as a power failure would."""
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


if __name__ == "__main__":
    chosen = os.environ.get(VARIABLE)
    if chosen:
        install(chosen, kill_this_process)
    file = os.environ.get(FILE_VARIABLE)
    if file and hasattr(signal, "SIGUSR1"):
        told = Path(file)
        signal.signal(signal.SIGUSR1, lambda *_: install(told.read_text(encoding="utf-8"), kill_this_process))
    sys.argv[0] = "tandemdb"
    runpy.run_module("tandemdb.cli", run_name="__main__")
