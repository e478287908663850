"""Changes of rarer shapes: UPDATE FROM, several ON CONFLICT, RETURNING of expressions, row values, WITH, LIMIT.

WITH … INSERT INTO t … SELECT … ON CONFLICT (a) DO UPDATE SET … WHERE … ON CONFLICT DO NOTHING RETURNING …
"""

from __future__ import annotations

from collections.abc import Callable

from ..choices import Choices
from ..fragment import Fragment, items, optional, sql
from ..script import Statement
from .change import ACTIONS, row_of
from .expression import Scope, column_name, condition, literal, scalar, scope_of, set_clause, where
from .schema import Database, Table

Maker = Callable[[Choices, Database], Statement]


def returning(choices: Choices, scope: Scope) -> Fragment | str:
    """RETURNING expressions over the row as it is stored."""
    if any(column.type == "REAL" for _, column in scope.columns) or not choices.chance(1, 4):
        return ""
    plain = scope.plain()
    return optional(" RETURNING ", items([sql(scalar(choices, plain, 1), choices.one_of("", " AS r")),
                                          column_name(choices, plain)]))  # fmt: skip


def update_from(choices: Choices, database: Database) -> Statement:
    """UPDATE FROM a query that has at most one row for each target."""
    table, other = choices.of(database.tables), choices.of(database.tables)
    key, value = choices.of(other.columns).name, choices.of(other.columns).name
    column, link = choices.of(table.columns).name, choices.of(table.columns).name
    source = f"(SELECT typeof({key}), {key} AS k, max(length({value})) AS m FROM {other.name} GROUP BY {key}) AS s"
    if choices.chance(1, 3):
        source += f" LEFT JOIN {other.name} AS o ON o.{other.columns[0].name} = s.m"
    target = choices.one_of(table.name, f"{table.name} AS z")
    name = target.split()[-1]
    what = choices.one_of("s.m", f"{name}.{column} || s.m", "s.k", "s.m + 1")
    test = optional(" AND ", condition(choices, scope_of(database, (name, table)).plain(), 1))
    return Statement(sql(f"UPDATE {target} SET {column} = {what} FROM {source} WHERE {name}.{link} = s.k", test,
                         returning(choices, scope_of(database, (table.name, table)))))  # fmt: skip


def conflicts(choices: Choices, database: Database) -> Statement:
    """INSERT with several ON CONFLICT clauses."""
    table = choices.of(database.tables)
    unique = [column.name for column in table.unique_columns()] or [table.columns[0].name]
    clauses: list[str | Fragment] = []
    for place in range(choices.number(1, 3)):
        target = f" ({choices.of(unique)})"
        if place and choices.chance(1, 2):
            target = ""
        changed = choices.of(table.columns).name
        value = choices.one_of(f"excluded.{changed}", f"coalesce({changed}, 0) + 1", "7", f"{table.name}.{changed}",
                               f"(SELECT count(*) FROM {table.name})")  # fmt: skip
        test = choices.one_of("", f" WHERE excluded.{changed} IS NOT NULL", f" WHERE {table.name}.{changed} < 3")
        clauses.append(optional(f" ON CONFLICT{target}", choices.one_of(" DO NOTHING",
                                f" DO UPDATE SET {changed} = {value}{test}")))  # fmt: skip
        if not target:
            break
    action = choices.weighted((6, ""), (1, " OR REPLACE"), (1, " OR IGNORE"))
    rows = choices.times(1, 3, lambda: row_of(choices, table.columns))
    head: Fragment | str = sql("VALUES ", items(rows))
    if choices.chance(1, 5):
        other = choices.of(database.tables)
        values = [choices.of(other.columns).name for _ in table.columns]
        # A key of the wrong class may leave the rows before it.
        chosen = [f"CAST({v} AS INTEGER)" if c.key else v for c, v in zip(table.columns, values, strict=True)]
        ties = "" if other.without_rowid else ", rowid"
        order = f"{other.columns[0].name}{ties}"
        head = sql(f"SELECT {', '.join(chosen)} FROM {other.name} WHERE true ORDER BY {order} LIMIT 3")
    scope = scope_of(database, ("", table))
    return Statement(sql(f"INSERT{action} INTO {table.name} ", head, *clauses, returning(choices, scope)))


def row_update(choices: Choices, database: Database) -> Statement:
    """UPDATE of a row value."""
    table = choices.of(database.tables)
    if len(table.columns) < 2:
        return plain_update(choices, database)
    one, two = (column.name for column in choices.sample(table.columns, 2, 2))
    other = choices.of(database.tables)
    c, d = choices.of(other.columns).name, choices.of(other.columns).name
    value = choices.one_of(
        f"({two}, {one})",
        "(1, 'r')",
        f"(SELECT {c}, {d} FROM {other.name} ORDER BY 1, 2, typeof({c}) LIMIT 1)",
        f"(SELECT max(length({c})), min(length({d})) FROM {other.name} AS o WHERE o.{c} = {table.name}.{one})",
    )
    return Statement(sql(f"UPDATE {table.name} SET ({one}, {two}) = {value}",
                         where(choices, scope_of(database, ('', table)).plain(), 2)))  # fmt: skip


def plain_update(choices: Choices, database: Database) -> Statement:
    """UPDATE of one table with subqueries that read the same table, in RETURNING as well."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table))
    own = choices.of(table.columns).name
    value = choices.one_of(
        f"(SELECT count(*) FROM {table.name} AS o WHERE o.{own} = {table.name}.{own})",
        f"(SELECT max(length(o.{own})) FROM {table.name} AS o)",
        "NULL",
        f"{own} || 'p'",
        f"{own} + 1",
    )
    columns = [column for column in table.columns if not column.key] or table.columns
    changed = choices.of(columns).name
    return Statement(sql(f"UPDATE {table.name} SET {changed} = {value}", where(choices, scope.plain(), 2),
                         returning(choices, scope)))  # fmt: skip


def limited(choices: Choices, database: Database) -> Statement:
    """DELETE and UPDATE with ORDER BY and LIMIT."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table)).plain()
    order = ", ".join(f"{c.name} COLLATE BINARY{choices.one_of('', ' DESC')}, typeof({c.name})" for c in table.columns)
    order += "" if table.without_rowid else ", rowid"
    limit = f"LIMIT {choices.number(-1, 4)}{choices.one_of('', ' OFFSET 1')}"
    head: Fragment | str = f"DELETE FROM {table.name}"
    if choices.chance(1, 2):
        columns = [column for column in table.columns if not column.key and not column.unique] or table.columns
        head = sql(f"UPDATE {table.name} SET ", set_clause(choices, scope, columns))
    return Statement(sql(head, where(choices, scope, 2), f" ORDER BY {order} {limit}"))


def with_common(choices: Choices, database: Database) -> Statement:
    """A change whose rows a common table gives."""
    table, other = choices.of(database.tables), choices.of(database.tables)
    a, b = choices.of(table.columns).name, choices.of(other.columns).name
    common = f"WITH w(x) AS (SELECT DISTINCT length({b}) FROM {other.name} WHERE {b} IS NOT NULL)"
    action = choices.weighted(*ACTIONS[:2])
    text = choices.one_of(
        f"DELETE FROM {table.name} WHERE {a} IN (SELECT x FROM w)",
        f"UPDATE {table.name} SET {a} = {a} WHERE {a} IN (SELECT x FROM w)",
        f"INSERT{action} INTO {table.name} ({a}) SELECT x + 40 FROM w ORDER BY x",
        f"UPDATE {table.name} SET {a} = (SELECT max(x) FROM w) WHERE {a} < (SELECT min(x) FROM w)",
        f"DELETE FROM {table.name} WHERE EXISTS (SELECT 1 FROM w WHERE w.x = {table.name}.{a})",
    )
    return Statement(sql(f"{common} {text}"))


def through_view(choices: Choices, database: Database) -> Statement:
    """A change of a view, which its triggers carry out, or an error."""
    if not database.views:
        return plain_update(choices, database)
    view: Table = choices.of(database.views)
    a, b = choices.of(view.columns).name, choices.of(view.columns).name
    text = choices.one_of(
        f"UPDATE {view.name} SET {a} = {choices.number(1, 9)} WHERE {b} < 5",
        f"DELETE FROM {view.name} WHERE {a} = 1",
        f"INSERT INTO {view.name} ({a}) VALUES ({choices.number(1, 60)})",
        f"UPDATE {view.name} SET {a} = {a} + 1",
    )
    return Statement(sql(text))


def copied(choices: Choices, database: Database) -> Statement:
    """INSERT of a table into itself or another, new keys given by the table."""
    table, other = choices.of(database.tables), choices.of(database.tables)
    column, value = choices.of(table.columns).name, choices.of(other.columns).name
    order = f"ORDER BY {value} COLLATE BINARY, typeof({value})"
    rows = f" FROM (SELECT {value} FROM {other.name} {order} LIMIT 3)"
    return Statement(sql(f"INSERT INTO {table.name} ({column}) SELECT ", literal(choices), rows))


MORE_CHANGES: list[tuple[int, Maker]] = [
    (2, update_from), (4, conflicts), (3, row_update), (3, plain_update), (2, limited), (2, with_common),
    (2, through_view), (1, copied),
]  # fmt: skip
