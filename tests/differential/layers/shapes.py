"""Random queries of rarer shapes: recursive tables, row values, LATERAL-like subqueries, VALUES, nested compounds.

WITH RECURSIVE w(n, m) AS (SELECT … UNION SELECT … FROM w JOIN t ORDER BY … LIMIT …) SELECT …
SELECT (a, b) IN (SELECT c, d FROM …), (SELECT … ORDER BY … LIMIT 1 OFFSET …) FROM t LEFT JOIN (t JOIN t …) …
"""

from __future__ import annotations

from ..choices import Choices
from ..fragment import Fragment, expression, optional, sql
from .expression import COMPARISONS, Scope, column_name, condition, literal, scalar, scope_of, where
from .query import Core, QueryMaker, join_terms, output
from .schema import Column, Database, Table


def counted(choices: Choices, database: Database) -> Core:
    """A recursive table that counts, its queue in an order of its own, cut by a LIMIT."""
    step = choices.one_of("n + 1", "n * 2 + 1", "n + m + 1", "n + 2")
    other = choices.one_of("m", "n", "m + 1", "n % 3", "m || 'x'", "max(n, m)")
    union = choices.one_of("UNION ALL", "UNION")
    start = choices.one_of("SELECT 1, 0", "VALUES (1, 2), (2, 1)", "SELECT 0, 'a'", "SELECT 1, NULL UNION SELECT 2, 3")
    second = f" {union} SELECT n + 3, n FROM w WHERE n < 6" if choices.chance(1, 4) else ""
    queue = choices.weighted((3, ""), (1, " ORDER BY 1"), (1, " ORDER BY 1 DESC"), (1, " ORDER BY 2, 1"),
                             (1, " ORDER BY n % 2, n DESC, m"))  # fmt: skip
    queue = queue.replace("n % 2, n DESC, m", "2 DESC, 1 DESC")
    limit = choices.weighted((2, ""), (1, f" LIMIT {choices.number(0, 9)}"), (1, " LIMIT 5 OFFSET 2"), (1, " LIMIT -1"))
    body = f"{start} {union} SELECT {step}, {other} FROM w WHERE n < {choices.number(2, 14)}{second}{queue}{limit}"
    shape = Table("w", [Column("n", ""), Column("m", "")], without_rowid=True)
    columns, width = output(choices, scope_of(database, ("", shape)).plain(), 2)
    hint = choices.one_of("AS", "AS MATERIALIZED", "AS NOT MATERIALIZED")
    test = where(choices, scope_of(database, ("", shape)).plain(), 2)
    return Core(sql(f"WITH RECURSIVE w(n, m) {hint} ({body}) SELECT ", columns, " FROM w", test), width, "any")


def walked(choices: Choices, database: Database) -> Core:
    """A recursive table that walks from rows to rows of a table."""
    table = choices.of(database.tables)
    a, b = choices.of(table.columns).name, choices.of(table.columns).name
    start = choices.one_of(f"SELECT {a}, 0 FROM {table.name}", "SELECT 1, 0", f"SELECT min({b}), 0 FROM {table.name}")
    join = choices.one_of(f"w JOIN {table.name} AS s ON s.{a} = w.x", f"{table.name} AS s, w",
                          f"w LEFT JOIN {table.name} AS s ON s.{b} > w.x")  # fmt: skip
    test = choices.one_of("w.depth < 2", f"w.depth < 3 AND s.{a} = w.x", f"w.depth < 2 AND s.{b} IS NOT NULL")
    body = f"{start} UNION SELECT s.{b}, w.depth + 1 FROM {join} WHERE {test}"
    return Core(sql(f"WITH RECURSIVE w(x, depth) AS ({body}) SELECT x, depth FROM w"), 2, "loose")


def several_common(choices: Choices, database: Database) -> Core:
    """Common tables that read one another, one of them read twice."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table)).plain()
    one = sql("SELECT ", column_name(choices, scope), " AS x, ", scalar(choices, scope, 2), f" AS y FROM {table.name}",
              where(choices, scope, 2))  # fmt: skip
    shape = Table("c1", [Column("x", ""), Column("y", "")], without_rowid=True)
    inner = scope_of(database, ("", shape)).plain()
    two = sql("SELECT x, count(*) AS z FROM c1", where(choices, inner, 1), " GROUP BY x")
    hint = choices.one_of("AS", "AS MATERIALIZED", "AS NOT MATERIALIZED")
    body = choices.one_of(
        "SELECT p.x, p.y, q.z FROM c1 AS p LEFT JOIN c2 AS q ON p.x IS q.x",
        "SELECT p.x, q.y, 1 FROM c1 AS p JOIN c1 AS q ON p.x = q.x",
        "SELECT x, y, (SELECT z FROM c2 WHERE c2.x IS c1.x) FROM c1",
        "SELECT z, count(*), min(x) FROM c2 GROUP BY z",
        "SELECT x, y, x IN (SELECT x FROM c2 WHERE z > 1) FROM c1",
    )
    return Core(sql(f"WITH c1 {hint} (", one, "), c2 AS (", two, f") {body}"), 3, "loose")


def row_values(choices: Choices, database: Database) -> Core:
    """Row values compared with each other, with lists and with subqueries."""
    table, other = choices.of(database.tables), choices.of(database.tables)
    scope = scope_of(database, ("x1", table)).plain()
    inner = scope_of(database, ("x2", other)).plain()

    def pair(of: Scope) -> Fragment:
        left = column_name(choices, of) if choices.chance(3, 4) else literal(choices)
        right = column_name(choices, of) if choices.chance(3, 4) else scalar(choices, of, 1)
        return sql("(", left, ", ", right, ")")

    def columns(of: Scope) -> Fragment:
        return sql(column_name(choices, of), ", ", column_name(choices, of))

    def test() -> Fragment:
        kind = choices.number(0, 5)
        if kind == 0:
            return expression("(", pair(scope), f" {choices.of(COMPARISONS)} ", pair(scope), ")")
        if kind == 1:
            word = choices.one_of("BETWEEN", "NOT BETWEEN")
            return expression("(", pair(scope), f" {word} ", pair(scope), " AND ", pair(scope), ")")
        if kind == 2:
            extra = where(choices, Scope(inner.columns + scope.columns, database, False), 1)
            word = choices.one_of("IN", "NOT IN")
            # As for one value: without a WHERE, SQLite 3.40 may look into an index and overlook its NULLs.
            extra = extra if extra or word == "IN" else " WHERE true"
            return expression("(", pair(scope), f" {word} (SELECT ", columns(inner), f" FROM {other.name} AS x2", extra,
                              "))")  # fmt: skip
        if kind == 3:
            return expression("(", pair(scope), " IN (VALUES ", pair(scope.plain()._replace(columns=[])), ", ",
                              pair(scope.plain()._replace(columns=[])), "))")  # fmt: skip
        if kind == 4:
            one = sql("(SELECT ", columns(inner), f" FROM {other.name} AS x2 ORDER BY 1, 2 LIMIT 1)")
            return expression("(", pair(scope), f" {choices.of(COMPARISONS)} ", one, ")")
        arms = sql(" WHEN ", pair(scope), " THEN 1")
        return expression("CASE ", pair(scope), arms, " ELSE 2 END")

    parts: list[str | Fragment] = [test() for _ in range(choices.number(1, 2))]
    condition_text = optional(" WHERE ", test()) if choices.chance(1, 2) else ""
    text = sql("SELECT ", *join_terms([column_name(choices, scope), *parts]), f" FROM {table.name} AS x1",
               condition_text)  # fmt: skip
    return Core(text, len(parts) + 1, "any")


def nested_joins(choices: Choices, database: Database) -> Core:
    """Joins of all kinds in parentheses, NATURAL and USING, and the columns that * gives."""
    tables = [choices.of(database.tables) for _ in range(choices.number(2, 4))]
    words = [" JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ", " CROSS JOIN ", ", ", " LEFT OUTER JOIN ",
             " INNER JOIN "]  # fmt: skip
    text: str = f"{tables[0].name} AS x1"
    for place, table in enumerate(tables[1:], 2):
        word = choices.of(words)
        alias = f"x{place}"
        shared = sorted({c.name for c in table.columns} & {c.name for c in tables[0].columns})
        how = choices.weighted((4, "on"), (2, "using"), (1, "natural"), (1, "nothing"))
        if word == ", ":
            how = "nothing"
        right = f"{table.name} AS {alias}"
        if choices.chance(1, 6):
            right = f"({table.name} AS {alias} {choices.one_of('JOIN', 'LEFT JOIN')} {tables[0].name} AS y{place} ON " \
                    f"{alias}.{table.columns[0].name} = y{place}.{tables[0].columns[0].name})"  # fmt: skip
        elif choices.chance(1, 8):
            right = f"(SELECT * FROM {table.name} LIMIT 3) AS {alias}"
        if how == "natural":
            text = f"{text} NATURAL{word.replace(' CROSS', '') if word.strip() != 'CROSS JOIN' else ' JOIN '}{right}"
        elif how == "using" and shared:
            text = f"{text}{word}{right} USING ({', '.join(choices.sample(shared, 1, 2))})"
        elif how == "on":
            left = choices.number(1, place - 1)
            owner = tables[left - 1]
            sign = choices.weighted((4, "="), (1, "<"), (1, "IS"))
            text = (f"{text}{word}{right} ON x{left}.{choices.of(owner.columns).name} {sign} "
                    f"{alias}.{choices.of(table.columns).name}")  # fmt: skip
        else:
            text = f"{text}{word}{right}"
    named = [(f"x{place}", column) for place, table in enumerate(tables, 1) for column in table.columns]
    scope = Scope(named, database, False)
    test = where(choices, scope, 2)
    if choices.chance(1, 2):
        return Core(sql(f"SELECT * FROM {text}", test), 0, "any")
    columns, width = output(choices, scope, 3)
    return Core(sql("SELECT ", columns, f" FROM {text}", test), width, "any")


def nested_compound(choices: Choices, database: Database) -> Core:
    """A compound below another, in FROM, with limits of their own; limits that are expressions."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table)).plain()
    one = sql(
        "SELECT ", column_name(choices, scope), " AS x, ", column_name(choices, scope), f" AS y FROM {table.name}"
    )
    other = sql("SELECT ", literal(choices), ", ", literal(choices))
    rows = sql(
        "VALUES (", literal(choices), ", ", literal(choices), "), (", literal(choices), ", ", literal(choices), ")"
    )
    operators = [" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT "]
    inner = sql(one, choices.of(operators), choices.one_of(other, rows, one))
    limit = choices.one_of("", " ORDER BY 1 COLLATE BINARY, typeof(x), 2 COLLATE BINARY, typeof(y) LIMIT 1 + 2",
                           " ORDER BY 1, 2 LIMIT -1", " LIMIT 100 OFFSET 0")  # fmt: skip
    if "COLLATE" in limit:
        limit = " LIMIT 100"
    text = sql("SELECT x, y FROM (", inner, limit, ")", choices.of(operators), choices.one_of(other, one))
    return Core(text, 2, "loose")


def lateral(choices: Choices, database: Database) -> Core:
    """Scalar subqueries in every clause, reading the rows around them, sorted and limited."""
    table, other = choices.of(database.tables), choices.of(database.tables)
    a, b = choices.of(table.columns).name, choices.of(table.columns).name
    c, d = choices.of(other.columns).name, choices.of(other.columns).name
    scope = scope_of(database, ("x1", table)).plain()
    inner = Scope(scope.columns + scope_of(database, ("x2", other)).columns, database, False)
    test = condition(choices, inner, 2)
    direction = choices.one_of("", " DESC")
    order = f"x2.{d}{direction}, x2.{c} COLLATE BINARY, typeof(x2.{c})"
    one = f"(SELECT x2.{c} FROM {other.name} AS x2 WHERE {test} ORDER BY {order} LIMIT 1 OFFSET {choices.number(0, 1)})"
    form = choices.number(0, 5)
    if form == 0:
        return Core(sql(f"SELECT x1.{a}, ", expression(one), f" FROM {table.name} AS x1"), 2, "any")
    if form == 1:
        return Core(sql(f"SELECT x1.{a}, x1.{b} FROM {table.name} AS x1 WHERE x1.{b} IS ", expression(one)), 2, "any")
    if form == 2:
        text = f"SELECT x1.{a}, count(*), (SELECT count(*) FROM {other.name} AS x2 WHERE x2.{c} = x1.{a}) " \
               f"FROM {table.name} AS x1 GROUP BY x1.{a}"  # fmt: skip
        return Core(sql(text), 3, "loose")
    if form == 3:
        text = f"SELECT x1.{a}, x1.{b} FROM {table.name} AS x1 GROUP BY 1, 2 HAVING (SELECT count(*) " \
               f"FROM {other.name} AS x2 WHERE x2.{c} >= x1.{a} AND {test}) > {choices.number(0, 2)}"  # fmt: skip
        return Core(sql(text), 2, "loose")
    if form == 4:
        text = f"SELECT x1.{a}, (SELECT sum(y.{c} = x1.{b}) FROM (SELECT x2.{c} FROM {other.name} AS x2 WHERE {test})" \
               f" AS y) FROM {table.name} AS x1"  # fmt: skip
        return Core(sql(text), 2, "any")
    text = f"SELECT x1.{a}, x3.{c} FROM {table.name} AS x1 LEFT JOIN {other.name} AS x3 ON x3.{d} = " \
           f"(SELECT max(x2.{d}) FROM {other.name} AS x2 WHERE {test})"  # fmt: skip
    return Core(sql(text), 2, "any")


def bare_columns(choices: Choices, database: Database) -> Core:
    """Columns beside min() and max(): they come from the row that holds it, when that is one row."""
    plain = [table for table in database.tables if not (table.indexes or table.unique_columns() or table.constrained)]
    table = choices.of(plain or database.tables)
    scope = scope_of(database, ("", table)).plain()
    function = choices.one_of("min", "max")
    key = choices.of(table.columns).name
    calls = [f"{function}({key})"]
    if choices.chance(1, 3):
        calls.append(choices.one_of("count(*)", f"{choices.one_of('min', 'max')}({choices.of(table.columns).name})",
                                    f"total({key})"))  # fmt: skip
    group = f" GROUP BY {choices.of(table.columns).name}" if choices.chance(1, 2) else ""
    bare = choices.of(table.columns).name if plain else f"count({key})"
    text = sql(f"SELECT {', '.join(calls)}, {bare} FROM {table.name}", where(choices, scope, 2), group)
    return Core(text, len(calls) + 1, "any")


def hinted(choices: Choices, database: Database) -> Core:
    """INDEXED BY and NOT INDEXED; the index may not fit, which is an error to compare."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table)).plain()
    name = choices.of(table.indexes) if table.indexes and choices.chance(4, 5) else "nowhere"
    hint = choices.weighted((2, f"INDEXED BY {name}"), (1, "NOT INDEXED"))
    # For a column that is never NULL, SQLite does not see that a comparison implies a partial index's IS NOT NULL.
    key = choices.of([c for c in table.columns if not (c.key or c.not_null)] or table.columns)
    test: Fragment | str = sql(f" WHERE {key.name} ", choices.one_of("= ", "> ", "< ", "IS NOT "), literal(choices))
    if key.key or key.not_null:
        test = ""
    columns, width = output(choices, scope, 2)
    return Core(sql("SELECT ", columns, f" FROM {table.name} {hint}", test), width, "any")


SHAPES: list[tuple[int, QueryMaker]] = [
    (3, counted), (2, walked), (2, several_common), (3, row_values), (4, nested_joins), (2, nested_compound),
    (3, lateral), (2, bare_columns), (1, hinted),
]  # fmt: skip
