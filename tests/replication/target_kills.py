"""Programs with a backup target, ended by SIGKILL: the next one goes on from the target, with what was acknowledged.

    python -m tests.replication.target_kills --seed 1 --kills 200 [--target postgresql]

    program    "pending DIGEST"  COMMIT  "committed DIGEST" ...  killed at any moment
    here       what a database started from the target holds is the last committed, or the pending one
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random

import tandemdb
from tandemdb.replication import ReplicationError

from .postgres_server import PostgresServer
from .target_workload import Workload, dump

ROOT = Path(__file__).parents[2]
NOTHING = "nothing"


def kill_often(url: str, seed: int, kills: int, mode: str = "sync") -> int:
    """Kill so many programs, one after the other; return how many commits they have made."""
    random = Random(f"kills {seed}")
    committed, allowed, count = NOTHING, {NOTHING}, 0
    for number in range(kills):
        command = [sys.executable, "-m", "tests.replication.target_kills", "--program", url, "--mode", mode]
        program = subprocess.Popen(
            [*command, "--seed", str(seed * 1000 + number)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert program.stdout is not None
        first = program.stdout.readline()  # It has begun.
        assert first.startswith("started "), first
        assert first.split()[1] in allowed, f"kill {number} of seed {seed}: not what was committed"
        committed = first.split()[1]
        timer = threading.Timer(random.uniform(0.0, 0.4), program.kill)
        timer.start()
        lines = [line.split() for line in program.stdout if line.endswith("\n")]
        program.wait(120)
        timer.join()
        assert program.returncode == -9, f"the program has ended by itself: {lines[-3:]}"
        states = [committed]
        pending = ""
        for word, state in lines:
            if word == "committed":
                states.append(state)
                count += 1
                pending = ""
            elif word == "pending":
                pending = state
        # An asynchronous feed is behind by any number of commits.
        allowed = {states[-1]} if mode == "sync" else {*states}
        allowed |= {pending} - {""}
        if committed == NOTHING:
            allowed.add(EMPTY)
    return count


EMPTY = hashlib.sha256(b"application_id: (0,)\nuser_version: (0,)").hexdigest()


def digest(connection: tandemdb.Connection) -> str:
    return hashlib.sha256("\n".join(dump(connection)).encode()).hexdigest()


def run_program(url: str, seed: int, mode: str) -> None:
    """Go on from the target, or begin, and write until somebody ends it."""
    try:
        connection = tandemdb.restore_from(url, isolation_level=None)
    except ReplicationError:
        connection = tandemdb.connect(":memory:", isolation_level=None)
        print("started", NOTHING, flush=True)
    else:
        print("started", digest(connection), flush=True)
    connection.replicate_to(url, mode)
    workload = Workload(connection, Random(seed), typed=not url.startswith("sqlite:///"))
    workload.number = seed % 1000 * 1000
    while True:
        workload.transaction()
        print("pending", digest(connection), flush=True)
        try:
            connection.execute("COMMIT")
        except ReplicationError:
            connection.execute("ROLLBACK")
        print("committed", digest(connection), flush=True)
        time.sleep(0.001)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.replication.target_kills")
    parser.add_argument("--program", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--mode", default="sync", choices=("sync", "async"))
    parser.add_argument("--target", default="sqlite", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    if options.program:
        run_program(options.program, options.seed, options.mode)
    elif options.target == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            count = kill_often(f"sqlite:///{folder}/backup.db", options.seed, options.kills, options.mode)
            print(f"{options.kills} kills, {count} commits")
    else:
        server = PostgresServer()
        try:
            count = kill_often(server.url(), options.seed, options.kills, options.mode)
            print(f"{options.kills} kills, {count} commits")
        finally:
            server.close()


if __name__ == "__main__":
    main()
