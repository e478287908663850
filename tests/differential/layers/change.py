"""Random INSERT, UPDATE, DELETE and UPSERT statements.

Where the answer would hang on the order in which rows are visited (OR IGNORE, OR REPLACE on many rows), the table must
be one that can only be scanned by its own key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..choices import Choices
from ..fragment import Fragment, items, optional, sql
from ..script import Statement
from .expression import literal, parameters_for, scope_of, set_clause, where
from .query import join_terms
from .schema import Column, Database, Table

ChangeMaker: TypeAlias = Callable[[Choices, Database], Statement]
ACTIONS = [(12, ""), (2, " OR IGNORE"), (2, " OR REPLACE"), (1, " OR ABORT"), (1, " OR FAIL"), (1, " OR ROLLBACK")]


def change(choices: Choices, database: Database) -> Statement:
    """One statement that changes rows."""
    make: ChangeMaker = choices.weighted(*CHANGES)
    return make(choices, database)


def fill(choices: Choices, database: Database) -> list[Statement]:
    """Statements that put first rows into most tables; some stay empty."""
    return [first_rows(choices, table) for table in database.tables if choices.chance(9, 10)]


def first_rows(choices: Choices, table: Table) -> Statement:
    """INSERT of rows that break no constraint of a column: keys and unique columns rise, NOT NULL ones are filled."""
    rows = []
    for number in range(choices.number(2, 12)):
        values: list[str | Fragment] = []
        for column in table.columns:
            if column.key or column.unique:
                values.append(str(number * 3 + 1))
            elif column.not_null:
                values.append(choices.one_of("1", "2", "'a'", "'b'", "1.5"))
            else:
                values.append(literal(choices))
        rows.append(sql("(", *join_terms(values), ")"))
    return Statement(sql(f"INSERT INTO {table.name} VALUES ", items(rows)))


def insert(choices: Choices, database: Database) -> Statement:
    return insert_into(choices, choices.of(database.tables), least=1, most=3)


def insert_into(choices: Choices, table: Table, least: int, most: int) -> Statement:
    """INSERT of literal rows, or of bound parameters."""
    action = choices.weighted(*ACTIONS)
    columns = table.columns if choices.chance(2, 3) else choices.sample(table.columns, 1, len(table.columns))
    names = (
        f" ({', '.join(column.name for column in columns)})" if columns != table.columns or choices.chance(1, 2) else ""
    )
    head = f"INSERT{action} INTO {table.name}{names} VALUES "
    if choices.chance(1, 4):
        marks = ", ".join("?" * len(columns))
        return Statement(sql(head, f"({marks})", returning(choices, table)), parameters_for(choices, len(columns)))
    count = choices.number(least, most)
    rows = [row_of(choices, columns, mismatched=not action and count == 1) for _ in range(count)]
    return Statement(sql(head, items(rows), returning(choices, table)))


def row_of(choices: Choices, columns: list[Column], *, mismatched: bool = False) -> Fragment:
    """A row of VALUES. `mismatched`: a key may be of the wrong class.

    Where that happens under a conflict clause, SQLite 3.40 keeps the rows before it (a later one does not).
    """
    values: list[str | Fragment] = [value_for(choices, column, mismatched) for column in columns]
    return sql("(", *join_terms(values), ")")


def value_for(choices: Choices, column: Column, mismatched: bool) -> Fragment | str:
    """A value that the column may well hold; keys are mostly new, now and then the wrong class or a duplicate."""
    if column.key and (not mismatched or choices.chance(7, 8)):
        return choices.weighted((3, "NULL"), (5, str(choices.number(1, 40))))
    if column.unique and choices.chance(3, 4):
        return str(choices.number(1, 60))
    return literal(choices)


def returning(choices: Choices, table: Table) -> Fragment | str:
    # SQLite 3.40's RETURNING gives 0 for the 0.0 of a REAL column, or reals for its neighbours: not to be copied.
    if not choices.chance(1, 10) or any(column.type == "REAL" for column in table.columns):
        return ""
    return optional(
        " RETURNING ", choices.one_of("*", f"{table.columns[0].name} AS r", f"typeof({table.columns[-1].name})")
    )


def insert_select(choices: Choices, database: Database) -> Statement:
    """INSERT ... SELECT, sorted, so that new rowids go to the same rows."""
    table, other = choices.of(database.tables), choices.of(database.tables)
    count = min(len(table.columns), len(other.columns))
    targets, sources = table.columns[:count], other.columns[:count]
    if table.keyed and count > 1:
        targets, sources = table.columns[1:count], other.columns[1:count]
    scope = scope_of(database, ("", other)).plain()
    order = ", ".join(f"{column.name} COLLATE BINARY, typeof({column.name})" for column in sources)
    names, values = (", ".join(column.name for column in columns) for columns in (targets, sources))
    limit = f" LIMIT {choices.number(1, 5)}"
    return Statement(
        sql(
            f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {other.name}",
            where(choices, scope, 2),
            f" ORDER BY {order}{limit}",
        )
    )


def upsert(choices: Choices, database: Database) -> Statement:
    """INSERT ... ON CONFLICT, its target a unique column if there is one (if not: an error to compare)."""
    table = choices.of(database.tables)
    unique = table.unique_columns()
    target = choices.of(unique).name if unique else table.columns[0].name
    if not unique and choices.chance(7, 8):
        return insert_into(choices, table, least=1, most=3)
    rows = choices.times(1, 3, lambda: row_of(choices, table.columns))
    head = sql(f"INSERT INTO {table.name} VALUES ", items(rows))
    if choices.chance(1, 3):
        return Statement(sql(head, " ON CONFLICT", optional(f" ({target})"), " DO NOTHING"))
    changed = choices.of(table.columns)
    value = choices.one_of(
        f"excluded.{changed.name}", f"{table.name}.{changed.name} || 'u'", f"coalesce({changed.name}, 0) + 1"
    )
    test = optional(f" WHERE {table.columns[-1].name} IS NOT NULL") if choices.chance(1, 4) else ""
    clause = sql(f" ON CONFLICT ({target}) DO UPDATE SET {changed.name} = {value}", test)
    return Statement(sql(head, clause, returning(choices, table)))


def update(choices: Choices, database: Database) -> Statement:
    table = choices.of(database.tables)
    ordered = not table.indexes and not [column for column in table.columns if column.unique]
    action = choices.weighted(*ACTIONS) if ordered else ""
    scope = scope_of(database, ("", table))._replace(looks_into_tables=False)
    columns = [c for c in table.columns if not c.key or (not action and choices.chance(1, 6))] or table.columns
    test = where(choices, scope, 2) if choices.chance(5, 6) else ""
    return Statement(sql(f"UPDATE{action} {table.name} SET ", set_clause(choices, scope.plain(), columns), test))


def update_by_parameter(choices: Choices, database: Database) -> Statement:
    table = choices.of(database.tables)
    column, key = choices.of(table.columns), choices.of(table.columns)
    text = f"UPDATE {table.name} SET {column.name} = ? WHERE {key.name} = ?"
    return Statement(sql(text, returning(choices, table)), parameters_for(choices, 2))


def delete(choices: Choices, database: Database) -> Statement:
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table))._replace(looks_into_tables=False)
    test = where(choices, scope, 2) if choices.chance(7, 8) else ""
    return Statement(sql(f"DELETE FROM {table.name}", test, returning(choices, table)))


def replace(choices: Choices, database: Database) -> Statement:
    table = choices.of(database.tables)
    return Statement(
        sql(f"REPLACE INTO {table.name} VALUES ", items(choices.times(1, 2, lambda: row_of(choices, table.columns))))
    )


def default_row(choices: Choices, database: Database) -> Statement:
    return Statement(sql(f"INSERT INTO {choices.of(database.tables).name} DEFAULT VALUES"))


def faulty(choices: Choices, database: Database) -> Statement:
    """A change that sqlite3 refuses."""
    table = choices.of(database.tables)
    text = choices.one_of(
        "INSERT INTO nowhere VALUES (1)", "INSERT INTO {t} VALUES (1, 2, 3, 4, 5, 6, 7)",
        "INSERT INTO {t} (nowhere) VALUES (1)", "INSERT INTO {t} ({c}) VALUES (1, 2)", "UPDATE {t} SET nowhere = 1",
        "UPDATE nowhere SET a = 1", "DELETE FROM nowhere", "DELETE FROM {t} WHERE nowhere = 1",
        "UPDATE {t} SET {c} = nowhere", "INSERT INTO {t} ({c}) VALUES ({c})", "DELETE FROM {t} WHERE count(*) > 1",
        "INSERT INTO {t}", "UPDATE {t} SET", "CREATE TABLE {t} (a)", "CREATE INDEX {t} ON {t} ({c})",
        "CREATE INDEX ix ON {t} (nowhere)", "CREATE INDEX ix ON nowhere (a)", "DROP TABLE nowhere", "DROP INDEX {t}",
        "CREATE TABLE z (a, a)", "CREATE TABLE z (a INTEGER PRIMARY KEY, b PRIMARY KEY)", "CREATE TABLE z ()",
        "INSERT INTO sqlite_master VALUES (1, 2, 3, 4, 5)",
    )  # fmt: skip
    return Statement(sql(text.format(t=table.name, c=table.columns[0].name)))


CHANGES: list[tuple[int, ChangeMaker]] = [
    (6, insert), (2, insert_select), (3, upsert), (5, update), (2, update_by_parameter), (3, delete), (1, replace),
    (1, default_row), (1, faulty),
]  # fmt: skip
