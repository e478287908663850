"""Random definitions: generated columns, STRICT, foreign keys, triggers, views that take changes, ALTER, TEMP, ATTACH.

CREATE TABLE p (…); CREATE TABLE c (… REFERENCES p ON DELETE CASCADE …); CREATE TRIGGER … ; CREATE TABLE log (…)
"""

from __future__ import annotations

from ..choices import Choices
from ..fragment import optional, sql
from ..script import Statement
from .expression import literal, scalar, scope_of
from .schema import Column, Database, Table, create_index

LOG = "log"
RAISES = ["IGNORE", "ABORT, 'no'", "FAIL, 'no'", "ROLLBACK, 'no'"]
ACTIONS = ["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"]


def begin(choices: Choices, database: Database) -> list[Statement]:
    """What stands before everything else: settings, a log for triggers, tables that refer to each other."""
    # A wrong type may leave the rows before it where a transaction is open: no STRICT tables beside transactions.
    database.strict = choices.chance(1, 3)
    statements = [Statement(sql(f"CREATE TABLE {LOG} (what, x, y)"))]
    if choices.chance(3, 4):
        statements.append(Statement(sql("PRAGMA foreign_keys = ON")))
    # Not recursive ones: SQLite keeps what a statement did before it reached too many levels of them.
    statements.append(Statement(sql("PRAGMA recursive_triggers = OFF")))
    for _ in range(choices.number(1, 3)):
        statements.append(create(choices, database))
    statements += [create_index(choices, database) for _ in range(choices.number(0, 1))]
    statements += [create_trigger(choices, database) for _ in range(choices.number(0, 3))]
    return statements


def create(choices: Choices, database: Database) -> Statement:
    """CREATE TABLE of a rarer kind."""
    name = database.new_name("t")
    strict = database.strict and choices.chance(1, 3)
    types = ["INTEGER", "TEXT", "REAL", "ANY", "INT", "BLOB"] if strict else ["INTEGER", "TEXT", "REAL", "", "NUMERIC"]
    columns = [Column("a", "INTEGER", key=True)]
    parts = ["a INTEGER PRIMARY KEY" + choices.weighted((6, ""), (1, " AUTOINCREMENT"), (1, " DESC"))]
    kind = choices.weighted((6, "rowid"), (1, "without"), (1, "composite"), (1, "text"))
    if kind == "without":
        parts = [f"a {'INTEGER' if strict else ''} PRIMARY KEY"]
    elif kind == "composite":
        parts = [f"a {'INTEGER' if strict else ''}"]
    elif kind == "text":
        parts = ["a TEXT PRIMARY KEY"]
    for letter in "bcde"[: choices.number(1, 4)]:
        type_name = choices.of(types)
        column = Column(letter, type_name)
        text = f"{letter} {type_name}".strip()
        earlier = choices.of(columns).name
        extra = choices.weighted((5, ""), (2, "unique"), (2, "reference"), (2, "generated"), (1, "check"),
        (1, "notnull"),
                                 (2, "default"))  # fmt: skip
        if extra == "unique":
            column.unique = True
            text += " UNIQUE" + choices.weighted((4, ""), (1, " ON CONFLICT REPLACE"), (1, " ON CONFLICT IGNORE"))
        elif extra == "reference":
            # SQLite finds no integer key for a REAL value unless the key comes later.
            text = text.replace(" REAL", "")
            target = choices.of(database.tables).name if database.tables and choices.chance(4, 5) else name
            text += f" REFERENCES {target}{choices.one_of('(a)', '')}"
            # SQLite lets OR REPLACE break a table's reference to itself that has an action.
            text += f" ON DELETE {choices.of(ACTIONS)}" if target != name and choices.chance(2, 3) else ""
            text += f" ON UPDATE {choices.of(ACTIONS)}" if target != name and choices.chance(1, 2) else ""
            text += choices.weighted((3, ""), (1, " DEFERRABLE INITIALLY DEFERRED"), (1, " NOT DEFERRABLE"))
        elif extra == "generated":
            value = choices.one_of(
                f"{earlier} + 1", f"{earlier} || 'g'", f"length({earlier})", f"coalesce({earlier}, 0)"
            )
            text += (
                f" {choices.one_of('AS', 'GENERATED ALWAYS AS')} ({value}) {choices.one_of('', 'STORED', 'VIRTUAL')}"
            )
        elif extra == "check":
            text += f" CHECK ({letter} {choices.one_of('<> 5', 'IS NOT NULL', '< 100')})"
        elif extra == "notnull":
            column.not_null = True
            text += " NOT NULL" + choices.weighted((3, ""), (1, " ON CONFLICT REPLACE DEFAULT 3"), (1, " DEFAULT 'n'"),
                                                   (1, " ON CONFLICT IGNORE"))  # fmt: skip
        elif extra == "default":
            text += (
                f" DEFAULT {choices.one_of('7', chr(39) + 'd' + chr(39), '(1 + 2)', 'NULL', '-1.5', 'x' + chr(39) * 2)}"
            )
        columns.append(column)
        parts.append(text)
    if kind == "composite":
        parts.append(f"PRIMARY KEY (a, {columns[-1].name})")
    elif len(columns) > 2 and choices.chance(1, 6):
        parts.append(f"UNIQUE ({columns[1].name}, {columns[2].name})")
    options = ([] if kind in ("rowid", "text", "composite") else ["WITHOUT ROWID"]) + (["STRICT"] if strict else [])
    table = Table(name, columns, without_rowid="WITHOUT ROWID" in options, constrained=True)
    database.tables.append(table)
    table.temporary = choices.chance(1, 12)
    kind = "TEMP TABLE" if table.temporary else "TABLE"
    return Statement(sql(f"CREATE {kind} {name} ({', '.join(parts)}) {', '.join(options)}".rstrip()))


def create_trigger(choices: Choices, database: Database) -> Statement:
    """CREATE TRIGGER on a table, or INSTEAD OF on a view."""
    table = choices.of(database.tables + database.views)
    other = choices.of(database.tables)
    name = database.new_name("g")
    event = choices.one_of("INSERT", "UPDATE", "DELETE", f"UPDATE OF {choices.of(table.columns).name}")
    timing = "INSTEAD OF" if table in database.views else choices.one_of("AFTER", "BEFORE", "")
    rows = [
        row for row in ("new", "old") if not (row == "new" and event == "DELETE" or row == "old" and event == "INSERT")
    ]

    def value() -> str:
        return f"{choices.of(rows)}.{choices.of(table.columns).name}"

    def number() -> str:
        return f"CAST({value()} AS INTEGER)"

    when = f" WHEN {value()} {choices.one_of('> 1', 'IS NOT NULL', '<> 2')}" if choices.chance(1, 3) else ""
    column, key = choices.of(other.columns).name, other.columns[0].name
    body = []
    for _ in range(choices.number(1, 2)):
        body.append(choices.one_of(
            f"INSERT INTO {LOG} VALUES ('{name}', {value()}, {value()})",
            f"INSERT INTO {LOG} SELECT '{name}', {value()}, count(*) FROM {other.name}",
            f"UPDATE {other.name} SET {column} = {value()} WHERE {key} = {value()}",
            f"DELETE FROM {other.name} WHERE {key} = {value()} + 1",
            f"INSERT OR IGNORE INTO {other.name} ({key}, {column}) VALUES ({number()}, {number()})",
            f"INSERT OR REPLACE INTO {other.name} ({key}) VALUES ({number()})",
            f"SELECT RAISE({choices.of(RAISES)})"
            f" WHERE {value()} = {choices.number(1, 9)}",
            f"INSERT INTO {other.name} ({key}) VALUES ({number()} + 20) ON CONFLICT DO NOTHING",
            f"UPDATE {other.name} SET {column} = {column} + 1 WHERE {key} IN (SELECT {value()})",
        ))  # fmt: skip
    each = choices.one_of("", " FOR EACH ROW")
    return Statement(
        sql(f"CREATE TRIGGER {name} {timing} {event} ON {table.name}{each}{when} BEGIN {'; '.join(body)}; END")
    )


def expression_index(choices: Choices, database: Database) -> Statement:
    """CREATE INDEX on expressions, perhaps partial."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table)).plain()
    name = database.new_name("i")
    column = choices.of(table.columns).name
    value = choices.one_of(f"{column} + 1", f"lower({column})", f"length({column})", str(scalar(choices, scope, 1)))
    unique = "UNIQUE " if choices.chance(1, 8) else ""
    table.indexes.append(name)
    test = choices.weighted((3, ""), (1, f" WHERE {column} > 1"), (1, f" WHERE {column} IS NOT NULL"))
    return Statement(sql(f"CREATE {unique}INDEX {name} ON {table.name} ({value}, {table.columns[-1].name}){test}"))


def alter(choices: Choices, database: Database) -> Statement:
    """ALTER TABLE in all its forms."""
    table = choices.of(database.tables)
    kind = choices.weighted((2, "add"), (2, "rename column"), (1, "rename"), (2, "drop"))
    if kind == "drop" and (database.in_transaction or database.savepoints):
        kind = "add"  # Where DROP COLUMN fails inside a transaction, SQLite forgets to take the schema back.
    column = choices.of(table.columns)
    if kind == "add":
        new = database.new_name("n")
        extra = choices.one_of("", " DEFAULT 5", " NOT NULL DEFAULT 'z'", " NOT NULL", " UNIQUE", " AS (a + 1)",
                               " CHECK (a > 0)", " TEXT COLLATE NOCASE", " DEFAULT (1 + 1)",
                               " PRIMARY KEY", " AS (a) STORED")  # fmt: skip
        if extra not in (
            " NOT NULL",
            " UNIQUE",
            " DEFAULT (1 + 1)",
            " PRIMARY KEY",
            " AS (a) STORED",
            " CHECK (a > 0)",
        ):
            table.columns.append(Column(new, ""))
        return Statement(sql(f"ALTER TABLE {table.name} ADD COLUMN {new}{extra}"))
    if kind == "rename column" and not table.temporary:  # SQLite edits the triggers of temp twice, and errs
        new = database.new_name("n")
        old, column.name = column.name, new
        return Statement(sql(f"ALTER TABLE {table.name} RENAME COLUMN {old} TO {new}"))
    if kind.startswith("rename"):
        new = database.new_name("t")
        old, table.name = table.name, new
        return Statement(sql(f"ALTER TABLE {old} RENAME TO {new}"))
    if len(table.columns) > 2 and not column.key and not column.unique:
        table.columns.remove(column)
    return Statement(sql(f"ALTER TABLE {table.name} DROP COLUMN {column.name}"))


def look(choices: Choices, database: Database) -> Statement:
    """What the schema says of itself, through PRAGMAs."""
    table = choices.of(database.tables)
    text = choices.one_of(
        "PRAGMA table_info({t})",
        "PRAGMA table_xinfo({t})",
        "PRAGMA index_list({t})",
        "PRAGMA foreign_key_list({t})",
        "PRAGMA foreign_key_check",
        "PRAGMA foreign_key_check({t})",
        "PRAGMA integrity_check",
        "SELECT * FROM log",
        "SELECT name, type FROM pragma_table_info('{t}')",
        "SELECT type, name FROM sqlite_schema ORDER BY name",
        "PRAGMA table_list({t})",
        "SELECT count(*) FROM sqlite_temp_schema",
        "PRAGMA quick_check",
    )
    return Statement(sql(text.format(t=table.name)), order="any")


def temporary(choices: Choices, database: Database) -> Statement:
    """TEMP objects that hide those of main, and databases attached."""
    table = choices.of(database.tables)
    return Statement(sql(choices.one_of(
        f"CREATE TEMP TABLE {table.name} AS SELECT * FROM main.{table.name}", f"DROP TABLE temp.{table.name}",
        f"CREATE TEMP VIEW tv AS SELECT * FROM {table.name}", "SELECT * FROM tv", "DROP VIEW IF EXISTS tv",
        "ATTACH ':memory:' AS other", "DETACH other", f"CREATE TABLE other.{table.name} (a, b)",
        f"INSERT INTO other.{table.name} SELECT {table.columns[0].name}, 1 FROM {table.name}",
        f"SELECT a, b FROM other.{table.name}",
        f"CREATE TEMP TRIGGER tg AFTER INSERT ON main.{table.name} BEGIN INSERT INTO "
        f"{LOG} VALUES ('temp', new.{table.columns[0].name}, 1); END", "DROP TRIGGER IF EXISTS tg",
        f"CREATE TABLE x AS SELECT * FROM {table.name}", "SELECT * FROM x", "DROP TABLE IF EXISTS x", "REINDEX",
        "ANALYZE", f"REINDEX main.{table.name}",
        f"CREATE VIEW IF NOT EXISTS tv AS SELECT 1 AS one, * FROM {table.name}",
    )))  # fmt: skip


def drop(choices: Choices, database: Database) -> Statement:
    """DROP of a trigger or a table that others may refer to."""
    if choices.chance(1, 2) or len(database.tables) < 3:
        return Statement(sql(f"DROP TRIGGER IF EXISTS g{choices.number(1, 12)}"))
    table = choices.of(database.tables)
    database.tables.remove(table)
    return Statement(sql(f"DROP TABLE {table.name}"))


def settings(choices: Choices, database: Database) -> Statement:
    """PRAGMAs that change what statements do."""
    return Statement(sql(choices.one_of(
        "PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON", "PRAGMA defer_foreign_keys = ON",
        "PRAGMA recursive_triggers = OFF", "PRAGMA ignore_check_constraints = ON",
        "PRAGMA ignore_check_constraints = OFF", "PRAGMA foreign_keys", "PRAGMA user_version = 7",
        "PRAGMA user_version",
        "PRAGMA case_sensitive_like = ON", "PRAGMA case_sensitive_like = OFF", "PRAGMA count_changes = 0",
        "PRAGMA reverse_unordered_selects", "PRAGMA legacy_alter_table = ON", "PRAGMA legacy_alter_table = OFF",
    )))  # fmt: skip


def trigger_on_view(choices: Choices, database: Database) -> Statement:
    """A view over a table, whose triggers another statement may make."""
    table = choices.of(database.tables)
    view = Table(database.new_name("v"), [Column(column.name, "") for column in table.columns], without_rowid=True)
    database.views.append(view)
    names = ", ".join(column.name for column in table.columns)
    return Statement(sql(f"CREATE VIEW {view.name} AS SELECT {names} FROM {table.name}", optional(" WHERE ",
                         table.columns[0].name, " > ", literal(choices))))  # fmt: skip


DEFINITIONS = [(3, alter), (2, create_trigger), (2, expression_index), (1, trigger_on_view), (3, look), (2, temporary),
               (1, drop), (1, settings), (1, create)]  # fmt: skip
