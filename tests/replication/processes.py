"""Node processes for tests: started as an operator would, waited for, and ended whatever happens."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tandemdb
from tandemdb.dbapi import nodes, stores
from tandemdb.replication.errors import LeaseLost
from tandemdb.testing import failpoints

from .ports import KeptPort

START_SECONDS = 120.0
END_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]
# Runs a module that takes nobody for lost who only stands still for a while.
PATIENT = ("tests.replication.patience",)


class NodeProcess:
    """`tandemdb serve` in a process of its own, which waits for others with patience.

    Where it is to choose its port, it gets one that nobody else is given until this object is gone.
    """

    def __init__(
        self,
        *arguments: str,
        name: str = "shop",
        listen: str = "127.0.0.1:0",
        failpoint: str = "",
        failpoint_file: str = "",
    ) -> None:
        module = "tandemdb.testing.failpoints" if failpoint or failpoint_file else "tandemdb.cli"
        if listen == "127.0.0.1:0":
            self.port = KeptPort()
            listen = str(self.port)
        self._start(
            [*PATIENT, module, "serve", "--name", name, "--listen", listen, *arguments],
            {**os.environ, failpoints.VARIABLE: failpoint, failpoints.FILE_VARIABLE: failpoint_file},
        )

    def _start(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_log, daemon=True).start()
        try:
            self.line = self._lines.get(timeout=START_SECONDS)
        except queue.Empty:
            self.line = ""
        if not self.line.startswith("listening on "):
            self.stop()
            raise AssertionError(f"the node did not start: {self.line} {''.join(self.log)}")
        self.url = self.line.split()[2]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)

    def next_line(self) -> str:
        """Return the next line that it prints."""
        return self._lines.get(timeout=START_SECONDS)

    @property
    def listen(self) -> str:
        return self.url.removeprefix("tandemdb://").partition("/")[0]

    def connect(self, **options: Any) -> tandemdb.Connection:
        return tandemdb.connect(self.url, **options)

    def ask(self, method: str, *arguments: Any) -> Any:
        return nodes.ask(self.url, None, method, *arguments)

    def status(self) -> dict[str, Any]:
        return dict(self.ask("status"))

    def kill(self) -> None:
        """End it as a power failure would."""
        self.process.kill()
        self.process.wait(END_SECONDS)

    @property
    def is_dead(self) -> bool:
        return self.process.poll() is not None

    def suspend(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(END_SECONDS)


class StoreProcess(NodeProcess):
    """`tandemdb store` in a process of its own; `url` is where it listens."""

    def __init__(self, listen: str, *arguments: str, name: str = "shop") -> None:
        self._start(["tandemdb.cli", "store", "--name", name, "--listen", listen, *arguments], dict(os.environ))

    def status(self) -> dict[str, Any]:
        return dict(stores.ask(self.url, "status"))


def start(running: ExitStack, *arguments: str, **options: str) -> NodeProcess:
    """Start a node that ends with the test; `running` is a fixture."""
    node = NodeProcess(*arguments, **options)
    running.callback(node.stop)
    return node


def start_named(running: ExitStack, name: str, *arguments: str) -> NodeProcess:
    return start(running, "--node", name, *arguments)


def run(*arguments: str) -> tuple[int, str]:
    """Run a command to its end; exit status and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *PATIENT, "tandemdb.cli", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=START_SECONDS,
    )
    return done.returncode, done.stdout


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def commit(node: NodeProcess, sql: str, *parameters: Any) -> None:
    """Commit one statement; a node that has stood still may have to renew its lease first."""

    def is_done() -> bool:
        try:
            connection.execute(sql, parameters)
        except LeaseLost:
            return False
        return True

    with node.connect(isolation_level=None) as connection:
        until(is_done, "it takes writes")
    connection.close()


def in_step(primary: NodeProcess, count: int = 1) -> bool:
    """Tell whether so many of a primary's nodes are; backup targets, which are named by URLs, are none."""
    nodes = [entry for entry in primary.status()["secondaries"] if "://" not in entry["name"]]
    return sum(entry["state"] == "in step" for entry in nodes) == count
