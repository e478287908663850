"""Random schema and row changes for backup targets: every kind of table, index and statement that SQLite has.

    Workload(connection, random, typed)    step() runs one statement; what SQLite refuses is refused here, and goes on
    dump(connection)                       all there is, with the classes of values, whatever the order of creation

`typed`: values are of the classes that their columns declare, for systems that have types.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

import tandemdb

NAMES = ("a", "b", "c", "d e", "select", 'q"x', "Größe", "x%y", "p:q")
TYPES = ("INTEGER", "INT", "TEXT", "VARCHAR(9)", "REAL", "BLOB", "NUMERIC", "BOOLEAN", "DATE", "")
INTEGERS = (0, 1, -1, 2, 3, 7, 1 << 31, (1 << 63) - 1, -(1 << 63), (1 << 53) + 1)
REALS = (0.0, 1.0, 0.5, -2.5, 0.1 + 0.2, 1e300, -1e-300, 5e-324, float("inf"), float("-inf"), 9007199254740993.0)
TEXTS = ("", "x", "X", "x ", "Ärger", "\N{SNOWMAN}" * 3, "'; --", "1", "1e3", " 2 ", "null", "long " * 200)
BLOBS = (b"", b"\0", b"\x00\xff", b"x" * 5000, b"text")


class Column(NamedTuple):
    name: str
    declared: str
    is_generated: bool


class Workload:
    """Changes one database, by one connection in autocommit mode."""

    def __init__(self, connection: tandemdb.Connection, random: Random, typed: bool) -> None:
        self.connection = connection
        self.random = random
        self.typed = typed
        self.number = 0
        self.done = 0
        self.refused = 0

    def transaction(self) -> None:
        """Begin a transaction and change things, with savepoints; the caller ends it."""
        random = self.random
        self.connection.execute("BEGIN")
        depth = 0
        for _ in range(random.randrange(1, 8)):
            draw = random.random()
            if draw < 0.1:
                depth += 1
                self.run(f"SAVEPOINT s{depth}")
            elif draw < 0.2 and depth:
                self.run(f"{random.choice(('ROLLBACK TO', 'RELEASE'))} s{depth}")
                depth -= random.random() < 0.5
                depth = max(depth, 0)
            else:
                self.step()

    def step(self) -> None:
        """Run one statement."""
        draw = self.random.random()
        tables = self.tables()
        if len(tables) < 2 or (draw < 0.06 and len(tables) < 6):
            self.create_table()
        elif draw < 0.25:
            self.random.choice((
                self.add_column, self.rename_column, self.drop_column, self.rename_table, self.drop_table,
                self.create_index, self.create_index, self.create_index, self.drop_something, self.create_view,
                self.create_trigger, self.settings,
            ))(self.random.choice(tables))  # fmt: skip
        else:
            self.random.choice((
                self.insert, self.insert, self.insert, self.upsert, self.update, self.update, self.move_keys, self.swap,
                self.delete, self.copy,
            ))(self.random.choice(tables))  # fmt: skip

    def run(self, sql: str, values: tuple[Any, ...] = ()) -> None:
        try:
            self.connection.execute(sql, values)
            self.done += 1
        except (tandemdb.DatabaseError, OverflowError):
            self.refused += 1

    # What there is.

    def tables(self) -> list[str]:
        found = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in found if not name.startswith("sqlite_")]

    def columns(self, table: str) -> list[Column]:
        rows = self.connection.execute(f"PRAGMA table_xinfo({quote(table)})").fetchall()
        return [Column(row[1], row[2].upper(), row[6] > 1) for row in rows]

    def plain(self, table: str) -> list[Column]:
        return [column for column in self.columns(table) if not column.is_generated]

    def value(self, declared: str) -> Any:
        random = self.random
        if random.random() < 0.15:
            return None
        if not self.typed:
            kinds: tuple[Any, ...] = (INTEGERS, REALS, (*TEXTS, "nul\0nul"), BLOBS, tuple(range(20)))
            return random.choice(random.choice(kinds))
        if declared == "BLOB":
            return random.choice(BLOBS)
        if declared == "BOOLEAN":
            return random.choice((0, 1))
        if "INT" in declared:
            return random.choice((*INTEGERS, *range(20)))
        if declared == "REAL":
            return random.choice(REALS)
        if declared == "NUMERIC":
            return random.choice((*INTEGERS, *REALS[:-3], *range(20)))
        if declared == "DATE":
            return f"2026-11-{random.randrange(1, 31):02}"  # Text that is a number would become one.
        return random.choice((*TEXTS, *map(str, range(20))))

    # Schema.

    def create_table(self) -> None:
        random = self.random
        self.number += 1
        names = random.sample(NAMES, random.randrange(1, 6))
        types = [random.choice(TYPES) for _ in names]
        strict = random.random() < 0.1
        if strict:
            types = [random.choice(("INTEGER", "TEXT", "REAL", "BLOB")) for _ in names]
        parts = []
        key = random.choice(("none", "rowid", "auto", "desc", "composite", "without", "without"))
        for place, (name, declared) in enumerate(zip(names, types, strict=True)):
            part = f"{quote(name)} {declared}"
            if place == 0 and key in ("rowid", "auto", "desc"):
                part = f"{quote(name)} INTEGER PRIMARY KEY{ {'auto': ' AUTOINCREMENT', 'desc': ' DESC'}.get(key, '')}"
            else:
                part += random.choice(("", "", "", " UNIQUE", " COLLATE NOCASE", " CHECK (typeof(1) = 'integer')"))
                if not self.typed and random.random() < 0.2:
                    part += random.choice((" DEFAULT 7", " DEFAULT 'x'", " DEFAULT (1 + 1)", " NOT NULL DEFAULT 0"))
                tables = self.tables()
                if tables and random.random() < 0.1:
                    part += f" REFERENCES {quote(random.choice(tables))}"
            parts.append(part)
        if random.random() < 0.25:
            source = quote(names[-1])
            kept = random.choice(("STORED", "VIRTUAL"))
            parts.append(f"made {'TEXT' if strict or self.typed else ''} AS (quote({source})) {kept}")
        if key in ("composite", "without"):
            some = random.sample(names, random.randrange(1, min(3, len(names)) + 1))
            parts.append(f"PRIMARY KEY ({', '.join(quote(name) for name in some)})")
        if random.random() < 0.1:
            parts.append(f"UNIQUE ({', '.join(quote(name) for name in names[:2])})")
        options = [*(["WITHOUT ROWID"] if key == "without" else []), *(["STRICT"] if strict else [])]
        self.run(f"CREATE TABLE t{self.number} ({', '.join(parts)}) {', '.join(options)}")

    def drop_table(self, table: str) -> None:
        if self.random.random() < 0.5:
            self.run(f"DROP TABLE {quote(table)}")

    def rename_table(self, table: str) -> None:
        self.number += 1
        name = self.random.choice(("t", "T", "r s", f"t{self.number}", f"t{self.number}"))
        self.run(f"ALTER TABLE {quote(table)} RENAME TO {quote(name)}")

    def add_column(self, table: str) -> None:
        self.number += 1
        declared = self.random.choice(TYPES)
        sql = self.connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        # SQLite lets a STRICT table have a default that it would refuse in a row.
        default = ""
        if not self.typed and not sql.endswith("STRICT"):
            default = self.random.choice(("", " DEFAULT 5", " DEFAULT 'five'", " NOT NULL DEFAULT 2.5"))
        self.run(f"ALTER TABLE {quote(table)} ADD COLUMN n{self.number} {declared}{default}")

    def rename_column(self, table: str) -> None:
        self.number += 1
        old = self.random.choice(self.columns(table)).name
        self.run(f"ALTER TABLE {quote(table)} RENAME COLUMN {quote(old)} TO {quote(f'm {self.number}')}")

    def drop_column(self, table: str) -> None:
        self.run(f"ALTER TABLE {quote(table)} DROP COLUMN {quote(self.random.choice(self.columns(table)).name)}")

    def create_index(self, table: str) -> None:
        random = self.random
        self.number += 1
        names = [column.name for column in self.columns(table)]
        parts = []
        for name in random.sample(names, random.randrange(1, min(len(names), 3) + 1)):
            part = random.choice((quote(name), quote(name), f"length({quote(name)})", f"{quote(name)} COLLATE NOCASE"))
            parts.append(part + random.choice(("", "", " DESC")))
        unique = random.choice(("", "", "UNIQUE "))
        where = f" WHERE {quote(random.choice(names))} IS NOT NULL" if random.random() < 0.3 else ""
        self.run(f"CREATE {unique}INDEX i{self.number} ON {quote(table)} ({', '.join(parts)}){where}")

    def create_view(self, table: str) -> None:
        self.number += 1
        self.run(f"CREATE VIEW v{self.number} AS SELECT * FROM {quote(table)}")
        if self.random.random() < 0.3:
            self.run(
                f"CREATE TRIGGER g{self.number} INSTEAD OF INSERT ON v{self.number} BEGIN"
                f" DELETE FROM {quote(table)} WHERE 0; END"
            )

    def create_trigger(self, table: str) -> None:
        self.number += 1
        event = self.random.choice(("INSERT", "UPDATE", "DELETE"))
        moment = self.random.choice(("BEFORE", "AFTER"))
        self.run("CREATE TABLE IF NOT EXISTS noted (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT)")
        self.run(
            f"CREATE TRIGGER g{self.number} {moment} {event} ON {quote(table)} BEGIN"
            f" INSERT INTO noted (what) VALUES ('{event.lower()}'); DELETE FROM noted WHERE id < 3; END"
        )

    def drop_something(self, table: str) -> None:
        sql = "SELECT type, name FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL ORDER BY 1, 2"
        found = self.connection.execute(sql).fetchall()
        if found:
            kind, name = self.random.choice(found)
            self.run(f"DROP {kind} {quote(name)}")

    def settings(self, table: str) -> None:
        number = self.random.randrange(100)
        choices = (f"PRAGMA user_version = {number}", f"PRAGMA application_id = {number}", "ANALYZE", "REINDEX")
        self.run(self.random.choice(choices))

    # Rows.

    def insert(self, table: str) -> None:
        columns = self.plain(table)
        how = self.random.choice(("INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL", "REPLACE"))
        count = self.random.choice((1, 1, 2, 5, 40))
        values = tuple(self.value(column.declared) for _ in range(count) for column in columns)
        row = f"({', '.join('?' * len(columns))})"
        names = ", ".join(quote(column.name) for column in columns)
        self.run(f"{how} INTO {quote(table)} ({names}) VALUES {', '.join([row] * count)}", values)

    def upsert(self, table: str) -> None:
        columns = self.plain(table)
        one = self.random.choice(columns)
        names = ", ".join(quote(column.name) for column in columns)
        marks = ", ".join("?" * len(columns))
        values = tuple(self.value(column.declared) for column in columns)
        action = "NOTHING"
        if self.random.random() < 0.7:
            action = f"UPDATE SET {quote(one.name)} = ?"
            values += (self.value(one.declared),)
        self.run(f"INSERT INTO {quote(table)} ({names}) VALUES ({marks}) ON CONFLICT DO {action}", values)

    def update(self, table: str) -> None:
        columns = self.plain(table)
        chosen = self.random.sample(columns, self.random.randrange(1, min(2, len(columns)) + 1))
        how = self.random.choice(("", "", "OR REPLACE ", "OR IGNORE ", "OR FAIL "))
        changes = ", ".join(f"{quote(column.name)} = ?" for column in chosen)
        values = tuple(self.value(column.declared) for column in chosen)
        self.run(f"UPDATE {how}{quote(table)} SET {changes} WHERE {self.some(table)}", values)

    def move_keys(self, table: str) -> None:
        step = self.random.choice((1, -1, 1000, -3))
        how = self.random.choice(("", "OR REPLACE ", "OR IGNORE "))
        self.run(f"UPDATE {how}{quote(table)} SET rowid = rowid + {step} WHERE {self.some(table)}")

    def swap(self, table: str) -> None:
        """Exchange the values of two rows."""
        column = quote(self.random.choice(self.plain(table)).name)
        found = self.connection.execute(f"SELECT {column} FROM {quote(table)} WHERE {column} IS NOT NULL LIMIT 5")
        values = [value for (value,) in found]
        if len(values) > 1:
            first, second = self.random.sample(values, 2)
            self.run(
                f"UPDATE OR REPLACE {quote(table)} SET {column} = CASE WHEN {column} = ? THEN ? ELSE ? END"
                f" WHERE {column} IN (?, ?)",
                (first, second, first, first, second),
            )

    def delete(self, table: str) -> None:
        self.run(f"DELETE FROM {quote(table)} WHERE {self.some(table)}")

    def copy(self, table: str) -> None:
        names = ", ".join(quote(column.name) for column in self.plain(table))
        self.run(f"INSERT OR IGNORE INTO {quote(table)} ({names}) SELECT {names} FROM {quote(table)} LIMIT 20")

    def some(self, table: str) -> str:
        column = quote(self.random.choice(self.columns(table)).name)
        number = self.random.randrange(20)
        return self.random.choice((
            f"{column} > {number}", f"{column} IS NULL", f"length({column}) % 3 = {number % 3}", f"{column} = {number}",
            f"{column} LIKE 'x%'", f"{column} < {number}", "1",
        ))  # fmt: skip


def quote(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def dump(connection: Any) -> list[str]:
    """All there is: schema, rows with their classes and rowids, counters, numbers of the database."""
    run = connection.execute
    entries = run("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    entries = [entry for entry in entries if not entry[1].startswith(("sqlite_", "tandemdb_"))]
    lines = [repr(entry) for entry in entries]
    names = [entry[1] for entry in entries if entry[0] == "table"]
    for name in names:
        _, _, _, _, without_rowid, _ = run(f"PRAGMA table_list({quote(name)})").fetchone()
        rowid = "" if without_rowid else "rowid, "
        lines += [f"{name}: {row!r}" for row in run(f"SELECT {rowid}* FROM {quote(name)}")]
    if run("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
        lines += [f"sequence: {row!r}" for row in run("SELECT name, seq FROM sqlite_sequence")]
    for setting in ("user_version", "application_id"):
        lines.append(f"{setting}: {run(f'PRAGMA {setting}').fetchone()}")
    return sorted(lines)
