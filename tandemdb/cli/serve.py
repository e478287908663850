"""`tandemdb serve`, `store`, `promote`, `follow`, `switchover`, `status`, `verify`: nodes, and what is asked of them.

    serve     loads a script if told to, listens, prints one line when it is ready, and runs until a signal
    promote   states what may be lost, and does it               follow   makes a running node a secondary
    status    what a node is and how far its secondaries are     verify   0: equal at one LSN, 1: the differences

Exit status: 0 done, 1 not done or not equal, 2 the command line is wrong; 130 when Ctrl-C or SIGTERM came before a node
was ready.
"""

from __future__ import annotations

import argparse
import json
import logging
import sqlite3
import sys
import time
from typing import Any

from tandemdb.cli import stopping
from tandemdb.cli.output import Style, write_table
from tandemdb.cli.telling import complain, fail

FOLLOW_SECONDS = 2.0


def serve(options: argparse.Namespace) -> int:
    """Run a node until SIGTERM or Ctrl-C."""
    stopping.hear()
    from tandemdb.dbapi import nodes

    if options.load and (options.secondary_of or options.storage_only):
        complain("--load needs a primary that runs SQL: its secondaries get the data from it")
        return 2
    if options.restore_from and (options.secondary_of or options.storage_only or options.load):
        complain("--restore-from needs a primary that runs SQL, and no --load")
        return 2
    if options.backup_to and options.storage_only:
        complain("--backup-to needs a node that runs SQL")
        return 2
    if options.coordinator and options.secondary_of:
        complain("with --coordinator a node finds out itself whom to follow: leave --secondary-of out")
        return 2
    log_events()
    store = metrics = None
    try:
        # Who comes later to a cluster with a coordinator gets the data from its primary.
        begins = options.load or options.restore_from
        is_first = not (begins and options.coordinator and not options.bootstrap) or not nodes.has_record(
            options.coordinator
        )
        if options.load and is_first:
            store = load(options.name, options.load)
            if store is None:
                return 1
        node = nodes.serve(
            options.name,
            options.listen,
            secondary_of=options.secondary_of,
            mode=options.mode,
            security=security_of(options),
            storage_only=options.storage_only,
            overwrite=options.overwrite,
            node=options.node,
            limits=limits_of(options),
            coordinator=options.coordinator,
            lease_seconds=options.lease,
            bootstrap=options.bootstrap,
            advertise=options.advertise,
            restore=options.restore_from if is_first else "",
            backup=options.backup_to,
            backup_mode=options.backup_mode,
            apart=options.store,
        )
    except sqlite3.Error as error:
        return fail(error)
    if options.metrics:
        try:
            metrics = nodes.serve_metrics(node, options.metrics)
        except sqlite3.Error as error:
            node.stop()
            return fail(error)
    found = node.status()
    role = found["role"]
    if role == "secondary":
        role = f"secondary of {found['following']['primary']}"
    ready = [f"listening on {node.address} as {role}"]
    if metrics is not None:
        ready.append(f"metrics on http://{metrics.host}:{metrics.port}/metrics")
    stopping.run_until_stopped("\n".join(ready))
    if metrics is not None:
        metrics.stop()
    node.stop()
    if store is not None:
        store.close()
    return 0


def relay(options: argparse.Namespace) -> int:
    """Forward links until SIGTERM or Ctrl-C."""
    stopping.hear()
    from tandemdb.dbapi import nodes

    log_events()
    try:
        forwarding = nodes.relay(options.listen, options.to)
    except sqlite3.Error as error:
        return fail(error)
    stopping.run_until_stopped(f"relaying {forwarding.host}:{forwarding.port} to {options.to}")
    forwarding.stop()
    return 0


def store(options: argparse.Namespace) -> int:
    """Hold a database's blocks until SIGTERM or Ctrl-C."""
    stopping.hear()
    from tandemdb.dbapi import stores

    log_events()
    try:
        kept = stores.keep(options.name, options.listen, options.secret_file)
    except sqlite3.Error as error:
        return fail(error)
    stopping.run_until_stopped(f"listening on {kept.address} as store")
    kept.stop()
    return 0


def log_events() -> None:
    """Let events go to standard error."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")


def load(name: str, path: str) -> Any:
    """Fill the store that will be served; returns the connection that holds it, None if the script failed.

    Raises:
        sqlite3.Error: it is an SQLite file, and cannot be read.
    """
    from tandemdb.cli import engine
    from tandemdb.cli.run import RunOptions, Tally, run_script
    from tandemdb.cli.script import is_sqlite_file

    connection = engine.connect(f":memory:{name}")
    if is_sqlite_file(path):
        engine.restore_from_file(connection, path)
        return connection
    tally = Tally()
    run_script(connection, path, RunOptions(name), tally)
    if tally.failures:
        return None
    return connection


def promote(options: argparse.Namespace) -> int:
    """Promote a secondary."""
    from tandemdb.dbapi import nodes

    try:
        operator = nodes.operate(options.url, security_of(options))
        following = operator.call("status").value.get("following")
        if following is not None:
            print(describe_risk(following), flush=True)
        report = operator.call("promote").value
        operator.close()
    except sqlite3.Error as error:
        return fail(error)
    print(f"promoted: epoch {report['epoch']} begins after LSN {report['lsn']}, digest {report['digest']:016x}")
    if report["pending_installed"]:
        print(f"LSN {report['pending_installed']} was acknowledged and not yet shown: it stands")
    if report["commits_missing"]:
        print(f"{report['commits_missing']} commits that the former primary had announced are not here")
    return 0


def describe_risk(following: dict[str, Any]) -> str:
    """Say what a promotion may lose."""
    known, here = following["primary_lsn"], following["received"]
    place = f"This secondary holds LSN {here}; the last it has heard of is {max(known, here)}."
    if following["linked"]:
        place += " Its primary is still linked: it would take no more writes."
    if following["state"] == "detached":
        return f"{place} It was suspended or detached: commits that its primary acknowledged after LSN {here} are lost."
    if following["mode"] == "sync":
        return (
            f"{place} It is synchronous: no commit that its primary has acknowledged can be missing, unless the "
            "primary was told to continue alone, or other secondaries acknowledged in its place."
        )
    return f"{place} It is asynchronous: commits that its primary acknowledged after LSN {here} are lost."


def follow(options: argparse.Namespace) -> int:
    """Make a running node a secondary of another."""
    from tandemdb.dbapi import nodes

    security = security_of(options)
    try:
        nodes.ask(options.url, security, "follow", options.primary, options.mode, options.overwrite)
        reason = await_link(options.url, security)
    except sqlite3.Error as error:
        return fail(error)
    follows = f"{options.url.partition('?')[0]} follows {options.primary.partition('?')[0]}"
    if reason:
        complain(f"{follows}, but is not linked to it, and goes on trying: {reason}")
        return 1
    print(follows)
    return 0


def await_link(url: str, security: Any) -> str:
    """Wait a little for a secondary to be linked to its primary; returns why it is not, "" if it is."""
    from tandemdb.dbapi import nodes

    deadline = time.monotonic() + FOLLOW_SECONDS
    while True:
        following = nodes.ask(url, security, "status").get("following")
        if following is None or following["linked"]:
            return ""
        if time.monotonic() >= deadline:
            return str(following["reason"] or "no answer")
        time.sleep(0.02)


def suspend(options: argparse.Namespace) -> int:
    """Let a secondary stay at one commit."""
    from tandemdb.dbapi import nodes

    try:
        lsn = nodes.ask(options.url, security_of(options), "suspend")
    except sqlite3.Error as error:
        return fail(error)
    print(f"{options.url.partition('?')[0]} stays at LSN {lsn}; its primary counts on it no longer")
    return 0


def resume(options: argparse.Namespace) -> int:
    """Let a suspended secondary follow its primary again."""
    from tandemdb.dbapi import nodes

    try:
        nodes.ask(options.url, security_of(options), "resume")
    except sqlite3.Error as error:
        return fail(error)
    print(f"{options.url.partition('?')[0]} follows again")
    return 0


def switchover(options: argparse.Namespace) -> int:
    """Hand a primary's place over to a secondary."""
    from tandemdb.dbapi import nodes

    try:
        report = nodes.ask(options.url, security_of(options), "hand_over", options.secondary, options.mode)
    except sqlite3.Error as error:
        return fail(error)
    print(f"{options.secondary.partition('?')[0]} leads: epoch {report['epoch']} begins after LSN {report['lsn']}")
    return 0


def status(options: argparse.Namespace) -> int:
    """Print a node's status."""
    from tandemdb.dbapi import nodes

    try:
        found = nodes.ask(options.url, security_of(options), "status")
    except sqlite3.Error as error:
        return fail(error)
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for line in nodes.draw(found):
        print(line)
    return 0


def verify(options: argparse.Namespace) -> int:
    """Compare two nodes."""
    from tandemdb.dbapi import nodes

    try:
        found = nodes.verify(options.first, options.second, security_of(options), options.wait)
    except sqlite3.Error as error:
        return fail(error)
    if found.are_equal:
        print(f"equal at LSN {found.lsns[0]}: digest {found.digests[0]:016x}")
        return 0
    print(f"first:  LSN {found.lsns[0]}, epoch {found.epochs[0]}, digest {found.digests[0]:016x}")
    print(f"second: LSN {found.lsns[1]}, epoch {found.epochs[1]}, digest {found.digests[1]:016x}")
    if found.differences:
        rows = [
            (one.name, one.block, written(one.key), one.kind, written(one.first), written(one.second))
            for one in found.differences
        ]
        write_table(("table", "block", "key", "difference", "first", "second"), iter(rows), sys.stdout, Style(null=""))
    if found.has_more:
        print("... and more")
    return 1


def written(value: object) -> str | None:
    """Write a key or a record as Python would, and nothing where there is none."""
    return None if value is None else repr(value)


def repair(options: argparse.Namespace) -> int:
    """Mend a node's damaged blocks from another one."""
    from tandemdb.dbapi import nodes

    try:
        damaged, mended = nodes.repair(options.url, options.source, security_of(options))
    except sqlite3.Error as error:
        return fail(error)
    if not damaged:
        print("no block is damaged")
        return 0
    print(f"{len(damaged)} blocks are damaged, {len(mended)} of them mended")
    for table, number in damaged:
        if [table, number] not in mended:
            print(f"block {number} of table {table} is not: the other node holds something else, or another commit")
    return 0 if len(mended) == len(damaged) else 1


def security_of(options: argparse.Namespace) -> Any:
    """Return what the options say about secret and certificates."""
    from tandemdb.dbapi.nodes import make_security

    return make_security(options.secret_file, options.tls_ca, options.tls_cert, options.tls_key)


def limits_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the options say about a primary's limits."""
    return {
        "required": options.required,
        "on_loss": options.on_loss,
        "min_sync": options.min_sync,
        "on_lag": options.on_lag,
        "acknowledge": options.acknowledge,
    }
