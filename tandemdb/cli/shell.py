"""`tandemdb shell`: SQL and dot commands, typed in or piped in.

    line --> a dot command, when no statement is open:  .tables
         --> else part of a statement, run once `complete_statement` says that it is whole

At a terminal, prompt_toolkit edits lines if it is installed, else readline; neither is loaded for piped input, which
gets no prompts either; its errors tell the line instead. An error is printed and the shell goes on; so it does after
Ctrl-C, which drops the statement begun, or stops the one that runs.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TextIO

from tandemdb.cli import engine
from tandemdb.cli.dot_commands import COMMANDS, UsageError, run_dot_command
from tandemdb.cli.output import Style, draw_plan, write_answer
from tandemdb.cli.script import NotAScript, Statement, mark, statements
from tandemdb.cli.telling import message_of, place_of, tell

PROMPT, CONTINUATION = "tandemdb> ", "     ...> "
GREETING = '{}. ".help" lists commands, ".quit" leaves.'
IN_MEMORY = "A database in RAM; it ends with this shell"


class Shell:
    """One connection and how its results are printed."""

    def __init__(self, connection: Any, tells_lines: bool = False) -> None:
        """Start with tables, headers on, timer off; `tells_lines`: errors say in which line of the input they are."""
        self.connection = connection
        self.tells_lines = tells_lines
        self.form = "table"
        self.table_name = "table"
        self.null = "NULL"
        self.headers = True
        self.timer = False
        self.plans = False
        self.bail = False
        self.echo = False
        self.failures = 0
        self.leaving = False
        self._pending = ""
        self._line = 0
        self._file: TextIO | None = None
        self._once = False

    @property
    def prompt(self) -> str:
        """What to ask for the next line with."""
        return CONTINUATION if self._pending else PROMPT

    def take(self, line: str) -> None:
        """Take one line: run a dot command, or the statement that it completes."""
        self._line += 1
        if not is_text(line):
            self.forget()
            self._fail("not UTF-8 text", self._line)
            return
        if not self._pending and line.lstrip().startswith("."):
            self._command(line.strip())
            return
        self._pending += line + "\n"
        if not self._pending.strip():
            self._pending = ""
        elif sqlite3.complete_statement(self._pending):
            text, self._pending = self._pending, ""
            self._run(text)

    def finish(self) -> None:
        """Run what the end of the input left without a semicolon, and close the files that were written."""
        text, self._pending = self._pending, ""
        if text.strip() and not self.leaving:
            self._run(text)
        self.redirect(None, once=False)

    def forget(self) -> None:
        """Drop a statement that was begun, as Ctrl-C does."""
        self._pending = ""

    def stop(self) -> None:
        """Say that Ctrl-C has stopped what was running: the statement has done nothing, a transaction stays open."""
        self._fail("interrupted")

    @property
    def out(self) -> TextIO:
        """Where results go."""
        return self._file or sys.stdout

    @property
    def style(self) -> Style:
        """How results look, besides their format."""
        return Style(self.headers, self.null, self.table_name)

    def write(self, line: str) -> None:
        """Print one line where results go."""
        self.out.write(line + "\n")

    def redirect(self, path: str | None, once: bool) -> None:
        """Write results into a file from now on, or (`once`) the next result only; None is standard output again.

        Raises:
            OSError: the file cannot be written; results go on to where they went.
        """
        # CSV's line ends are its own; what else is written has \n, which no platform fails to read.
        opened = None if path is None else open(path, "w", encoding="utf-8", newline="")
        if self._file is not None:
            self._file.close()
        self._file, self._once = opened, once

    def in_transaction(self, change: Callable[[], object]) -> None:
        """Make a change of several statements whole or not at all, inside the open transaction if there is one."""
        if self.connection.in_transaction:
            change()
            return
        self.connection.execute("BEGIN")
        try:
            change()
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def _run(self, text: str) -> None:
        before = self._line - text.count("\n")
        for statement in statements("-", text):
            if not self._run_statement(statement, before + statement.line):
                break
        if self._once:
            self.redirect(None, once=False)

    def _run_statement(self, statement: Statement, line: int) -> bool:
        if self.echo:
            self.write(statement.sql)
        start = time.perf_counter()
        try:
            if self.plans:
                self._show_plan(statement.sql)
            cursor = engine.execute(self.connection, statement.sql)
            if cursor.description:
                write_answer(cursor, statement.sql, self.out, self.form, self.style)
        except sqlite3.Error as error:
            place = place_of(error)
            self._fail(message_of(error) + ("" if place is None else "\n" + mark(statement.sql, place)), line)
            return False
        if self.timer:
            tell(f"{1000 * (time.perf_counter() - start):.2f} ms")
        return True

    def _show_plan(self, sql: str) -> None:
        if sql.split(None, 1)[0].upper() in PLANNED:
            draw_plan(self.connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall(), self.out)

    def _fail(self, message: str, line: int | None = None) -> None:
        self.failures += 1
        self.leaving = self.leaving or self.bail
        tell(f"Error in line {line}: {message}" if self.tells_lines and line is not None else f"Error: {message}")

    def _command(self, line: str) -> None:
        try:
            run_dot_command(self, line)
        except (sqlite3.Error, UsageError, NotAScript) as error:
            self._fail(message_of(error), self._line)
        except UnicodeDecodeError as error:
            self._fail(f"not UTF-8 text: {error}", self._line)
        except BrokenPipeError:
            raise  # Who reads the results has gone.
        except OSError as error:
            self._fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), self._line)


def is_text(line: str) -> bool:
    """Tell whether all of a line could be read as UTF-8; a byte that could not is a lone surrogate in it."""
    return line.isascii() or not any("\udc80" <= character <= "\udcff" for character in line)


PLANNED = {"SELECT", "WITH", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"}


def run_shell(scripts: Sequence[str], database: str) -> int:
    """Run scripts, then what is typed or piped in; exit status 1 when something in a pipe or a script failed."""
    interactive = sys.stdin.isatty()
    shell = Shell(engine.connect(database), tells_lines=not interactive)
    for path in scripts:
        COMMANDS[".read"].run(shell, [path])
    if interactive:
        print(GREETING.format(IN_MEMORY if database == engine.IN_MEMORY else f"The database {database}"))
    for line in typed_lines(shell) if interactive else (text.rstrip("\n") for text in sys.stdin):
        try:
            shell.take(line)
        except KeyboardInterrupt:
            if not interactive:
                raise
            shell.stop()
        if shell.leaving:
            break
    shell.finish()
    shell.connection.close()
    return 1 if shell.failures and not interactive else 0


def typed_lines(shell: Shell) -> Iterator[str]:
    """Yield lines from the terminal until Ctrl-D; Ctrl-C drops the statement begun."""
    ask = line_reader()
    while True:
        try:
            yield ask(shell.prompt)
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()
            shell.forget()


def line_reader() -> Callable[[str], str]:
    """Return what asks for a line: prompt_toolkit's, if installed, else `input` with readline where Python has it."""
    if find_spec("prompt_toolkit"):
        from prompt_toolkit import PromptSession

        session: PromptSession[str] = PromptSession()
        return session.prompt
    if find_spec("readline"):  # Not on Windows: there, lines have the terminal's own editing.
        import_module("readline")  # Importing it is what gives input() its editing.
    return input
