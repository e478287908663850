"""Random SELECT statements.

    [WITH …] core [UNION core …] [ORDER BY every column [LIMIT …]]
             core: SELECT … FROM t1 AS x1 [LEFT] JOIN t2 AS x2 ON … WHERE … [GROUP BY … HAVING …]

What order the rows may come in is decided here: see `script.Order`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from ..choices import Choices
from ..fragment import Fragment, expression, optional, sql
from ..script import Order, Statement
from .expression import Scope, column_name, condition, literal, scalar, scope_of, where
from .schema import Column, Database, Table


class Core(NamedTuple):
    """A SELECT without ORDER BY: its text, how many columns it gives (0: not known), and how its rows compare."""

    text: Fragment
    width: int
    order: Order


QueryMaker: TypeAlias = Callable[[Choices, Database], Core]


def select(choices: Choices, database: Database) -> Statement:
    """One SELECT statement of any kind."""
    return choose(choices, database, QUERIES)


def choose(choices: Choices, database: Database, makers: list[tuple[int, QueryMaker]]) -> Statement:
    """One SELECT statement of some of these kinds, sorted or not."""
    core = choices.weighted(*makers)(choices, database)
    if not core.width or not choices.chance(1, 2):
        return Statement(core.text, (), core.order)
    return order_by(choices, core)


def order_by(choices: Choices, core: Core) -> Statement:
    """Sort by every column, each in some direction; then the order is total and a LIMIT has one answer."""
    numbers = choices.sample(range(1, core.width + 1), core.width, core.width)
    terms: list[str | Fragment] = []
    # With COLLATE on a compound's term SQLite renames a second column b to "b:1": an accident, not to be copied.
    collate = "" if core.order == "loose" else " COLLATE NOCASE"
    for number in numbers:
        extra = choices.weighted((6, ""), (3, " DESC"), (1, collate), (1, " NULLS LAST"), (1, " DESC NULLS FIRST"))
        terms.append(sql(str(number), optional(extra) if extra else ""))
    limit: Fragment | str = ""
    if choices.chance(1, 2):
        offset = optional(f" OFFSET {choices.number(0, 3)}") if choices.chance(1, 3) else ""
        limit = optional(f" LIMIT {choices.number(-1, 6)}", offset)
    return Statement(sql(core.text, " ORDER BY ", sql(*join_terms(terms)), limit), (), "total")


def join_terms(terms: list[str | Fragment]) -> list[str | Fragment]:
    """A comma list that is never cut when reducing, for the order must stay total."""
    joined: list[str | Fragment] = []
    for term in terms:
        joined += [", ", term] if joined else [term]
    return joined


def scan(choices: Choices, database: Database) -> Core:
    """A single table: rows must come in the order of the table's own key when nowhere else could give them."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table))
    plain = not (table.indexes or table.unique_columns() or table.without_rowid or table.constrained)
    test = where(choices, scope.plain() if plain else scope, 3)
    if choices.chance(1, 2):
        return Core(sql(f"SELECT * FROM {table.name}", test), len(table.columns), "scan" if plain else "any")
    columns, width = output(choices, scope, 4)
    rowid = "rowid, " if choices.chance(1, 8) and not table.without_rowid else ""
    text = sql(f"SELECT {rowid}", columns, f" FROM {table.name}", test)
    return Core(text, width + bool(rowid), "scan" if plain else "any")


def output(choices: Choices, scope: Scope, most: int) -> tuple[Fragment, int]:
    """A result list; its width is kept when reducing, for ORDER BY counts columns."""
    width = choices.number(1, most)
    parts: list[str | Fragment] = []
    for place in range(width):
        value = column_name(choices, scope) if choices.chance(1, 2) else scalar(choices, scope, 3)
        parts += [", " if place else "", value, optional(f" AS n{place}") if choices.chance(1, 4) else ""]
    return sql(*parts), width


def from_clause(choices: Choices, database: Database, most: int = 3) -> tuple[Fragment, Scope]:
    """One to `most` sources joined in any way."""
    parts: list[str | Fragment] = []
    scope = Scope([], database)
    for place in range(choices.weighted((2, 1), (4, 2), (1 if most > 2 else 0, 3))):
        alias = f"x{place + 1}"
        text, table = source(choices, database, alias)
        own = [(alias, column) for column in table.columns]
        if not place:
            parts.append(text)
        else:
            parts += join(choices, scope, Scope(own, database), text)
        scope = Scope(scope.columns + own, database)
    return sql(*parts), scope


def source(choices: Choices, database: Database, alias: str) -> tuple[Fragment, Table]:
    kind = choices.weighted((8, "table"), (1, "view"), (2, "subquery"))
    if kind == "view" and database.views:
        view = choices.of(database.views)
        return sql(f"{view.name} AS {alias}"), view
    table = choices.of(database.tables)
    if kind != "subquery":
        return sql(f"{table.name} AS {alias}"), table
    columns = choices.sample(table.columns, 1, 3)
    names = ", ".join(column.name for column in columns)
    distinct = optional("DISTINCT ") if choices.chance(1, 4) else ""
    inner = where(choices, scope_of(database, ("", table)).plain(), 2)
    shape = Table(alias, [Column(column.name, column.type, column.collation) for column in columns], without_rowid=True)
    return sql("(SELECT ", distinct, f"{names} FROM {table.name}", inner, f") AS {alias}"), shape


def join(choices: Choices, left: Scope, right: Scope, text: Fragment) -> list[str | Fragment]:
    word = choices.weighted(
        (5, " JOIN "), (4, " LEFT JOIN "), (1, ", "), (1, " CROSS JOIN "), (1, " RIGHT JOIN "), (1, " FULL JOIN ")
    )
    shared = {column.name for _, column in left.columns} & {column.name for _, column in right.columns}
    if word in (" JOIN ", " LEFT JOIN ") and shared and choices.chance(1, 8):
        return [word, text, f" USING ({choices.of(sorted(shared))})"]
    if word == ", ":
        return [word, text]
    if choices.chance(3, 4):
        on = expression("(", column_name(choices, left), " = ", column_name(choices, right), ")")
        more = optional(" AND ", condition(choices, Scope(left.columns + right.columns, left.database, False), 1))
        return [word, text, " ON ", on, more if choices.chance(1, 4) else ""]
    return [word, text, " ON ", condition(choices, Scope(left.columns + right.columns, left.database, False), 2)]


def joined(choices: Choices, database: Database) -> Core:
    """SELECT over a join."""
    tables, scope = from_clause(choices, database)
    test = where(choices, scope, 2)
    if choices.chance(1, 5):
        return Core(sql("SELECT * FROM ", tables, test), max(1, len(scope.columns)), "any")
    columns, width = output(choices, scope, 3)
    distinct = optional("DISTINCT ") if choices.chance(1, 6) else ""
    return Core(sql("SELECT ", distinct, columns, " FROM ", tables, test), width, "loose" if distinct else "any")


def aggregate(choices: Choices, scope: Scope) -> Fragment:
    """A call of an aggregate whose answer does not hang on the order of rows."""
    inside = column_name(choices, scope) if choices.chance(2, 3) else scalar(choices, scope.plain(), 2)
    name = choices.one_of("count", "sum", "min", "max", "avg", "total", "length-of-group_concat")
    if choices.chance(1, 6):
        return expression("count(*)")
    if name == "length-of-group_concat":
        return expression("length(group_concat(", inside, "))")
    distinct = optional("DISTINCT ") if name in ("count", "sum") and choices.chance(1, 4) else ""
    kept = optional(" FILTER (WHERE ", condition(choices, scope.plain(), 1), ")") if choices.chance(1, 10) else ""
    return expression(f"{name}(", distinct, inside, ")", kept)


def grouped(choices: Choices, database: Database) -> Core:
    """GROUP BY with aggregates, or aggregates of the whole."""
    tables, scope = from_clause(choices, database, 2)
    test = where(choices, scope.plain(), 2)
    calls = choices.times(1, 3, lambda: aggregate(choices, scope))
    keys: list[str | Fragment] = []
    if choices.chance(3, 4):
        keys = list(
            choices.times(
                1, 2, lambda: column_name(choices, scope) if choices.chance(3, 4) else scalar(choices, scope.plain(), 1)
            )
        )
    parts = join_terms([*keys, *calls])
    group = sql(" GROUP BY ", sql(*join_terms(keys))) if keys else ""
    having = (
        optional(" HAVING ", aggregate(choices, scope), " > ", literal(choices))
        if keys and choices.chance(1, 4)
        else ""
    )
    return Core(sql("SELECT ", *parts, " FROM ", tables, test, group, having), len(keys) + len(calls), "loose")


def compound(choices: Choices, database: Database) -> Core:
    """Two or three SELECTs of the same width under set operators."""
    width = choices.number(1, 3)
    parts: list[str | Fragment] = []
    for place in range(choices.number(2, 3)):
        if place:
            parts.append(choices.one_of(" UNION ALL ", " UNION ", " EXCEPT ", " INTERSECT "))
        if choices.chance(1, 8):
            parts += [choices.one_of("VALUES (", "SELECT "), *join_terms([literal(choices) for _ in range(width)])]
            parts.append(")" if parts[-2 * width] == "VALUES (" else "")
            continue
        table = choices.of(database.tables)
        scope = scope_of(database, ("", table)).plain()
        columns = [
            column_name(choices, scope) if choices.chance(2, 3) else scalar(choices, scope, 2) for _ in range(width)
        ]
        parts += ["SELECT ", *join_terms(list(columns)), f" FROM {table.name}", where(choices, scope, 2)]
    return Core(sql(*parts), width, "loose")


def common_table(choices: Choices, database: Database) -> Core:
    """WITH, plain or recursive."""
    name = database.new_name("w")
    if choices.chance(1, 3):
        top = choices.number(1, 6)
        step = choices.one_of("n + 1", "n * 2", "n + 3")
        head = f"WITH RECURSIVE {name}(n) AS (SELECT 1 UNION ALL SELECT {step} FROM {name} WHERE n < {top}) "
        shape = Table(name, [Column("n", "")], without_rowid=True)
        start = sql(head)
    else:
        inner = joined(choices, database)
        names = [f"k{place}" for place in range(inner.width)]
        if "*" in str(inner.text)[:8]:
            names = []
        listed = f"({', '.join(names)})" if names else ""
        start = sql(f"WITH {name}{listed} AS (", inner.text, ") ")
        if not names:
            return Core(sql(start, f"SELECT count(*) FROM {name}"), 1, "loose")
        shape = Table(name, [Column(column, "") for column in names], without_rowid=True)
    scope = scope_of(database, ("", shape))
    columns, width = output(choices, scope.plain(), 2)
    return Core(sql(start, "SELECT ", columns, f" FROM {name}", where(choices, scope.plain(), 2)), width, "loose")


def without_tables(choices: Choices, database: Database) -> Core:
    """SELECT of constants: functions, operators and the names of their columns."""
    columns, width = output(choices, Scope([], database), 4)
    return Core(sql("SELECT ", columns), width, "any")


def faulty(choices: Choices, database: Database) -> Core:
    """A statement that sqlite3 refuses: its words are part of the contract."""
    table = choices.of(database.tables)
    name = table.columns[0].name
    text = choices.one_of(
        "SELECT nowhere FROM {t}", "SELECT * FROM nowhere", "SELECT {t}.nowhere FROM {t}", "SELECT z.{c} FROM {t}",
        "SELECT sum({c}) FROM {t} WHERE sum({c}) > 1", "SELECT {c} FROM {t} GROUP BY 5",
        "SELECT {c} FROM {t} ORDER BY 3", "SELECT nowhere({c}) FROM {t}", "SELECT abs({c}, 1, 2) FROM {t}",
        "SELECT * FROM {t} WHERE", "SELECT {c} {c} {c} FROM {t}", "SELECT {c} FROM {t} UNION SELECT 1, 2",
        "SELECT (SELECT 1, 2)", "SELECT {c} IN (SELECT 1, 2) FROM {t}", "SELECT * FROM {t} JOIN {t}",
        "SELECT {c} FROM {t} AS p JOIN {t} AS q", "SELECT x.* FROM {t}", "SELECT 'open FROM {t}",
        "SELECT count(*, 1) FROM {t}", "SELECT {c} FROM {t} LIMIT 'x'", "SELECT max(count(*)) FROM {t}",
        "SELECT @ FROM {t}", "SELECT {c} FROM {t} HAVING {c} > 1", "SELECT * FROM {t} NATURAL JOIN {t} ON 1",
        "SELECT {c} COLLATE nowhere FROM {t} ORDER BY 1",
    )  # fmt: skip
    return Core(sql(text.format(t=table.name, c=name)), 1, "any")


QUERIES: list[tuple[int, QueryMaker]] = [
    (6, scan), (6, joined), (5, grouped), (3, compound), (2, common_table), (3, without_tables), (1, faulty),
]  # fmt: skip
