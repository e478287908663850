"""What mirroring costs, as ratios measured side by side: `python -m benchmarks.replication [--quick] [--json FILE]`.

    figure   A                                       B                                             gate
    F1       sync commit minus commit without        ping-pong of the same bytes, same sockets     <= 1.8
             the two processes on a core each, as on two machines; on one core; where the system puts them;
             the ping-pong's sides sleep in recv(), as an implementation that does nothing about it would
    F2       wait at COMMIT after 1,000 updates      after 1 update                                <= 3
    F3       32 threads over a link of 2 ms           one thread                                    >= 10
    F4       UPDATE without mirroring                with an asynchronous node; 100-row batches    >= 0.80, 0.90
    F5       commits a secondary applies in a second  of single-row SQL commits, of which it has the log
             of its processor's time                   of the primary, mirroring: it cannot fall behind   >= 2
    F6       p99 of sync commits, a reader open      without                                       <= 1.3
    F7       catch-up by log, rows/s; by blocks with 1 % changed / snapshot                        >= 100,000, <= 0.10
    F8       records/s of a snapshot                 of decoding the same blocks                   >= 0.4
    F9       promote to first accepted write, ms                                                   <= 200
    F11      longest pause of a writer in a planned switchover, ms; transactions failed    <= 20 ping-pongs + 50 ms; 0
    F12      fork() at 100,000 rows / at 1,000                                                     <= 2
    F13      digest's share of a commit                                                            <= 10 %
    F15      memory gained while a snapshot is shipped under writes / size of the data            <= 0.5

The secondary is another process. A and B alternate in rounds of some hundred operations; medians over the rounds are
compared, for absolute figures drift with whatever else the machine does.
"""

from __future__ import annotations

import argparse
import itertools
import os
import queue
import select
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
from benchmarks.report import write_figures
from tandemdb import replication
from tandemdb.dbapi import nodes
from tandemdb.replication.core.catch_up import images
from tandemdb.replication.core.messages import Epoch, Frame
from tandemdb.replication.network import wire
from tandemdb.replication.network.address import read_address

ROOT = Path(__file__).resolve().parents[1]
names = itertools.count()
others: list[tandemdb.Connection] = []
ROWS = 10_000
# What a commit of one row sends; its acknowledgement has 60.
COMMIT_BYTES = 110
ECHO = """
import select, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); s.setsockopt(6, 1, 1)
p = select.poll(); p.register(s, 1)
looks = sys.argv[2] == "looks"
while True:
    while looks and not p.poll(0): pass
    if not (d := s.recv(65536)): break
    s.sendall(d[:60])
"""


PROXY = """
import sys
from tandemdb.testing.fault_proxy import FaultProxy, StreamFaults
proxy = FaultProxy(sys.argv[1], int(sys.argv[2])); proxy.start()
print(proxy.port, flush=True)
while line := sys.stdin.readline(): proxy.set_faults(StreamFaults(delay_seconds=float(line))); print(line, flush=True)
"""


class SlowLink:
    """A fault proxy in a process of its own, as the network is: it takes nothing from the threads that commit."""

    def __init__(self, host: str, port: int) -> None:
        command = [sys.executable, "-c", PROXY, host, str(port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def delay(self, seconds: float) -> None:
        """Let everything take so long in each direction from now on."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(seconds, file=self.process.stdin, flush=True)
        self.process.stdout.readline()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class StandBy:
    """A node process."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tandemdb.cli", "serve", "--name", "bench", "--listen", "127.0.0.1:0"]
        command += arguments
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()  # type: ignore[union-attr]
        self.url = lines.get(timeout=30).split()[2]

    def status(self) -> dict[str, Any]:
        return dict(nodes.ask(self.url, None, "status"))

    def cpu_seconds(self) -> float:
        """The processor's time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_for(self, lsn: int) -> None:
        while self.status()["lsn"] < lsn:
            time.sleep(0.02)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def make_connection(rows: int = ROWS, key: bool = False, shared: bool = False) -> tandemdb.Connection:
    """Make a database; `shared`: with a second connection, as those have that are mirrored for others to read."""
    name = f":memory:bench {next(names)}" if shared else ":memory:"
    connection = tandemdb.connect(name, isolation_level=None)
    if shared:
        others.append(tandemdb.connect(name))
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
    """An echo in another process; both sides sleep until something comes, or keep looking."""

    def __init__(self, size: int, looks: bool = False) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            command = [sys.executable, "-c", ECHO, str(listener.getsockname()[1]), "looks" if looks else "sleeps"]
            self.process = subprocess.Popen(command)
            self.socket, _ = listener.accept()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b"x" * size
        self.looks = looks
        self.poll = select.poll()
        self.poll.register(self.socket, select.POLLIN)

    def latencies(self, count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            self.socket.sendall(self.data)
            while self.looks and not self.poll.poll(0):
                pass
            self.socket.recv(65536)
            seconds.append(time.perf_counter() - start)
        return sorted(seconds)

    def close(self) -> None:
        self.socket.close()
        self.process.wait()


def pin(process: int, core: int | None) -> None:
    """Let all threads of a process run on one core; None: on any."""
    if hasattr(os, "sched_setaffinity"):
        cores = set(range(os.cpu_count() or 1)) if core is None else {core}
        for thread in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(thread), cores)


def middle(values: list[float]) -> float:
    return statistics.median(values)


def measure_synchronous(rounds: int) -> dict[str, float]:
    """F1, F2, F6."""
    standby, ping = StandBy(), PingPong(COMMIT_BYTES)
    try:
        off, on = make_connection(), make_connection()
        replica = on.replicate_to(standby.url, mode="sync")
        figures: dict[str, float] = {}
        for place, here, there in (("one core", 0, 0), ("wherever", None, None), ("a core each", 0, 1)):
            pin(os.getpid(), here if (os.cpu_count() or 1) > 1 else None)
            for other in (standby, ping):
                pin(other.process.pid, there if (os.cpu_count() or 1) > 1 else None)
            gained, pings, bare, mirrored = [], [], [], []
            for _ in range(rounds):
                a, b, c = latencies(off, 200), latencies(on, 200), ping.latencies(200)
                bare.append(middle(a))
                mirrored.append(middle(b))
                pings.append(middle(c))
                gained.append((middle(b) - middle(a)) / middle(c))
            figures |= {
                f"commit without mirroring, µs, {place}": middle(bare) * 1e6,
                f"synchronous commit, µs, {place}": middle(mirrored) * 1e6,
                f"ping-pong, µs, {place}": middle(pings) * 1e6,
                f"F1 ping-pongs a synchronous commit, {place}": middle(gained),
            }
        # Commits that follow each other fast are waited for by looking, so what that alone gains is told, too.
        looked = measure_looking(rounds)
        figures |= {
            "ping-pong of sides that look, µs, a core each": looked * 1e6,
            "synchronous commit in those": (middle(mirrored) - middle(bare)) / looked,
        }
        small, large = [], []
        for _ in range(rounds):
            for count, waits in ((1, small), (1000, large)):
                on.execute("BEGIN")
                on.executemany("UPDATE t SET b = b + 1 WHERE a = ?", [(row,) for row in range(count)])
                waits.append(seconds_of(lambda: on.execute("COMMIT")))
        without, with_reader = [], []
        reader = tandemdb.connect(standby.url)
        for _ in range(rounds):
            without.append(latencies(on, 1000)[-10])
            rows = iter(reader.execute("SELECT * FROM t"))
            next(rows)
            with_reader.append(latencies(on, 1000)[-10])
            list(rows)
        reader.close()
        replica.detach()
        return figures | {
            "F2 COMMIT after 1,000 updates / 1": middle(large) / middle(small),
            "F6 p99 with a reader / without": middle(with_reader) / middle(without),
        }
    finally:
        standby.close()
        ping.close()
        pin(os.getpid(), None)


def measure_looking(rounds: int) -> float:
    """Measure a ping-pong of two sides, on a core each, that keep looking for the other's answer."""
    ping = PingPong(COMMIT_BYTES, looks=True)
    try:
        pin(ping.process.pid, 1 if (os.cpu_count() or 1) > 1 else None)
        return middle([middle(ping.latencies(200)) for _ in range(rounds)])
    finally:
        ping.close()


def measure_group_commit(rounds: int) -> dict[str, float]:
    """F3."""
    standby = StandBy()
    address = read_address(standby.url)
    link = SlowLink(address.host, address.port)
    name = "group commit"
    opened = [
        tandemdb.connect(f":memory:{name}", timeout=60.0, isolation_level=None, check_same_thread=False)
        for _ in range(32)
    ]
    try:
        opened[0].execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)")
        opened[0].executemany("INSERT INTO t VALUES (?, 0)", [(row,) for row in range(64)])
        replica = opened[0].replicate_to(str(address.with_port(link.port)), mode="sync")
        link.delay(0.001)

        def work(connection: tandemdb.Connection, row: int, count: int) -> None:
            for _ in range(count):
                connection.execute("UPDATE t SET b = b + 1 WHERE a = ?", (row,))

        def run(threads: int, count: int) -> float:
            started = [
                threading.Thread(target=work, args=(connection, row, count))
                for row, connection in enumerate(opened[:threads])
            ]
            taken = seconds_of(lambda: [[each.start() for each in started], [each.join() for each in started]])
            return threads * count / taken

        ratios = [run(32, 40) / run(1, 60) for _ in range(max(3, rounds // 3))]
        replica._stopped.set()
        return {"F3 32 threads / 1 over a link of 2 ms": middle(ratios)}
    finally:
        for connection in opened:
            connection.close()
        link.close()
        standby.close()


def measure_switchover(rounds: int) -> dict[str, float]:
    """F11."""
    first, ping = StandBy("--node", "first"), PingPong(250)
    second = StandBy("--node", "second", "--secondary-of", first.url)
    client = tandemdb.connect(first.url, timeout=30.0, isolation_level=None, check_same_thread=False)
    client.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)")
    client.execute("INSERT INTO t VALUES (1, 0)")
    failures, pauses, stop = [], [], threading.Event()
    longest = [0.0]

    def write() -> None:
        while not stop.is_set():
            try:
                taken = seconds_of(lambda: client.execute("UPDATE t SET b = b + 1 WHERE a = 1"))
                longest[0] = max(longest[0], taken)
            except tandemdb.Error as error:
                failures.append(str(error))

    while not any(entry["state"] == "in step" for entry in first.status()["secondaries"]):
        time.sleep(0.01)
    writer = threading.Thread(target=write)
    writer.start()
    leading, other = first, second
    for _ in range(max(3, rounds // 3)):
        time.sleep(0.3)
        longest[0] = 0.0
        nodes.ask(leading.url, None, "hand_over", other.url, "sync")
        time.sleep(0.1)
        pauses.append(longest[0])
        leading, other = other, leading
        while not any(entry["state"] == "in step" for entry in leading.status()["secondaries"]):
            time.sleep(0.01)
    stop.set()
    writer.join()
    client.close()
    pings = middle(ping.latencies(500))
    for process in (first, second, ping):
        process.close()
    return {
        "F11 longest pause in a switchover, ms": middle(pauses) * 1000,
        "F11 20 ping-pongs + 50 ms": 20 * pings * 1000 + 50,
        "F11 transactions failed": len(failures),
    }


def measure_snapshot(rounds: int) -> dict[str, float]:
    """F8, F15."""
    rows = 200_000
    before = resident()
    primary = make_connection(rows)
    gained = resident() - before
    root = primary.snapshot().root
    parts = [
        wire.encode(Frame(0, Epoch(1), number, message))
        for number, message in enumerate(images(root, 0, None, None))
    ]

    # Freed memory may have been used again for the data: they take no less than their bytes on the wire.
    size = max(gained, sum(map(len, parts)))

    def decode() -> int:
        decoder = wire.Decoder()
        # Kept, as a secondary keeps them: what is freed at once is made in memory that the caches still hold.
        return len([list(decoder.feed(part)) for part in parts])

    ratios, extra = [], []
    for _ in range(max(3, rounds // 5)):
        decoding = seconds_of(decode)
        standby = StandBy()
        operator = nodes.operate(standby.url)
        start = time.perf_counter()
        replica = primary.replicate_to(standby.url, mode="async")
        while operator.call("status").value["lsn"] == 0:
            time.sleep(0.002)
        ratios.append(decoding / (time.perf_counter() - start))
        replica.detach()
        standby.close()
        standby = StandBy()
        begin = resident()
        highest, done = [begin], threading.Event()

        def watch(highest: list[int] = highest, done: threading.Event = done) -> None:
            while not done.wait(0.002):
                highest[0] = max(highest[0], resident())

        watcher = threading.Thread(target=watch)
        watcher.start()
        replica = primary.replicate_to(standby.url, mode="async")
        while standby.status()["lsn"] == 0:
            update(primary, 50)
        done.set()
        watcher.join()
        extra.append((highest[0] - begin) / size)
        replica.detach()
        standby.close()
    primary.close()
    return {"F8 snapshot rate / decoding": middle(ratios), "F15 memory gained / data": middle(extra)}


def resident() -> int:
    """Bytes of this process that are in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure_asynchronous(rounds: int) -> dict[str, float]:
    """F4, F5."""
    figures: dict[str, float] = {}
    for shared, name in ((True, "a database that others open"), (False, "a private one")):
        standby = StandBy()
        try:
            off, on = make_connection(shared=shared), make_connection(shared=shared)
            replica = on.replicate_to(standby.url, mode="async")
            standby.wait_for(on.lsn)
            for form, change, count in (("single-row", update, 2_000), ("100-row batches", update_batches, 10_000)):
                ratios = []
                for _ in range(rounds):
                    taken = seconds_of(lambda: change(off, count))  # noqa: B023
                    ratios.append(taken / seconds_of(lambda: change(on, count)))  # noqa: B023
                # What is gathered of the last round is not to be paid for by what is measured next.
                standby.wait_for(on.lsn)
                figures[f"F4 {form}, throughput of none, {name}"] = middle(ratios)
            if not shared:
                rates = [apply_rate(on, standby) for _ in range(max(3, rounds // 5))]
                figures["F5 apply rate / commit rate"] = middle(rates)
            replica.detach()
        finally:
            standby.close()
    return figures


def apply_rate(on: tandemdb.Connection, standby: StandBy) -> float:
    """How many times faster a node applies commits than its primary makes them, by the time that its process needs."""
    count = 100_000
    standby.wait_for(on.lsn)
    used = standby.cpu_seconds()
    committed = seconds_of(lambda: update(on, count))
    standby.wait_for(on.lsn)
    return committed / max(0.01, standby.cpu_seconds() - used)


def measure_catch_up(rounds: int) -> dict[str, float]:
    """F7, F12, F13, in one process over the wire's bytes."""
    tails, blocks, snapshots = [], [], []
    rows = 100_000
    for _ in range(max(3, rounds // 5)):
        primary, secondary = make_connection(rows, key=True), tandemdb.connect(":memory:")
        begin = time.perf_counter()
        replica = primary.replicate_to(secondary, mode="async", over_wire=True)
        replication.wait_for(secondary._database, primary.lsn, 60)
        snapshots.append(time.perf_counter() - begin)
        replica.cut()
        primary.execute("BEGIN")
        primary.executemany("UPDATE t SET c = 'y' WHERE a = ?", [(row,) for row in range(20_000)])
        primary.execute("COMMIT")
        replica.link.publisher.status()
        begin = time.perf_counter()
        replica.heal()
        replication.wait_for(secondary._database, primary.lsn, 60)
        tails.append(20_000 / (time.perf_counter() - begin))
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
        "F7 catch-up by log, rows/s": middle(tails),
        "F7 blocks, 1 % changed / snapshot": middle(blocks) / middle(snapshots),
        "F12 fork at 100,000 rows / 1,000": middle(forks),
    } | measure_digest(rounds)


def measure_digest(rounds: int) -> dict[str, float]:
    """F13: the share of a commit that goes to the digest, once it is known, and with a look at it after each."""
    known, asked, without = (make_connection(shared=True) for _ in range(3))
    known.digest()
    asked.digest()
    kept_up, looked_at = [], []
    for _ in range(rounds):
        a = seconds_of(lambda: update(known, 400))
        b = seconds_of(lambda: update(without, 400))
        kept_up.append((a - b) / a)
        a = seconds_of(lambda: [(update(asked, 1), asked.digest()) for _ in range(200)])
        b = seconds_of(lambda: [(update(without, 1), without.lsn) for _ in range(200)])
        looked_at.append((a - b) / a)
    return {
        "F13 digest's share of a commit, %": 100 * middle(kept_up),
        "F13 digest's share of a commit and a look at it, %": 100 * middle(looked_at),
    }


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
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    rounds = 7 if options.quick else 25
    figures: dict[str, float] = {}
    for measure in (
        measure_synchronous,
        measure_asynchronous,
        measure_catch_up,
        measure_promotion,
        measure_switchover,
        measure_group_commit,
        measure_snapshot,
    ):
        for name, value in measure(rounds).items():
            print(f"{name:60} {value:12,.2f}", flush=True)
            figures[name] = value
    if options.json is not None:
        write_figures(options.json, figures)


if __name__ == "__main__":
    main()
