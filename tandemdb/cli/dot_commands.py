"""The shell's dot commands: what each is called with, what it does, and the help made from them.

    ".import people.csv person" --shlex--> COMMANDS[".import"] --> function(shell, ["people.csv", "person"])

The names and their meaning are those of SQLite's own shell, as far as they go. A command raises UsageError when it is
called wrongly; errors of the database and of files are the shell's to print.
"""

from __future__ import annotations

import csv
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tandemdb.cli import engine
from tandemdb.cli.output import FORMATS, quote_name
from tandemdb.cli.run import RunOptions, Tally, run_script

if TYPE_CHECKING:
    from tandemdb.cli.shell import Shell

Arguments = Sequence[str]


class UsageError(Exception):
    """Raised when a dot command is called wrongly; says how it is called."""


@dataclass(frozen=True, slots=True)
class DotCommand:
    """One command: how it is called, what it does in a line, how many arguments it takes, and the function."""

    usage: str
    sense: str
    least: int
    most: int
    run: Callable[[Shell, Arguments], None]


def run_dot_command(shell: Shell, line: str) -> None:
    """Run one line that begins with a dot; the first letters of a command stand for it.

    Raises:
        UsageError: there is no such command, or it takes other arguments.
        sqlite3.Error, OSError, UnicodeDecodeError: the command failed.
    """
    try:
        name, *arguments = split_line(line)
    except ValueError as error:  # A quotation mark without its partner.
        raise UsageError(f"{str(error).lower()}: {line}") from None
    command = find_command(name)
    if not command.least <= len(arguments) <= command.most:
        raise UsageError(f"usage: {command.usage}")
    command.run(shell, arguments)


def find_command(name: str) -> DotCommand:
    """Return the command of that name, or the only one that begins so.

    Raises:
        UsageError: there is none, or several.
    """
    command = COMMANDS.get(name)
    if command is not None:
        return command
    candidates = [known for known in COMMANDS if known.startswith(name) and name != "."]
    if not candidates:
        raise UsageError(f'unknown command "{name}"; ".help" lists those there are')
    if len(candidates) > 1:
        raise UsageError(f'"{name}" may be {", ".join(candidates)}')
    return COMMANDS[candidates[0]]


def split_line(line: str) -> list[str]:
    """Split a line at blanks outside quotation marks; a backslash is itself, for paths of Windows have them."""
    words = shlex.shlex(line, posix=True)
    words.whitespace_split, words.commenters, words.escape = True, "", ""
    return list(words)


def help_text() -> str:
    """Return a line for each command."""
    width = max(len(command.usage) for command in COMMANDS.values())
    return "\n".join(
        f"{command.usage:{width}}  {command.sense}" for name, command in COMMANDS.items() if name not in HIDDEN
    )


def show_help(shell: Shell, arguments: Arguments) -> None:
    shell.write(help_text())


def leave(shell: Shell, arguments: Arguments) -> None:
    shell.leaving = True


def show_tables(shell: Shell, arguments: Arguments) -> None:
    print_names(shell, "type IN ('table', 'view')", ())


def show_indexes(shell: Shell, arguments: Arguments) -> None:
    print_names(shell, "type = 'index'" + (" AND lower(tbl_name) = lower(?)" if arguments else ""), arguments)


def print_names(shell: Shell, condition: str, values: Arguments) -> None:
    query = f"SELECT name FROM sqlite_master WHERE {condition} AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
    for (name,) in shell.connection.execute(query, values):
        shell.write(name)


def show_schema(shell: Shell, arguments: Arguments) -> None:
    condition = " AND lower(tbl_name) = lower(?)" if arguments else ""
    query = f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL{condition} ORDER BY rowid"
    for (sql,) in shell.connection.execute(query, arguments):
        shell.write(f"{sql};")


def show_databases(shell: Shell, arguments: Arguments) -> None:
    for _, name, file in shell.connection.execute("PRAGMA database_list"):
        shell.write(f'{name}: {file or "in memory"}')


def dump(shell: Shell, arguments: Arguments) -> None:
    for line in shell.connection.iterdump():
        shell.write(line)


def read_script_file(shell: Shell, arguments: Arguments) -> None:
    tally = Tally()
    options = RunOptions(form=shell.form, style=shell.style, timing=shell.timer, out=shell.out)
    run_script(shell.connection, arguments[0], options, tally)
    shell.failures += tally.failures


def open_database(shell: Shell, arguments: Arguments) -> None:
    opened = engine.connect_file(arguments[0]) if arguments else engine.connect(engine.IN_MEMORY)
    shell.connection.close()
    shell.connection = opened


def backup(shell: Shell, arguments: Arguments) -> None:
    engine.backup_to_file(shell.connection, arguments[0])


def restore(shell: Shell, arguments: Arguments) -> None:
    if not Path(arguments[0]).is_file():
        raise UsageError(f"{arguments[0]}: no such file")
    engine.restore_from_file(shell.connection, arguments[0])


def import_csv(shell: Shell, arguments: Arguments) -> None:
    """Insert the rows of a CSV file; a table that is not there is made, with the first row for its columns."""
    path, table = arguments
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names = [name for _, name, *_ in shell.connection.execute(f"PRAGMA table_info({quote_name(table)})")]
        if not names:
            names = next(rows, [])
            if not names:
                raise UsageError(f"{path} is empty: expected a first row with the names of the columns of {table}")
            columns = ", ".join(f"{quote_name(name)} TEXT" for name in names)
            shell.connection.execute(f"CREATE TABLE {quote_name(table)} ({columns})")
        held = []
        for row in rows:
            if len(row) != len(names):
                raise UsageError(
                    f"{path}:{rows.line_num}: expected {len(names)} values for {table}, found {len(row)}; "
                    "nothing was imported"
                )
            held.append(row)
    insert = f"INSERT INTO {quote_name(table)} VALUES ({', '.join('?' * len(names))})"
    shell.in_transaction(lambda: shell.connection.executemany(insert, held))


def set_mode(shell: Shell, arguments: Arguments) -> None:
    if arguments[0] not in FORMATS:
        raise UsageError(f"usage: {COMMANDS['.mode'].usage}")
    shell.form = arguments[0]
    shell.table_name = arguments[1] if len(arguments) > 1 else "table"


def set_headers(shell: Shell, arguments: Arguments) -> None:
    shell.headers = read_switch(arguments, ".headers")


def set_timer(shell: Shell, arguments: Arguments) -> None:
    shell.timer = read_switch(arguments, ".timer")


def set_plans(shell: Shell, arguments: Arguments) -> None:
    shell.plans = read_switch(arguments, ".eqp")


def set_bail(shell: Shell, arguments: Arguments) -> None:
    shell.bail = read_switch(arguments, ".bail")


def set_echo(shell: Shell, arguments: Arguments) -> None:
    shell.echo = read_switch(arguments, ".echo")


def read_switch(arguments: Arguments, name: str) -> bool:
    if arguments[0] not in ("on", "off"):
        raise UsageError(f"usage: {COMMANDS[name].usage}")
    return arguments[0] == "on"


def set_null(shell: Shell, arguments: Arguments) -> None:
    shell.null = arguments[0]


def set_output(shell: Shell, arguments: Arguments) -> None:
    shell.redirect(arguments[0] if arguments else None, once=False)


def set_output_once(shell: Shell, arguments: Arguments) -> None:
    shell.redirect(arguments[0], once=True)


def print_text(shell: Shell, arguments: Arguments) -> None:
    shell.write(" ".join(arguments))


SWITCH = "on|off"
ANY_NUMBER = sys.maxsize
# In the order in which .help lists them.
COMMANDS: dict[str, DotCommand] = {
    ".backup": DotCommand(".backup FILE", "write the database into an SQLite file", 1, 1, backup),
    ".bail": DotCommand(f".bail {SWITCH}", "leave at the first error", 1, 1, set_bail),
    ".databases": DotCommand(".databases", "names of the databases attached", 0, 0, show_databases),
    ".dump": DotCommand(".dump", "the whole database as SQL", 0, 0, dump),
    ".echo": DotCommand(f".echo {SWITCH}", "print each statement before it runs", 1, 1, set_echo),
    ".eqp": DotCommand(f".eqp {SWITCH}", "print how each query will be answered", 1, 1, set_plans),
    ".exit": DotCommand(".exit", "leave", 0, 0, leave),
    ".headers": DotCommand(f".headers {SWITCH}", "column names above results", 1, 1, set_headers),
    ".help": DotCommand(".help", "this list", 0, 0, show_help),
    ".import": DotCommand(".import FILE TABLE", "insert the rows of a CSV file", 2, 2, import_csv),
    ".indexes": DotCommand(".indexes [TABLE]", "names of indexes", 0, 1, show_indexes),
    ".mode": DotCommand(f".mode {'|'.join(FORMATS)} [TABLE]", "how results are written", 1, 2, set_mode),
    ".nullvalue": DotCommand(".nullvalue TEXT", "what stands for NULL in a table", 1, 1, set_null),
    ".once": DotCommand(".once FILE", "write the next result into a file", 1, 1, set_output_once),
    ".open": DotCommand(".open [FILE]", "go on with an SQLite file's database, or a new one", 0, 1, open_database),
    ".output": DotCommand(".output [FILE]", "write results into a file, or here again", 0, 1, set_output),
    ".print": DotCommand(".print TEXT", "print a text", 0, ANY_NUMBER, print_text),
    ".quit": DotCommand(".quit", "leave; so does the end of the input", 0, 0, leave),
    ".read": DotCommand(".read FILE", "run a script", 1, 1, read_script_file),
    ".restore": DotCommand(".restore FILE", "replace the database by an SQLite file's", 1, 1, restore),
    ".schema": DotCommand(".schema [NAME]", "CREATE statements", 0, 1, show_schema),
    ".tables": DotCommand(".tables", "names of tables and views", 0, 0, show_tables),
    ".timer": DotCommand(f".timer {SWITCH}", "print how long each statement took", 1, 1, set_timer),
}
HIDDEN = {".exit"}
