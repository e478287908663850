"""`tandemdb run`: scripts, statement by statement.

    a.sql  b.sql                          standard output   results, in the format asked for
      |      |                            standard error    errors as file:line, timing, the progress bar
      +--> statements --> connection      exit status       0, or 1 when a statement failed or the digests differ
                              | every commit (--mirror)
                              v
                           backup

All scripts run on one connection, in order. Without --mirror nothing else is attached to it.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tandemdb.cli import engine
from tandemdb.cli.output import draw_plan, is_plan, write_result
from tandemdb.cli.progress import ProgressBar
from tandemdb.cli.script import Statement, read_script, statements


@dataclass(slots=True)
class RunOptions:
    """What the command line asks for."""

    database: str = ":memory:"
    mirror: bool = False
    bail: bool = True
    timing: bool = False
    form: str = "table"


@dataclass(slots=True)
class Tally:
    """What came of the scripts so far."""

    statements: int = 0
    failures: int = 0
    seconds: float = 0.0


def run_scripts(paths: Sequence[str], options: RunOptions) -> int:
    """Run scripts on one database and return the exit status."""
    connection = engine.connect(options.database)
    backup = mirror(connection) if options.mirror else None
    tally = Tally()
    for path in paths:
        if tally.failures and options.bail:
            break
        run_script(connection, path, options, tally)
    end_transaction(connection, paths[-1])
    if options.timing:
        changes = f"{connection.total_changes:,} rows changed"
        tell(f"{tally.statements:,} statements, {changes}, {tally.seconds:.3f} s in the database")
    same = compare_digests(connection, backup) if backup is not None else True
    for opened in filter(None, (backup, connection)):
        opened.close()
    return 0 if same and not tally.failures else 1


def mirror(connection: Any) -> Any:
    """Attach a backup in this process to the database and return its connection."""
    backup = engine.connect(":memory:")
    connection.replicate_to(backup, mode="sync")
    return backup


def run_script(connection: Any, path: str, options: RunOptions, tally: Tally) -> None:
    """Run one script up to its first failure, or all of it if options.bail is off."""
    try:
        text = read_script(path)
    except (OSError, UnicodeDecodeError) as error:
        tell(f"{path}: {error.strerror or error if isinstance(error, OSError) else f'not UTF-8 text: {error}'}")
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
            if is_plan(cursor.description, statement.sql) and options.form == "table":
                draw_plan(cursor.fetchall(), sys.stdout)
            else:
                write_result(cursor, sys.stdout, options.form)
            sys.stdout.flush()
            if options.timing:
                tell(f"{statement.path}:{statement.line}: {1000 * (time.perf_counter() - start):.2f} ms")
    except sqlite3.Error as error:
        if bar is not None:
            bar.hide()
        tally.failures += 1
        tell(statement.describe(message_of(error), place_of(error)))
        return False
    except Exception as error:  # Not the script's fault: keep the traceback, but say where it came from.
        error.add_note(f"while running {statement.describe('')}")
        raise
    return True


def place_of(error: BaseException) -> int | None:
    """Return where in its statement a syntax error is."""
    return getattr(error, "sql_offset", None)


def message_of(error: BaseException) -> str:
    """Return an error's text, and below it the detail and hint that travel with it; a place is shown, not told."""
    if place_of(error) is not None:
        return str(error)
    return "\n".join([str(error), *(f"  {note}" for note in getattr(error, "__notes__", ()))])


def end_transaction(connection: Any, path: str) -> None:
    """Roll back what the scripts left open, and say so: it would be lost in silence."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
        tell(f"{path}: the script ended inside a transaction, which was rolled back")


def compare_digests(connection: Any, backup: Any) -> bool:
    """Print the digests of a database and its backup, and return whether they are equal."""
    primary_digest, backup_digest = connection.digest(), backup.digest()
    equal = bool(primary_digest == backup_digest)
    print(f"primary digest {as_hexadecimal(primary_digest)}")
    print(f"backup digest  {as_hexadecimal(backup_digest)}")
    print("equal" if equal else "DIFFERENT: the backup does not hold what the primary holds")
    return equal


def as_hexadecimal(digest: Any) -> str:
    return f"{digest:016x}" if isinstance(digest, int) else str(digest)


def tell(text: str) -> None:
    """Print to standard error, after what was printed to standard output."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)
