"""The arguments of the commands about nodes: serve, store, promote, follow, switchover, status, verify."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

MODES = ("sync", "async")
Commands = Any  # argparse's _SubParsersAction[ArgumentParser], which has no public name


def add_node_commands(commands: Commands) -> None:
    """Add the parsers of all commands about nodes."""
    add_serve(commands)
    add_operator(commands, "promote", "make a secondary the primary, and say what that may lose")
    follow = add_operator(commands, "follow", "make a running node a secondary of another")
    follow.add_argument("primary", metavar="PRIMARY_URL", help="whom it is to follow")
    add_secondary(follow)
    add_operator(commands, "suspend", "let a secondary stay at one commit, for reading at leisure")
    add_operator(commands, "resume", "let a suspended secondary follow its primary again")
    hand_over = add_operator(commands, "switchover", "hand a primary's place over to one of its secondaries")
    hand_over.add_argument("secondary", metavar="SECONDARY_URL", help="who is to lead")
    hand_over.add_argument("--mode", choices=MODES, default="sync", help="of the former primary (default: sync)")
    status = add_operator(commands, "status", "print what a node is and how far its secondaries are")
    status.add_argument("--json", action="store_true", help="print all there is, as JSON")
    text = "forward links between nodes that cannot reach each other"
    relay = commands.add_parser("relay", help=text, description=sentence(text))
    relay.add_argument("--listen", required=True, metavar="HOST:PORT", help="where to listen")
    relay.add_argument("--to", required=True, metavar="HOST:PORT", help="where the node listens")
    relay.set_defaults(command=call("relay"))
    text = "hold the blocks of a database that a node or program attached to it controls"
    store = commands.add_parser("store", help=text, description=sentence(text))
    store.add_argument("--listen", required=True, metavar="unix:PATH", help="where to listen, or 127.0.0.1:PORT")
    store.add_argument("--name", required=True, help="name of the database")
    store.add_argument("--secret-file", default="", metavar="FILE", help="holds what whoever attaches must know")
    store.set_defaults(command=call("store"))
    text = "compare two nodes, down to blocks and rows"
    verify = commands.add_parser("verify", help=text, description=f"{sentence(text)} Exit status 1 if they differ.")
    verify.add_argument("first", metavar="URL", help="one node's, tandemdb://HOST:PORT/NAME")
    verify.add_argument("second", metavar="URL", help="the other's")
    verify.add_argument(
        "--wait", type=seconds, default=5.0, metavar="SECONDS", help="for both to be at one LSN (default: 5)"
    )
    add_security(verify)
    verify.set_defaults(command=call("verify"))
    text = "mend a node's damaged blocks from another one"
    repair = commands.add_parser("repair", help=text, description=f"{sentence(text)} Exit status 1 if some are left.")
    repair.add_argument("url", metavar="URL", help="the node whose blocks are damaged, tandemdb://HOST:PORT/NAME")
    repair.add_argument("--source", required=True, metavar="URL", help="the node that has them whole")
    add_security(repair)
    repair.set_defaults(command=call("repair"))


def seconds(text: str) -> float:
    """Read how long to wait; argparse names this function where it is no such number."""
    value = float(text)
    if not value >= 0:
        raise ValueError
    return value


def add_serve(commands: Commands) -> None:
    serve = commands.add_parser(
        "serve", help="run a node", description="Serve a database to clients and to other nodes, until a signal."
    )
    serve.add_argument(
        "--listen", default="127.0.0.1:7432", metavar="HOST:PORT", help="where to listen (default: 127.0.0.1:7432)"
    )
    serve.add_argument("--name", required=True, help="name of the database")
    serve.add_argument("--node", default="", help="name of this node (default: the address it listens on)")
    serve.add_argument("--secondary-of", default="", metavar="URL", help="follow this primary, tandemdb://HOST:PORT/NAME")
    add_secondary(serve)
    serve.add_argument(
        "--load", default="", metavar="FILE", help="begin with what a script makes, or an SQLite file holds"
    )
    serve.add_argument(
        "--restore-from", default="", metavar="TARGET", help="start from this backup target: sqlite:///PATH, or a URL"
    )
    serve.add_argument(
        "--backup-to", default="", metavar="TARGET", help="write every commit, while a primary, to a backup target"
    )
    serve.add_argument("--backup-mode", choices=MODES, default="async", help="whether commits wait (default: async)")
    serve.add_argument(
        "--store", default="", metavar="unix:PATH", help="keep the blocks in this `tandemdb store`, and go on from it"
    )
    serve.add_argument("--storage-only", action="store_true", help="mirror and be promoted, but run no SQL")
    serve.add_argument(
        "--required",
        type=int,
        default=1,
        metavar="K",
        help="synchronous secondaries that must have a commit (default: 1)",
    )
    serve.add_argument(
        "--on-loss",
        choices=("wait", "refuse", "shrink", "degrade", "stop"),
        help="what becomes of commits when too few of them are there (default: shrink with a coordinator, else refuse)",
    )
    serve.add_argument(
        "--min-sync", type=int, default=0, metavar="K", help="how many must remain to go on without one (default: 0)"
    )
    serve.add_argument(
        "--on-lag",
        choices=("detach", "throttle", "reject"),
        default="detach",
        help="what becomes of commits when an asynchronous secondary is 64 MiB or 10 s behind (default: detach)",
    )
    serve.add_argument(
        "--acknowledge",
        choices=("none", "received", "applied", "visible"),
        default="applied",
        help="what a commit waits for, of synchronous secondaries (default: applied)",
    )
    serve.add_argument("--metrics", default="", metavar="HOST:PORT", help="where Prometheus may ask for metrics")
    add_coordination(serve)
    add_security(serve)
    serve.set_defaults(command=call("serve"))


def add_coordination(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--coordinator", default="", metavar="URL", help="what says who leads: etcd://HOST:PORT/PREFIX or file:PATH"
    )
    serve.add_argument(
        "--lease", type=float, default=3.0, metavar="SECONDS", help="until a silent primary is succeeded (default: 3)"
    )
    serve.add_argument(
        "--bootstrap", action="store_true", help="begin a new cluster, whatever the coordinator's record says"
    )
    serve.add_argument(
        "--advertise", default="", metavar="HOST:PORT", help="where others reach this node, if not where it listens"
    )


def add_operator(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=sentence(text))
    parser.add_argument("url", metavar="URL", help="the node's, tandemdb://HOST:PORT/NAME")
    add_security(parser)
    parser.set_defaults(command=call(name))
    return parser


def sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def add_secondary(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="sync",
        help="of a secondary: commits wait for it, or do not (default: sync)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="let a secondary lose data of its own that is of another origin"
    )


def add_security(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--secret-file", default="", metavar="FILE", help="holds what both sides of a link must know")
    parser.add_argument("--tls-cert", default="", metavar="FILE", help="this side's certificate, PEM")
    parser.add_argument("--tls-key", default="", metavar="FILE", help="its key")
    parser.add_argument("--tls-ca", default="", metavar="FILE", help="the authority that the other side's comes from")


def call(name: str) -> Callable[[argparse.Namespace], int]:
    """Return the command, which imports its module when it is called."""

    def command(options: argparse.Namespace) -> int:
        from tandemdb.cli import serve

        status: int = getattr(serve, name)(options)
        return status

    return command
