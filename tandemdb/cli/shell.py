"""`tandemdb shell`: SQL and dot commands, typed in or piped in.

    line --> a dot command, when no statement is open:  .tables
         --> else part of a statement, run once `complete_statement` says that it is whole

At a terminal, prompt_toolkit edits lines if it is installed, else readline; neither is loaded for piped input, which
gets no prompts either. An error is printed and the shell goes on.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tandemdb.cli import engine
from tandemdb.cli.output import FORMATS, write_result
from tandemdb.cli.run import RunOptions, Tally, message_of, run_script, tell
from tandemdb.cli.script import statements

PROMPT, CONTINUATION = "tandemdb> ", "     ...> "
GREETING = 'A database in RAM; it ends with this shell. ".help" lists commands, ".quit" leaves.'
HELP = """\
.dump             the whole database as SQL
.headers on|off   column names above results
.help             this list
.indexes [TABLE]  names of indexes
.mode FORMAT      table, csv, json or line
.quit             leave; so do .exit and the end of the input
.read FILE        run a script
.schema [NAME]    CREATE statements
.tables           names of tables and views
.timer on|off     print how long each statement took"""


class Shell:
    """One connection and how its results are printed."""

    def __init__(self, connection: Any) -> None:
        """Start with tables, headers on, timer off."""
        self.connection = connection
        self.form = "table"
        self.headers = True
        self.timer = False
        self.failures = 0
        self.leaving = False
        self._pending = ""

    @property
    def prompt(self) -> str:
        """What to ask for the next line with."""
        return CONTINUATION if self._pending else PROMPT

    def take(self, line: str) -> None:
        """Take one line: run a dot command, or the statement that it completes."""
        if not self._pending and line.lstrip().startswith("."):
            self._command(line.strip())
            return
        self._pending += line + "\n"
        if not self._pending.strip():
            self._pending = ""
        elif sqlite3.complete_statement(self._pending):
            self._run(self._pending)
            self._pending = ""

    def finish(self) -> None:
        """Run what the end of the input left without a semicolon."""
        if self._pending.strip():
            self._run(self._pending)
        self._pending = ""

    def forget(self) -> None:
        """Drop a statement that was begun, as Ctrl-C does."""
        self._pending = ""

    def _run(self, text: str) -> None:
        for statement in statements("-", text):
            start = time.perf_counter()
            try:
                cursor = engine.execute(self.connection, statement.sql)
                if cursor.description:
                    write_result(cursor, sys.stdout, self.form, self.headers)
                    sys.stdout.flush()
            except sqlite3.Error as error:
                self._fail(message_of(error))
                return
            if self.timer:
                tell(f"{1000 * (time.perf_counter() - start):.2f} ms")

    def _fail(self, message: str) -> None:
        self.failures += 1
        tell(f"Error: {message}")

    def _command(self, line: str) -> None:
        name, *arguments = line.split()
        command = COMMANDS.get(name)
        if command is None:
            self._fail(f'unknown command "{name}"; ".help" lists those there are')
            return
        try:
            command(self, arguments)
        except (sqlite3.Error, UsageError) as error:
            self._fail(message_of(error))

    def show_tables(self, arguments: Sequence[str]) -> None:
        """.tables"""
        take_arguments(arguments, 0, 0, ".tables")
        self._print_names("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')", ())

    def show_indexes(self, arguments: Sequence[str]) -> None:
        """.indexes [TABLE]"""
        take_arguments(arguments, 0, 1, ".indexes [TABLE]")
        condition = " AND lower(tbl_name) = lower(?)" if arguments else ""
        self._print_names(f"SELECT name FROM sqlite_master WHERE type = 'index'{condition}", arguments)

    def _print_names(self, query: str, values: Sequence[str]) -> None:
        query += " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
        for (name,) in self.connection.execute(query, values):
            print(name)

    def show_schema(self, arguments: Sequence[str]) -> None:
        """.schema [NAME]"""
        take_arguments(arguments, 0, 1, ".schema [NAME]")
        condition = " AND lower(tbl_name) = lower(?)" if arguments else ""
        query = f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL{condition} ORDER BY rowid"
        for (sql,) in self.connection.execute(query, arguments):
            print(f"{sql};")

    def dump(self, arguments: Sequence[str]) -> None:
        """.dump"""
        take_arguments(arguments, 0, 0, ".dump")
        for line in self.connection.iterdump():
            print(line)

    def read(self, arguments: Sequence[str]) -> None:
        """.read FILE"""
        take_arguments(arguments, 1, 1, ".read FILE")
        tally = Tally()
        run_script(self.connection, arguments[0], RunOptions(form=self.form), tally)
        self.failures += tally.failures

    def set_mode(self, arguments: Sequence[str]) -> None:
        """.mode FORMAT"""
        usage = f".mode {'|'.join(FORMATS)}"
        take_arguments(arguments, 1, 1, usage)
        if arguments[0] not in FORMATS:
            raise UsageError(f"usage: {usage}")
        self.form = arguments[0]

    def set_headers(self, arguments: Sequence[str]) -> None:
        """.headers on|off"""
        self.headers = read_switch(arguments, ".headers")

    def set_timer(self, arguments: Sequence[str]) -> None:
        """.timer on|off"""
        self.timer = read_switch(arguments, ".timer")

    def help(self, arguments: Sequence[str]) -> None:
        """.help"""
        print(HELP)

    def quit(self, arguments: Sequence[str]) -> None:
        """.quit"""
        self.leaving = True


class UsageError(Exception):
    """Raised when a dot command is called wrongly; says how it is called."""


COMMANDS: dict[str, Callable[[Shell, Sequence[str]], None]] = {
    ".dump": Shell.dump,
    ".exit": Shell.quit,
    ".headers": Shell.set_headers,
    ".help": Shell.help,
    ".indexes": Shell.show_indexes,
    ".mode": Shell.set_mode,
    ".quit": Shell.quit,
    ".read": Shell.read,
    ".schema": Shell.show_schema,
    ".tables": Shell.show_tables,
    ".timer": Shell.set_timer,
}


def run_shell(scripts: Sequence[str], database: str) -> int:
    """Run scripts, then what is typed or piped in; exit status 1 when something in a pipe or a script failed."""
    connection = engine.connect(database)
    shell = Shell(connection)
    for path in scripts:
        shell.read([path])
    interactive = sys.stdin.isatty()
    if interactive:
        print(GREETING)
    for line in typed_lines(shell) if interactive else (text.rstrip("\n") for text in sys.stdin):
        shell.take(line)
        if shell.leaving:
            break
    else:
        shell.finish()
    connection.close()
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


def take_arguments(arguments: Sequence[str], least: int, most: int, usage: str) -> None:
    if not least <= len(arguments) <= most:
        raise UsageError(f"usage: {usage}")


def read_switch(arguments: Sequence[str], command: str) -> bool:
    if len(arguments) != 1 or arguments[0] not in ("on", "off"):
        raise UsageError(f"usage: {command} on|off")
    return arguments[0] == "on"
