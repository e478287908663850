"""Random scalar expressions over the columns in scope.

    Scope: [(qualifier, column), ...]  ──►  literal | column | operator(…) | function(…) | CASE | IN | subquery

Reals are multiples of a quarter, so that sums come out the same in any order; nothing is random or read from a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from ..choices import Choices
from ..fragment import Fragment, expression, items, optional, sql
from .schema import Column, Database, Table

INTEGERS = ["0", "1", "2", "3", "5", "7", "10", "-1", "-2", "100", "9007199254740993", "4611686018427387904"]
REALS = ["0.0", "1.0", "1.5", "2.25", "-0.5", "-3.0", "10.75", "1e10"]
TEXTS = [
    "''",
    "'a'",
    "'A'",
    "'b'",
    "'ab'",
    "'Ab '",
    "'abc'",
    "'10'",
    "'1.5'",
    "'2 '",
    "'x''y'",
    "'é'",
    "'-1'",
    "'1e2'",
    "'%'",
]
BLOBS = ["x''", "x'61'", "x'4162'", "x'3130'", "x'c3a9'"]
PATTERNS = ["'a%'", "'%b'", "'_'", "'%'", "''", "'A_'", "'%b%'", "'a'", "'1%'"]
GLOBS = ["'a*'", "'*b'", "'?'", "'[a-c]*'", "'*'", "'[^a]*'"]
COMPARISONS = ["=", "<", ">", "<=", ">=", "<>", "IS", "IS NOT", "=="]


class Scope(NamedTuple):
    """The columns that an expression may name, those of the queries around it included, and the database's tables."""

    columns: list[tuple[str, Column]]
    database: Database
    subqueries: bool = True
    looks_into_tables: bool = True

    def plain(self) -> Scope:
        return self._replace(subqueries=False)


Maker: TypeAlias = Callable[[Choices, Scope, int], Fragment]


def scope_of(database: Database, *named: tuple[str, Table]) -> Scope:
    """The scope in which these tables stand under these names."""
    return Scope([(name, column) for name, table in named for column in table.columns], database)


def literal(choices: Choices) -> Fragment:
    """A constant of any storage class."""
    kind = choices.weighted((6, INTEGERS), (3, REALS), (5, TEXTS), (1, BLOBS), (1, ["NULL"]))
    return expression(choices.of(kind))


def column_name(choices: Choices, scope: Scope) -> Fragment:
    """A column in scope, with its qualifier more often than not (without, it may be ambiguous: an error to compare)."""
    if not scope.columns:
        return literal(choices)
    qualifier, column = choices.of(scope.columns)
    if qualifier and choices.chance(40, 41):
        return expression(f"{qualifier}.{column.name}")
    return expression(column.name)


def scalar(choices: Choices, scope: Scope, depth: int = 2) -> Fragment:
    """Any expression, at most `depth` operators deep."""
    if depth <= 0 or choices.chance(1, 4):
        if choices.chance(3, 4):
            return column_name(choices, scope)
        return literal(choices)
    make = choices.weighted(*EXPRESSIONS)
    return make(choices, scope, depth - 1)


def condition(choices: Choices, scope: Scope, depth: int = 2) -> Fragment:
    """An expression that is likely to be true for some rows and false for others."""
    make = choices.weighted(
        (6, comparison), (2, logic), (1, between), (2, in_list), (1, like), (1, null_test), *SUBQUERY_CONDITIONS
    )
    return make(choices, scope, depth - 1)


def comparison(choices: Choices, scope: Scope, depth: int) -> Fragment:
    left = column_name(choices, scope) if choices.chance(3, 4) else scalar(choices, scope, depth)
    right = literal(choices) if choices.chance(1, 2) else scalar(choices, scope, depth)
    collate = (
        optional(choices.one_of(" COLLATE NOCASE", " COLLATE BINARY", " COLLATE RTRIM"))
        if choices.chance(1, 12)
        else ""
    )
    sign = choices.of(COMPARISONS)
    if sign.startswith("IS") and str(right).endswith(("NOT NULL)", "NOTNULL)")):
        sign = "="  # SQLite takes what a NOT NULL column's NOTNULL gives for the word TRUE.
    return expression("(", left, f" {sign} ", right, collate, ")")


def logic(choices: Choices, scope: Scope, depth: int) -> Fragment:
    if choices.chance(1, 4):
        return expression("(NOT ", condition(choices, scope, depth), ")")
    word = choices.one_of(" AND ", " OR ")
    return expression("(", condition(choices, scope, depth), word, condition(choices, scope, depth), ")")


def arithmetic(choices: Choices, scope: Scope, depth: int) -> Fragment:
    word = choices.one_of(" + ", " - ", " * ", " / ", " % ", " || ", " & ", " | ", " << ", " >> ")
    right = literal(choices) if word in (" << ", " >> ") else scalar(choices, scope, depth)
    return expression("(", scalar(choices, scope, depth), word, right, ")")


def unary(choices: Choices, scope: Scope, depth: int) -> Fragment:
    return expression("(", choices.one_of("- ", "+ ", "~ ", "NOT "), scalar(choices, scope, depth), ")")


def between(choices: Choices, scope: Scope, depth: int) -> Fragment:
    word = choices.one_of(" BETWEEN ", " NOT BETWEEN ")
    return expression("(", scalar(choices, scope, depth), word, literal(choices), " AND ", literal(choices), ")")


def in_list(choices: Choices, scope: Scope, depth: int) -> Fragment:
    values = choices.times(1, 4, lambda: literal(choices))
    return expression("(", scalar(choices, scope, depth), choices.one_of(" IN (", " NOT IN ("), items(values), "))")


def like(choices: Choices, scope: Scope, depth: int) -> Fragment:
    word, patterns = choices.one_of((" LIKE ", PATTERNS), (" NOT LIKE ", PATTERNS), (" GLOB ", GLOBS))
    return expression("(", scalar(choices, scope, depth), word, choices.of(patterns), ")")


def null_test(choices: Choices, scope: Scope, depth: int) -> Fragment:
    word = choices.one_of(" IS NULL", " IS NOT NULL", " ISNULL", " NOTNULL", " NOT NULL")
    return expression("(", scalar(choices, scope, depth), word, ")")


def case(choices: Choices, scope: Scope, depth: int) -> Fragment:
    operand: list[str | Fragment] = [" ", scalar(choices, scope, depth)] if choices.chance(1, 3) else []
    test = scalar if operand else condition
    arms: list[str | Fragment] = []
    for _ in range(choices.number(1, 2)):
        arms += [" WHEN ", test(choices, scope, depth), " THEN ", scalar(choices, scope, depth)]
    other = [optional(" ELSE ", scalar(choices, scope, depth))] if choices.chance(2, 3) else []
    return expression("CASE", *operand, *arms, *other, " END")


def cast(choices: Choices, scope: Scope, depth: int) -> Fragment:
    kind = choices.one_of("INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "VARCHAR(3)")
    return expression("CAST(", scalar(choices, scope, depth), f" AS {kind})")


FUNCTIONS: list[tuple[str, int]] = [
    ("abs", 1), ("length", 1), ("upper", 1), ("lower", 1), ("typeof", 1), ("coalesce", 2), ("coalesce", 3),
    ("ifnull", 2), ("nullif", 2), ("substr", 2), ("substr", 3), ("trim", 1), ("ltrim", 2), ("rtrim", 2),
    ("replace", 3), ("instr", 2), ("hex", 1), ("quote", 1), ("round", 1), ("round", 2), ("sign", 1), ("min", 2),
    ("max", 3), ("iif", 3), ("unicode", 1), ("char", 2), ("printf", 2), ("likely", 1), ("zeroblob", 1),
]  # fmt: skip


def function(choices: Choices, scope: Scope, depth: int) -> Fragment:
    """A call of a built-in scalar function, with the constants that keep its answer small where it needs them."""
    name, count = choices.of(FUNCTIONS)
    arguments = [scalar(choices, scope, depth) for _ in range(count)]
    if name == "substr":
        arguments[1:] = [expression(str(choices.number(-3, 4))) for _ in arguments[1:]]
    elif name == "round" and count == 2:
        arguments[1] = expression(str(choices.number(0, 3)))
    elif name in ("char", "zeroblob"):
        arguments = [expression(str(choices.number(0, 3) + (65 if name == "char" else 0))) for _ in arguments]
    elif name == "printf":
        arguments[0] = expression(choices.one_of("'%d'", "'%s|'", "'%5.2f'", "'%x'", "'%%'", "'%05d'", "'%q'"))
    body: list[str | Fragment] = []
    for place, argument in enumerate(arguments):
        body += [", ", argument] if place else [argument]
    return expression(f"{name}(", *body, ")")


def count_subquery(choices: Choices, scope: Scope, depth: int) -> Fragment:
    """A scalar subquery that gives one value whatever order its rows come in; it may name columns from outside."""
    if not scope.subqueries or not scope.database.tables:
        return scalar(choices, scope, depth)
    alias, table, inner = subquery_scope(choices, scope)
    own = f"{alias}.{choices.of(table.columns).name}"
    what = choices.one_of("count(*)", f"count({own})", f"max(length({own}))", f"sum({own} IS NULL)")
    return expression(f"(SELECT {what} FROM {table.name} AS {alias}", where(choices, inner, depth), ")")


def exists(choices: Choices, scope: Scope, depth: int) -> Fragment:
    if not scope.subqueries or not scope.database.tables:
        return comparison(choices, scope, depth)
    alias, table, inner = subquery_scope(choices, scope)
    word = choices.one_of("EXISTS", "NOT EXISTS")
    return expression(f"({word} (SELECT 1 FROM {table.name} AS {alias}", where(choices, inner, depth), "))")


def in_subquery(choices: Choices, scope: Scope, depth: int) -> Fragment:
    if not scope.subqueries or not scope.database.tables:
        return comparison(choices, scope, depth)
    alias, table, inner = subquery_scope(choices, scope)
    own = f"{alias}.{choices.of(table.columns).name}"
    word = choices.one_of(" IN ", " NOT IN ")
    left = scalar(choices, scope.plain(), depth)
    # Without a WHERE, SQLite 3.40 looks into an index of the table itself, whose rows a DELETE may just have
    # removed, and
    # finds no NULL there if the index is DESC.
    test = where(choices, inner, depth)
    if not test and not (scope.looks_into_tables and word == " IN "):
        test = " WHERE true"
    return expression("(", left, word, f"(SELECT {own} FROM {table.name} AS {alias}", test, "))")


def subquery_scope(choices: Choices, scope: Scope) -> tuple[str, Table, Scope]:
    alias, table = scope.database.new_name("q"), choices.of(scope.database.tables)
    own = [(alias, column) for column in table.columns]
    return alias, table, Scope([*own, *own, *scope.columns], scope.database, subqueries=False)


def where(choices: Choices, scope: Scope, depth: int) -> Fragment | str:
    return optional(" WHERE ", condition(choices, scope, depth)) if choices.chance(3, 4) else ""


EXPRESSIONS: list[tuple[int, Maker]] = [
    (5, arithmetic), (4, comparison), (2, logic), (1, unary), (1, between), (1, in_list), (1, like), (1, null_test),
    (3, case), (2, cast), (6, function), (1, count_subquery), (1, exists),
]  # fmt: skip
SUBQUERY_CONDITIONS: list[tuple[int, Maker]] = [(1, exists), (1, in_subquery)]


def parameters_for(choices: Choices, count: int) -> tuple[None | int | float | str | bytes, ...]:
    """Values to bind, of any storage class."""
    pool = [None, 0, 1, 2, 5, -1, 1.5, -0.5, "", "a", "A", "ab", "10", b"a", 10, 3.0]
    return tuple(choices.of(pool) for _ in range(count))


def set_clause(choices: Choices, scope: Scope, columns: list[Column]) -> Fragment:
    """`a = …, b = …` over some of the columns."""
    chosen = choices.sample(columns, 1, 2)
    return items([sql(f"{column.name} = ", scalar(choices, scope, 2)) for column in chosen])
