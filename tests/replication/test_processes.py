"""Real processes: killed at random moments, promoted, brought back. No acknowledged commit is lost."""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

import tandemdb
from tandemdb.replication.errors import ReplicationError

from .clerk import SCRIPT, Clerk, check, has_begun
from .processes import in_step, run, start, until

KILLS = 20


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.sql"
    path.write_text(SCRIPT)
    return path


def test_the_primary_is_killed_again_and_again(running: ExitStack, script: Path) -> None:
    chance = random.Random(11)
    primary = start(running, "--load", str(script))
    secondary = start(running, "--secondary-of", primary.url)
    number = 1
    for _ in range(KILLS):
        until(partial(in_step, primary), "in step")
        clerk = Clerk(primary, number)
        clerk.start()
        until(partial(has_begun, clerk), "a first commit")
        time.sleep(chance.random() * 0.3)
        primary.kill()
        clerk.join(60)
        assert not clerk.is_alive() and clerk.acknowledged
        report = secondary.ask("promote")
        assert report["commits_missing"] == 0
        check(secondary, clerk, number)
        number = clerk.number + 10
        # The dead one starts again, empty, and becomes the secondary.
        primary, secondary = secondary, start(running, "--secondary-of", secondary.url)
    until(lambda: in_step(primary), "in step")
    status, text = run("verify", primary.url, secondary.url)
    assert status == 0, text
    assert primary.status()["epoch"] == KILLS + 1


def test_the_secondary_is_killed_again_and_again(running: ExitStack, script: Path) -> None:
    chance = random.Random(12)
    primary = start(running, "--load", str(script))
    number = 1
    for _ in range(3):
        secondary = start(running, "--secondary-of", primary.url, "--node", "standby")
        until(lambda: in_step(primary), "in step")
        clerk = Clerk(primary, number)
        clerk.start()
        time.sleep(0.05 + chance.random() * 0.2)
        secondary.kill()
        clerk.join(60)
        assert not clerk.is_alive()
        # Without it, commits are refused; what was acknowledged stands, what was in doubt was undone.
        connection = primary.connect()
        with pytest.raises(ReplicationError):
            with connection:
                connection.execute("INSERT INTO entry VALUES (?, 1, 1)", (1_000_000,))
        connection.close()
        check(primary, clerk, number)
        number = clerk.number + 10
    secondary = start(running, "--secondary-of", primary.url, "--node", "standby")
    until(lambda: in_step(primary), "in step")
    with primary.connect() as connection:
        connection.execute("INSERT INTO entry VALUES (?, 1, 5)", (1_000_000,))
    assert run("verify", primary.url, secondary.url)[0] == 0


def test_storage_only_has_no_sql(running: ExitStack, script: Path) -> None:
    primary = start(running, "--load", str(script))
    secondary = start(running, "--secondary-of", primary.url, "--storage-only")
    until(lambda: in_step(primary), "in step")
    with primary.connect() as connection:
        connection.execute("UPDATE account SET money = 0")
    until(lambda: secondary.status()["lsn"] == primary.status()["lsn"], "level")
    found = secondary.status()
    assert found["storage_only"] and "tandemdb.replication.node" in found["modules"]
    assert not [name for name in found["modules"] if name.startswith("tandemdb.planner")]
    assert not [name for name in found["modules"] if name in ("tandemdb.dbapi.remote", "tandemdb.dbapi.serving")]
    with pytest.raises(ReplicationError, match="storage only"):
        secondary.connect()
    assert run("verify", primary.url, secondary.url)[0] == 0
    primary.kill()
    status, text = run("promote", secondary.url)
    assert status == 0 and "epoch 2" in text
    assert secondary.status()["role"] == "primary"


def test_a_standby_is_warm_before_anybody_comes(running: ExitStack, script: Path) -> None:
    """What a first statement loads is loaded already, so that nobody waits for it after a failover."""
    primary = start(running, "--load", str(script))
    secondary = start(running, "--secondary-of", primary.url)
    until(lambda: "tandemdb.planner.change.update_delete" in secondary.status()["modules"], "it has loaded SQL")
    assert secondary.status()["clients"] == 0


def test_a_suspended_primary_is_fenced_when_it_wakes(running: ExitStack, script: Path) -> None:
    primary = start(running, "--load", str(script))
    secondary = start(running, "--secondary-of", primary.url)
    until(lambda: in_step(primary), "in step")
    clerk = Clerk(primary, 1)
    clerk.start()
    time.sleep(0.2)
    primary.suspend()
    assert secondary.ask("promote")["epoch"] == 2
    with secondary.connect() as connection:
        connection.execute("INSERT INTO account VALUES (4, 'Di', 0)")
    primary.resume()
    clerk.join(60)
    assert not clerk.is_alive()
    check(secondary, clerk, 1)
    until(lambda: primary.status()["role"] == "fenced", "fenced")
    with pytest.raises(tandemdb.OperationalError):
        with primary.connect() as connection:
            connection.execute("INSERT INTO account VALUES (5, 'Ed', 0)")
    status, text = run("follow", primary.url, secondary.url)
    assert status == 0, text
    until(lambda: in_step(secondary), "in step")
    assert run("verify", secondary.url, primary.url)[0] == 0


def test_an_asynchronous_primary_s_orphans_come_back(running: ExitStack, script: Path) -> None:
    primary = start(running, "--load", str(script))
    secondary = start(running, "--secondary-of", primary.url, "--mode", "async")
    until(lambda: secondary.status()["lsn"] == primary.status()["lsn"], "level")
    secondary.suspend()
    connection = primary.connect(isolation_level=None)
    for number in range(5):
        connection.execute("INSERT INTO entry VALUES (?, 1, 1)", (number,))
    primary.suspend()  # What is on its way may arrive; here nothing can be known of it.
    secondary.resume()
    report = secondary.ask("promote")
    primary.resume()
    until(lambda: primary.status()["role"] == "fenced", "fenced")
    assert run("follow", primary.url, secondary.url)[0] == 0
    until(lambda: in_step(secondary), "in step")
    lost = primary.status()["orphans"]
    assert lost == 5 - (report["lsn"] - 4)
    assert run("verify", secondary.url, primary.url)[0] == 0


def test_verify_lists_what_differs(running: ExitStack, tmp_path: Path, script: Path) -> None:
    other = tmp_path / "other.sql"
    other.write_text(SCRIPT.replace("'Bo', 1000", "'Bo', 999"))
    first, second = start(running, "--load", str(script)), start(running, "--load", str(other))
    status, text = run("verify", first.url, second.url)
    assert status == 1
    assert "account" in text and "(2, 'Bo', 1000)" in text and "(2, 'Bo', 999)" in text and "Ada" not in text
    status, text = run("verify", first.url, second.url + "x")
    assert status == 1 and "unknown database" in text


def test_commands_say_what_is_wrong(running: ExitStack, script: Path, tmp_path: Path) -> None:
    node = start(running, "--load", str(script))
    status, text = run("promote", node.url)
    assert status == 1 and "not a secondary" in text
    status, text = run("status", node.url)
    assert status == 0 and "primary, epoch 1" in text
    status, text = run("serve", "--name", "x", "--listen", "0.0.0.0:0")
    assert status == 1 and "without a secret or TLS" in text
    for options in (["--listen", node.listen], ["--listen", "127.0.0.1:0", "--metrics", node.listen]):
        status, text = run("serve", "--name", "x", *options)
        assert status == 1 and text.splitlines()[-1].startswith(f"tandemdb: unable to listen on {node.listen}: ")
        assert "attempting" not in text and "listening on" not in text
    status, text = run("follow", node.url, node.url)
    assert (status, text) == (1, "tandemdb: a node cannot follow itself\n")
    bad = tmp_path / "bad.sql"
    bad.write_text("SELECT 1;\nSELEC 2;\n")
    status, text = run("serve", "--name", "x", "--listen", "127.0.0.1:0", "--load", str(bad))
    assert status == 1 and "bad.sql:2" in text
    with socket.create_connection(tuple(node.listen.split(":")), 5) as connected:  # type: ignore[arg-type]
        connected.sendall(random.Random(1).randbytes(10_000))
    assert node.status()["role"] == "primary"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "a/b"], "not a name for a database: 'a/b'"),
        (["--required", "-1"], "required is a number of secondaries, not -1"),
        (["--min-sync", "-2"], "min_sync is a number of secondaries, not -2"),
        (["--lease", "0", "--coordinator", "file:c.json"], "a lease lasts for more than 0 seconds"),
        (["--coordinator", "file:{folder}/absent/c.json"], "not the address of a coordinator: "),
        (["--tls-cert", "{folder}/absent.pem"], "unable to read the TLS file: No such file or directory: "),
        (["--tls-cert", "{folder}/no.pem"], "unable to use the TLS certificate {folder}/no.pem: "),
        (["--tls-cert", "{folder}/no.pem", "--tls-key", "{folder}/no"], "unable to read the TLS file: No such file"),
        (["--backup-to", "sqlite:///{folder}/absent/b.db"], "unable to use {folder}/absent/b.db: unable to open"),
        (["--metrics", "here"], "not a host and port: here"),
    ],
)
def test_a_node_that_cannot_start_says_why(tmp_path: Path, options: list[str], message: str) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    options = [option.format(folder=tmp_path) for option in options]
    status, text = run("serve", "--name", "x", "--listen", "127.0.0.1:0", *options)
    told = [line for line in text.splitlines() if line.startswith("tandemdb: ")]
    assert status == 1 and told[0].startswith("tandemdb: " + message.format(folder=tmp_path))
    assert "Traceback" not in text


def test_a_node_begins_with_an_sqlite_file(running: ExitStack, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as file:
        file.executescript("CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'one')")
    node = start(running, "--load", str(tmp_path / "shop.db"), name="shop v1.2")
    assert node.url.endswith("/shop%20v1.2")
    with closing(node.connect()) as connection:
        assert connection.execute("SELECT b FROM t").fetchall() == [("one",)]
    assert run("status", node.url)[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_loads_can_be_stopped(tmp_path: Path, number: signal.Signals) -> None:
    begun = tmp_path / "begun.db"
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;"
    (tmp_path / "s.sql").write_text(f"ATTACH '{begun}' AS f; CREATE TABLE f.t(a);\n{endless}\n")
    command = [sys.executable, "-m", "tandemdb.cli", "serve", "--name", "x", "--listen", "127.0.0.1:0"]
    with subprocess.Popen([*command, "--load", str(tmp_path / "s.sql")], stderr=subprocess.PIPE, text=True) as process:
        try:
            until(begun.exists, "the script has begun")
            process.send_signal(number)
            assert process.communicate(timeout=60)[1] == ""
            assert process.returncode == 130
        finally:
            process.kill()


def test_with_a_secret(running: ExitStack, script: Path, tmp_path: Path) -> None:
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("correct horse battery staple")
    wrong.write_text("incorrect horse battery")
    primary = start(running, "--load", str(script), "--secret-file", str(secret))
    secondary = start(running, "--secondary-of", primary.url, "--secret-file", str(secret))
    connection = tandemdb.connect(f"{primary.url}?secret_file={secret}", isolation_level=None)
    connection.execute("UPDATE account SET money = 1")
    for url in (primary.url, f"{primary.url}?secret_file={wrong}"):
        with pytest.raises(ReplicationError, match="authentication failed"):
            tandemdb.connect(url)
    status, text = run("status", primary.url)
    assert status == 1 and "Hint: Give both sides the same secret file (--secret-file FILE" in text
    assert run("verify", primary.url, secondary.url, "--secret-file", str(secret))[0] == 0
