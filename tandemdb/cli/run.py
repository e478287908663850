"""`tandemdb run`: scripts, statement by statement.

    a.sql  b.sql                          standard output   results, in the format asked for
      |      |                            standard error    errors as file:line, timing, the progress bar
      +--> statements --> connection      exit status       0, or 1 when a statement failed or the digests differ
                              | every commit (--mirror)
                              v
                           standby

All scripts run on one connection, in order. Without --mirror nothing else is attached to it.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from tandemdb.cli import engine
from tandemdb.cli.output import Style, write_answer
from tandemdb.cli.progress import ProgressBar
from tandemdb.cli.script import NotAScript, Statement, read_script, statements
from tandemdb.cli.telling import message_of, place_of, tell


@dataclass(slots=True)
class RunOptions:
    """What the command line asks for."""

    database: str = engine.IN_MEMORY
    mirror: bool = False
    bail: bool = True
    timing: bool = False
    form: str = "table"
    style: Style = Style()
    out: TextIO | None = None  # None: standard output.


@dataclass(slots=True)
class Tally:
    """What came of the scripts so far."""

    statements: int = 0
    failures: int = 0
    seconds: float = 0.0


def run_scripts(paths: Sequence[str], options: RunOptions) -> int:
    """Run scripts on one database and return the exit status."""
    connection = engine.connect(options.database)
    standby = mirror(connection) if options.mirror else None
    tally = Tally()
    for path in paths:
        if tally.failures and options.bail:
            break
        run_script(connection, path, options, tally)
    end_transaction(connection, paths[-1])
    if options.timing:
        changes = f"{connection.total_changes:,} rows changed"
        tell(f"{tally.statements:,} statements, {changes}, {tally.seconds:.3f} s in the database")
    same = compare_digests(connection, standby) if standby is not None else True
    for opened in filter(None, (standby, connection)):
        opened.close()
    return 0 if same and not tally.failures else 1


def mirror(connection: Any) -> Any:
    """Attach a standby in this process to the database and return its connection."""
    standby = engine.connect(engine.IN_MEMORY)
    connection.replicate_to(standby, mode="sync")
    return standby


def run_script(connection: Any, path: str, options: RunOptions, tally: Tally) -> None:
    """Run one script up to its first failure, or all of it if options.bail is off."""
    try:
        text = read_script(path)
    except (OSError, NotAScript) as error:
        tell(f"{path}: {error.strerror or error if isinstance(error, OSError) else message_of(error)}")
        tally.failures += 1
        return
    with ProgressBar(path, len(text)) as bar:
        for statement in statements(path, text):
            if not run_statement(connection, statement, options, tally, bar) and options.bail:
                return
            bar.advance(statement.end)


def run_statement(
    connection: Any, statement: Statement, options: RunOptions, tally: Tally, bar: ProgressBar | None = None
) -> bool:
    """Run one statement, print what it returns, and say whether it succeeded."""
    tally.statements += 1
    start = time.perf_counter()
    try:
        cursor = engine.execute(connection, statement.sql)
        tally.seconds += time.perf_counter() - start
        if cursor.description:
            if bar is not None:
                bar.hide()
            write_answer(cursor, statement.sql, options.out or sys.stdout, options.form, options.style)
            if options.timing:
                tell(f"{statement.path}:{statement.line}: {1000 * (time.perf_counter() - start):.2f} ms")
    except sqlite3.Error as error:
        if bar is not None:
            bar.hide()
        tally.failures += 1
        tell(statement.describe(message_of(error), place_of(error)))
        if statement.sql.startswith("."):
            tell("  Hint: Commands that begin with a dot are the shell's: tandemdb shell < SCRIPT")
        return False
    except Exception as error:  # Not the script's fault: keep the traceback, but say where it came from.
        error.add_note(f"while running {statement.describe('')}")
        raise
    return True


def end_transaction(connection: Any, path: str) -> None:
    """Roll back what the scripts left open, and say so: it would be lost in silence."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
        tell(f"{path}: the script ended inside a transaction, which was rolled back")


def compare_digests(connection: Any, standby: Any) -> bool:
    """Print the digests of a database and its standby, and return whether they are equal."""
    digests = connection.digest(), standby.digest()
    equal = bool(digests[0] == digests[1])
    print(f"primary digest {as_hexadecimal(digests[0])}")
    print(f"standby digest {as_hexadecimal(digests[1])}")
    print("equal" if equal else "DIFFERENT: the standby does not hold what the primary holds")
    return equal


def as_hexadecimal(digest: Any) -> str:
    return f"{digest:016x}" if isinstance(digest, int) else str(digest)
