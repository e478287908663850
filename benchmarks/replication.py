"""What mirroring costs, as ratios measured side by side: `python -m benchmarks.replication [--quick]`.

    figure   A                                       B                                             gate
    F1       sync commit minus commit without        ping-pong of the same bytes, same sockets     <= 1.8
    F2       wait at COMMIT after 1,000 updates      after 1 update                                <= 3
    F4       UPDATE without mirroring                with an asynchronous node; 100-row batches    >= 0.80, 0.90
    F5       rate at which a secondary applies       rate of single-row SQL commits                >= 2
    F6       p99 of sync commits, a reader open      without                                       <= 1.3
    F7       catch-up by log, rows/s; by blocks with 1 % changed / snapshot                        >= 100,000, <= 0.10
    F9       promote to first accepted write, ms                                                   <= 200
    F12      fork() at 100,000 rows / at 1,000                                                     <= 2
    F13      digest's share of a commit                                                            <= 10 %

The secondary is another process. A and B alternate in rounds of some hundred operations; medians over the rounds are
compared, for absolute figures drift with whatever else the machine does.
"""

from __future__ import annotations

import argparse
import queue
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tandemdb
from tandemdb import replication
from tandemdb.dbapi import nodes

ROOT = Path(__file__).resolve().parents[1]
ROWS = 10_000
ECHO = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); s.setsockopt(6, 1, 1)
while (d := s.recv(65536)): s.sendall(d[:100])
"""


class StandBy:
    """A node process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tandemdb.cli", "serve", "--name", "bench", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()  # type: ignore[union-attr]
        self.url = lines.get(timeout=30).split()[2]

    def status(self) -> dict[str, Any]:
        return dict(nodes.ask(self.url, None, "status"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def make_connection(rows: int = ROWS, key: bool = False) -> tandemdb.Connection:
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER, c TEXT)")
    if key:
        connection.execute("CREATE INDEX i ON t (b)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, n, "x" * 20) for n in range(rows)])
    return connection


def update(connection: tandemdb.Connection, count: int) -> None:
    execute = connection.execute
    for number in range(count):
        execute("UPDATE t SET b = ? WHERE a = ?", (number, number * 7 % ROWS))


def update_batches(connection: tandemdb.Connection, count: int) -> None:
    for number in range(count // 100):
        rows = [(number, (number * 100 + row) % ROWS) for row in range(100)]
        connection.execute("BEGIN")
        connection.executemany("UPDATE t SET b = ? WHERE a = ?", rows)
        connection.execute("COMMIT")


def latencies(connection: tandemdb.Connection, count: int) -> list[float]:
    seconds = []
    for number in range(count):
        start = time.perf_counter()
        connection.execute("UPDATE t SET b = ? WHERE a = ?", (number, number * 7 % ROWS))
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class PingPong:
    """An echo in another process."""

    def __init__(self, size: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.process = subprocess.Popen([sys.executable, "-c", ECHO, str(listener.getsockname()[1])])
            self.socket, _ = listener.accept()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b"x" * size

    def latencies(self, count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            self.socket.sendall(self.data)
            self.socket.recv(65536)
            seconds.append(time.perf_counter() - start)
        return sorted(seconds)

    def close(self) -> None:
        self.socket.close()
        self.process.wait()


def middle(values: list[float]) -> float:
    return statistics.median(values)


def measure_synchronous(rounds: int) -> dict[str, float]:
    """F1, F2, F6."""
    standby, ping = StandBy(), PingPong(250)
    try:
        off, on = make_connection(), make_connection()
        replica = on.replicate_to(standby.url, mode="sync")
        gained, pings, bare, mirrored = [], [], [], []
        for _ in range(rounds):
            a, b, c = latencies(off, 200), latencies(on, 200), ping.latencies(200)
            bare.append(middle(a))
            mirrored.append(middle(b))
            pings.append(middle(c))
            gained.append((middle(b) - middle(a)) / middle(c))
        small, large = [], []
        for _ in range(rounds):
            for count, waits in ((1, small), (1000, large)):
                on.execute("BEGIN")
                on.executemany("UPDATE t SET b = b + 1 WHERE a = ?", [(row,) for row in range(count)])
                waits.append(seconds_of(lambda: on.execute("COMMIT")))
        without, with_reader = [], []
        reader = tandemdb.connect(standby.url)
        for _ in range(rounds):
            without.append(latencies(on, 200)[-2])
            rows = iter(reader.execute("SELECT * FROM t"))
            next(rows)
            with_reader.append(latencies(on, 200)[-2])
            list(rows)
        reader.close()
        replica.detach()
        return {
            "commit without mirroring, µs": middle(bare) * 1e6,
            "synchronous commit, µs": middle(mirrored) * 1e6,
            "ping-pong, µs": middle(pings) * 1e6,
            "F1 ping-pongs a synchronous commit": middle(gained),
            "F2 COMMIT after 1,000 updates / 1": middle(large) / middle(small),
            "F6 p99 with a reader / without": middle(with_reader) / middle(without),
        }
    finally:
        standby.close()
        ping.close()


def measure_asynchronous(rounds: int) -> dict[str, float]:
    """F4, F5."""
    standby = StandBy()
    try:
        off, on = make_connection(), make_connection()
        replica = on.replicate_to(standby.url, mode="async")
        single, batch = [], []
        for _ in range(rounds):
            single.append(seconds_of(lambda: update(off, 400)) / seconds_of(lambda: update(on, 400)))
            batch.append(seconds_of(lambda: update_batches(off, 2000)) / seconds_of(lambda: update_batches(on, 2000)))
        replica.detach()
        return {"F4 single-row throughput, of none": middle(single), "F4 100-row batches": middle(batch)}
    finally:
        standby.close()


def measure_catch_up(rounds: int) -> dict[str, float]:
    """F5, F7, F12, F13, in one process over the wire's bytes."""
    tails, blocks, snapshots, applies = [], [], [], []
    rows = 100_000
    for _ in range(max(3, rounds // 5)):
        primary, secondary = make_connection(rows, key=True), tandemdb.connect(":memory:")
        begin = time.perf_counter()
        replica = primary.replicate_to(secondary, mode="async", over_wire=True)
        replication.wait_for(secondary._database, primary.lsn, 60)
        snapshots.append(time.perf_counter() - begin)
        for statements in (0, 5000):
            replica.cut()
            begin = time.perf_counter()
            if statements:
                update(primary, statements)
            else:
                primary.execute("BEGIN")
                primary.executemany("UPDATE t SET c = 'y' WHERE a = ?", [(row,) for row in range(20_000)])
                primary.execute("COMMIT")
            committed = time.perf_counter() - begin
            replica.link.publisher.status()
            begin = time.perf_counter()
            replica.heal()
            replication.wait_for(secondary._database, primary.lsn, 60)
            taken = time.perf_counter() - begin
            if statements:
                applies.append(committed / taken)
            else:
                tails.append(20_000 / taken)
        replica.cut()
        primary.execute("BEGIN")
        primary.executemany("UPDATE t SET c = 'z' WHERE a = ?", [(row,) for row in range(0, rows, 12_800)])
        primary.execute("COMMIT")
        replica.status  # noqa: B018 -- lets the log take over the commit, which is then dropped
        replica.link.publisher.core.log.keep_above(primary.lsn)
        begin = time.perf_counter()
        replica.heal()
        replication.wait_for(secondary._database, primary.lsn, 60)
        blocks.append(time.perf_counter() - begin)
        primary.close()
        secondary.close()
    large, small = make_connection(rows), make_connection(1000)
    forks = [seconds_of(large.fork) / seconds_of(small.fork) for _ in range(200)]
    return {
        "F5 apply rate / commit rate": middle(applies),
        "F7 catch-up by log, rows/s": middle(tails),
        "F7 blocks, 1 % changed / snapshot": middle(blocks) / middle(snapshots),
        "F12 fork at 100,000 rows / 1,000": middle(forks),
        "F13 digest's share of a commit, %": 100 * measure_digest(rounds),
    }


def measure_digest(rounds: int) -> float:
    """The share of a commit that keeping the digest costs: a look at it after each."""
    with_digest, without = make_connection(), make_connection()
    with_digest.digest()
    shares = []
    for _ in range(rounds):
        a = seconds_of(lambda: [(update(with_digest, 1), with_digest.digest()) for _ in range(200)])
        b = seconds_of(lambda: [(update(without, 1), without.lsn) for _ in range(200)])
        shares.append((a - b) / a)
    return middle(shares)


def measure_promotion(rounds: int) -> dict[str, float]:
    """F9: from the operator's command, connected already, to the first write that returned."""
    taken = []
    for _ in range(max(3, rounds // 5)):
        standby = StandBy()
        primary = make_connection()
        replica = primary.replicate_to(standby.url, mode="sync")
        operator, client = nodes.operate(standby.url), tandemdb.connect(standby.url, isolation_level=None)
        time.sleep(3)  # A standby is not promoted in its first seconds, before it has warmed up.
        begin = time.perf_counter()
        operator.call("promote")
        client.execute("UPDATE t SET b = 0 WHERE a = 1")
        taken.append(time.perf_counter() - begin)
        replica._stopped.set()
        standby.close()
    return {"F9 promote to first write, ms": middle(taken) * 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 7 if parser.parse_args().quick else 25
    for measure in (measure_synchronous, measure_asynchronous, measure_catch_up, measure_promotion):
        for name, value in measure(rounds).items():
            print(f"{name:45} {value:12,.2f}")


if __name__ == "__main__":
    main()
