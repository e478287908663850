"""How long a cluster is without a primary: `python -m benchmarks.failover [--rounds N] [--lease S] [--rows N] [etcd]`.

    F10      kill -9 of the primary to the first accepted write, by a client that knows both addresses    <= 1.5 leases

    primary (killed) | lease lapses ...... | lease taken, digest recomputed, record changed | client finds it, writes

Each round has two processes with a coordinator, and ends with the roles exchanged. The moment of the kill is drawn at
random, for the lease was renewed a moment ago or a while. A loaded machine adds to it; what counts is the share.
"""

from __future__ import annotations

import argparse
import queue
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import tandemdb
from tandemdb.dbapi import nodes

ROOT = Path(__file__).resolve().parents[1]
WAIT_SECONDS = 60.0


class Member:
    """A node process with a coordinator."""

    def __init__(self, coordinator: str, lease: float, listen: str = "127.0.0.1:0") -> None:
        self.arguments = (coordinator, lease)
        command = [sys.executable, "-m", "tandemdb.cli", "serve", "--name", "bench", "--listen", listen]
        self.process = subprocess.Popen(
            [*command, "--coordinator", coordinator, "--lease", str(lease)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()  # type: ignore[union-attr]
        self.url = lines.get(timeout=WAIT_SECONDS).split()[2]

    @property
    def listen(self) -> str:
        return self.url.removeprefix("tandemdb://").partition("/")[0]

    def status(self) -> dict[str, Any]:
        return dict(nodes.ask(self.url, None, "status"))

    def await_heir(self) -> None:
        """Wait until the record names a secondary."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.status()["coordination"]["sync_set"]:
            if time.monotonic() > deadline:
                raise SystemExit("no secondary got into step")
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def again(self) -> Member:
        """Start it again, empty."""
        return Member(*self.arguments, listen=self.listen)


def measure(coordinator: str, lease: float, rounds: int, rows: int, chance: random.Random) -> list[float]:
    """Kill the primary again and again; returns the seconds until a write was accepted."""
    primary = Member(coordinator, lease)
    secondary = Member(coordinator, lease)
    url = f"tandemdb://{primary.listen},{secondary.listen}/bench"
    taken = []
    try:
        connection = tandemdb.connect(url, WAIT_SECONDS, isolation_level=None)
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t (b) VALUES (?)", [(f"row {number}",) for number in range(rows)])
        connection.execute("COMMIT")
        connection.close()
        for number in range(rounds):
            primary.await_heir()
            time.sleep(chance.random() * lease)
            primary.kill()
            killed = time.monotonic()
            write(url, number)
            taken.append(time.monotonic() - killed)
            primary, secondary = secondary, primary.again()
    finally:
        for member in (primary, secondary):
            member.kill()
    return taken


def write(url: str, number: int) -> None:
    """Write through whoever leads, as soon as somebody does."""
    while True:
        try:
            connection = tandemdb.connect(url, WAIT_SECONDS, isolation_level=None)
            connection.execute("INSERT INTO t (b) VALUES (?)", (f"after {number}",))
            connection.close()
            return
        except tandemdb.OperationalError:
            continue


def start_etcd(folder: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start an etcd of one member."""
    if shutil.which("etcd") is None:
        raise SystemExit("etcd is not installed")
    with socket.create_server(("127.0.0.1", 0)) as client, socket.create_server(("127.0.0.1", 0)) as peer:
        ports = [listener.getsockname()[1] for listener in (client, peer)]
    there, peers = (f"http://127.0.0.1:{port}" for port in ports)
    process = subprocess.Popen(
        ["etcd", "--data-dir", folder, "--listen-client-urls", there, "--advertise-client-urls", there,
         "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", ports[0]), 1).close()
            return process, f"etcd://127.0.0.1:{ports[0]}/bench"
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit("etcd did not start") from None
            time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a cluster is without a primary.")
    parser.add_argument("coordinator", nargs="?", choices=("file", "etcd"), default="file")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = None
        url = f"file:{folder}/bench.json"
        if options.coordinator == "etcd":
            server, url = start_etcd(f"{folder}/etcd")
        try:
            taken = measure(url, options.lease, options.rounds, options.rows, random.Random(options.seed))
        finally:
            if server is not None:
                server.kill()
                server.wait()
    shares = [seconds / options.lease for seconds in taken]
    print(f"F10 by {options.coordinator}, lease {options.lease:g} s, {options.rows:,} rows, {len(taken)} kills:")
    print(f"  median {statistics.median(taken):.2f} s, worst {max(taken):.2f} s = {max(shares):.2f} leases (gate 1.5)")


if __name__ == "__main__":
    main()
