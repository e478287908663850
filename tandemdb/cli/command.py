"""The command line: arguments in, exit status out. A sub-command's module is imported when it is called."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sqlite3
import sys
from collections.abc import Sequence

from tandemdb.cli import engine, stopping
from tandemdb.cli.node_arguments import add_node_commands
from tandemdb.cli.telling import FAILED, fail

FORMATS = ("table", "csv", "json", "jsonl", "line", "markdown", "insert")
BROKEN_PIPE = {errno.EPIPE, errno.EINVAL} if sys.platform == "win32" else {errno.EPIPE}
MISUSED = 2  # argparse's own
INTERRUPTED = 130  # what shells report for a program ended by Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (those of the process if None) and return its exit status."""
    try:
        status = run_command(arguments)
    except BaseException as error:
        if not (stopping.heard or isinstance(error, KeyboardInterrupt)):
            raise
        # Under `python -m`, Python takes an interrupt that has passed through code run from a text, as named tuples are
        # made, for one that nobody has caught, and would end by the signal. It forgets that with the next such code.
        exec("")
        return INTERRUPTED
    return INTERRUPTED if stopping.heard else status


def run_command(arguments: Sequence[str] | None) -> int:
    """As `main`, but that Ctrl-C is not heard."""
    set_encodings()
    parser = build_parser()
    options = parser.parse_args(arguments)
    if "command" not in options:
        parser.print_help(sys.stderr)
        return MISUSED
    try:
        status: int = options.command(options)
        sys.stdout.flush()
        return status
    except sqlite3.Error as error:  # The database could not be opened: what fails later is told where it fails.
        return fail(error)
    except OSError as error:
        if error.errno not in BROKEN_PIPE:
            raise
        # The reader (head, less) has gone: nothing to say, and nobody to flush the rest to at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def set_encodings() -> None:
    """Let files and pipes be UTF-8 on every platform, and show at a terminal what it has no character for escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not is_utf8(stream):
            told = stream.isatty() or "PYTHONIOENCODING" in os.environ
            stream.reconfigure(encoding=None if told else "utf-8", errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper) and not sys.stdin.isatty():
        # What is no UTF-8 gets through to where it can be said in which line it stands.
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")


def is_utf8(stream: io.TextIOWrapper) -> bool:
    return stream.encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tandemdb", description="An SQL database in RAM with live standbys.")
    parser.add_argument("--version", action=PrintVersion, nargs=0, help="print the version and leave")
    parser.epilog = 'What a command takes: "tandemdb COMMAND --help".'
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    add_run(commands)
    add_shell(commands)
    demo = commands.add_parser(
        "demo",
        help="see a database lose its primary and nothing else",
        description="Load a script into a database with a live standby, let the primary die, promote the standby, and "
        "compare. Exit status 1 if anything was lost.",
    )
    demo.set_defaults(command=demonstrate)
    add_node_commands(commands)
    return parser


def add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="run SQL scripts",
        description="Run SQL scripts, in order, on one database; exit status 1 when a statement fails.",
    )
    run.add_argument("scripts", nargs="+", metavar="SCRIPT.sql", help='a script, or "-" for standard input')
    add_database(run)
    run.add_argument("--mirror", action="store_true", help="attach a standby, and compare digests at the end")
    run.add_argument(
        "--bail", action=argparse.BooleanOptionalAction, default=True, help="stop at the first error (the default)"
    )
    run.add_argument("--timing", action="store_true", help="print how long queries and the whole took")
    run.add_argument("--format", choices=FORMATS, default="table", help="how to print results (default: table)")
    run.set_defaults(command=run_scripts)


def add_shell(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    shell = commands.add_parser(
        "shell",
        help="type SQL",
        description="Read SQL and dot commands from the terminal or standard input.",
        epilog='Inside, ".help" lists the dot commands.',
    )
    shell.add_argument("scripts", nargs="*", metavar="SCRIPT.sql", help="scripts to run first")
    add_database(shell)
    shell.set_defaults(command=open_shell)


def add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        default=engine.IN_MEMORY,
        metavar="DATABASE",
        help="path of an SQLite file, tandemdb://HOST:PORT/NAME, or a name (default: one in memory, gone at the end)",
    )


def run_scripts(options: argparse.Namespace) -> int:
    from tandemdb.cli import run

    asked = run.RunOptions(options.database, options.mirror, options.bail, options.timing, options.format)
    return run.run_scripts(options.scripts, asked)


def open_shell(options: argparse.Namespace) -> int:
    from tandemdb.cli import shell

    return shell.run_shell(options.scripts, options.database)


def demonstrate(options: argparse.Namespace) -> int:
    from tandemdb.cli import demo

    return demo.run_demo()


class PrintVersion(argparse.Action):
    """Prints the versions of tandemdb, of the SQLite it speaks, and of Python."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        import tandemdb

        try:
            number = version("tandemdb")
        except PackageNotFoundError:  # Run from a checkout that was never installed.
            number = "(not installed)"
        python = ".".join(map(str, sys.version_info[:3]))
        print(f"tandemdb {number} (SQLite {tandemdb.sqlite_version}, Python {python})")
        parser.exit()
