"""Random calls of every built-in function with arguments that suit it, and with some that do not.

date('2024-02-29', '+1 month', 'start of year')     printf('%+08.3f|%s', 1.5, 'a')     json_set('{"a":1}', '$.b', 2)
"""

from __future__ import annotations

from ..choices import Choices
from ..fragment import Fragment, expression, sql
from .expression import BLOBS, INTEGERS, REALS, TEXTS, Scope, scalar
from .query import Core, join_terms
from .schema import Database

MOMENTS = [
    "'2024-02-29'", "'2023-12-31 23:59:59'", "'2000-01-01T00:00:00.123'", "'12:34'", "'12:34:56.789'", "2451545.5",
    "1700000000", "0", "-1", "'1582-10-15'", "'0000-01-01'", "'9999-12-31'", "'2024-02-30'", "'2024-13-01'", "'now'",
    "'2024-03-31 10:00:00+05:30'", "'2024-03-31 10:00Z'", "NULL", "'x'", "''", "2460000", "1e10", "'2024-2-3'",
    "'-4713-11-24 12:00'", "' 2024-01-01'", "5373484.5", "'2451545.0'",
]  # fmt: skip
MODIFIERS = [
    "'+1 day'", "'-1 month'", "'+1 year'", "'+25 hours'", "'-90 minutes'", "'+1.5 days'", "'+0.5 seconds'",
    "'start of month'", "'start of year'", "'start of day'", "'weekday 0'", "'weekday 3'", "'unixepoch'", "'julianday'",
    "'auto'", "'+13 months'", "'-0001-02-03'", "'+00:30'", "'-12:00:01.5'", "'1 days'", "'+1 fortnight'", "'weekday 7'",
    "'+1 day '", "' +1 day'", "'+1  day'", "'START OF MONTH'", "NULL", "'+999999999 days'", "'+12 months'", "1",
    "'+10:20'", "'+1e2 days'", "'utc '", "'+.5 days'", "'+1 months'",
]  # fmt: skip
DATE_FORMATS = ["'%Y-%m-%d %H:%M:%S'", "'%j %W %w'", "'%s'", "'%J'", "'%f'", "'%%x%Y'", "'%q'", "'%'", "'%Y%'", "''",
                "'%d/%m'", "NULL", "'%s|%f|%S'"]  # fmt: skip
JSON = [
    "'{\"a\":1,\"b\":[1,2,{\"c\":null}],\"d\":\"x\"}'", "'[1,2.5,\"t\",null,true,false]'", "'[]'", "'{}'", "'null'",
    "'\"text\"'", "'12'", "'1.0e2'", "'{\"a\":{\"b\":{\"c\":[10,20]}}}'", "'[[1,2],[3,[4,5]]]'", "'{\"a b\":1}'",
    "'{bad'", "''", "NULL", "'[1,]'", "' [ 1 , 2 ] '", "'\"\\u0041\\n\"'", "'{\"a\":1,\"a\":2}'", "x'5b315d'", "5",
    "'-0'",
    "'[1e400]'", "'01'", "'\"a\"b'",
]  # fmt: skip
PATHS = ["'$'", "'$.a'", "'$.b[0]'", "'$.b[#-1].c'", "'$[0]'", "'$[#-1]'", "'$[#]'", "'$.a.b.c[1]'", "'$.\"a b\"'",
         "'$.x'", "'a'", "'b[1]'", "0", "'$['", "'$.'", "NULL", "'[0]'", "-1", "'$[1][0]'", "'$.a.b.d'"]  # fmt: skip
FLAGS = ["", "-", "+", " ", "0", "#", ",", "!", "+0", "-+", "0,", "!#"]
WIDTHS = ["", "5", "10", "1", "*", "08", "25"]
PRECISIONS = ["", ".0", ".2", ".10", ".*", ".", ".3"]
CONVERSIONS = "disfgeExXocuqQwz%GpuLn"

FORMS = [
    # texts
    "substr({t}, {n}, {n})", "substr({t}, {n})", "substring({b}, {n}, {n})", "instr({v}, {v})",
    "replace({v}, {t}, {t})",
    "trim({t}, {t})", "ltrim({v})", "rtrim({v}, {v})", "upper({v})", "lower({v})", "length({v})", "unicode({v})",
    "char({n}, {n}, 955)", "hex({v})", "quote({v})", "soundex({t})", "{t} || {v}", "like({t}, {t})", "glob({t}, {t})",
    "like({t}, {t}, '!')", "{t} LIKE {t} ESCAPE '%'", "{v} GLOB {t}", "zeroblob({n})", "hex(zeroblob({n}))",
    "length({b})", "substr({b}, {n}, {n})", "instr({b}, {b})", "typeof({v})", "CAST({v} AS {y})",
    "CAST({b} AS TEXT)", "hex(CAST(x'6100ff' || {b} AS TEXT))",
    # numbers
    "abs({v})", "round({v})", "round({v}, {n})", "sign({v})", "max({v}, {v}, {v})", "min({v}, {v})", "ceil({v})",
    "ceiling({r})", "floor({r})", "trunc({r})", "ln({r})", "log({r})", "log10({r})", "log2({r})", "log({n}, {r})",
    "exp({n})", "pow({r}, {n})", "power({n}, {n})", "sqrt({r})", "mod({r}, {n})", "mod({v}, {v})", "pi()",
    "radians({r})", "degrees({r})", "sin({r})", "cos({n})", "tan({r})", "asin({r})", "acos({r})", "atan({r})",
    "atan2({r}, {n})", "sinh({n})", "cosh({n})", "tanh({n})", "asinh({r})", "acosh({r})", "atanh({r})",
    "{v} + {v}", "{v} - {v}", "{v} * {v}", "{v} / {v}", "{v} % {v}", "{v} & {v}", "{v} | {v}", "{v} << {n}",
    "{v} >> {n}",
    "~ {v}", "- {v}", "+ {v}", "NOT {v}", "{v} AND {v}", "{v} OR {v}", "9223372036854775807 + {n}",
    "-9223372036854775808 - {n}", "9223372036854775807 * {v}", "-9223372036854775808 / {n}", "{v} = {v}", "{v} < {v}",
    "{v} IS {v}", "{v} IS NOT DISTINCT FROM {v}", "{v} IS DISTINCT FROM {v}", "{v} BETWEEN {v} AND {v}",
    "{v} IN ({v}, {v}, {v})", "{v} NOT IN ({v}, {v})", "{v} IS TRUE", "{v} IS NOT FALSE", "{v} IS NOT TRUE",
    "0x{n}F", "0xFFFFFFFFFFFFFFFF", "1e{n}", ".5", "5.", "{v} COLLATE NOCASE = {v}", "{v} == {v} COLLATE RTRIM",
    # choices
    "coalesce({v}, {v})", "ifnull({v}, {v})", "nullif({v}, {v})", "iif({v}, {v}, {v})", "likelihood({v}, 0.5)",
    "unlikely({v})", "CASE {v} WHEN {v} THEN {v} WHEN {v} THEN {v} ELSE {v} END", "CASE WHEN {v} THEN {v} END",
    # dates
    "date({m})", "time({m})", "datetime({m})", "julianday({m})", "unixepoch({m})", "date({m}, {o})", "time({m}, {o})",
    "datetime({m}, {o})", "datetime({m}, {o}, {o})", "julianday({m}, {o})", "unixepoch({m}, {o})",
    "strftime({f}, {m})", "strftime({f}, {m}, {o})", "date({m}, {o}, {o}, {o})", "strftime({f}, {m}, {o}, {o})",
    # JSON
    "json({j})", "json_valid({j})", "json_type({j})", "json_type({j}, {p})", "json_extract({j}, {p})",
    "json_extract({j}, {p}, {p})", "{j} -> {p}", "{j} ->> {p}", "json_array_length({j})", "json_array_length({j}, {p})",
    "json_array({v}, {v})", "json_array(json({j}), {v})", "json_object('k', {v}, 'l', json({j}))",
    "json_object({v}, {v})",
    "json_set({j}, {p}, {v})", "json_insert({j}, {p}, {v})", "json_replace({j}, {p}, json({j}))",
    "json_remove({j}, {p})",
    "json_remove({j}, {p}, {p})", "json_patch({j}, {j})", "json_quote({v})", "json_quote(json({j}))",
    "json_set({j}, {p}, json({j}), {p}, {v})", "json_remove({j})", "json_set({j})", "typeof({j} ->> {p})",
    # arguments that do not suit
    "abs()", "substr({t})", "round({v}, {v}, {v})", "json_object({v})", "coalesce({v})", "nullif({v})", "max()",
    "char()", "printf()", "date()", "min({v})", "count(*)", "sum({v})", "group_concat({v})", "total({v})", "avg({v})",
    "json_group_array({v})", "json_group_object({t}, {v})",
]  # fmt: skip
TABLES = ["json_each({j})", "json_tree({j})", "json_each({j}, {p})", "json_tree({j}, {p})"]


def call(choices: Choices) -> Fragment:
    """One call, or printf with a made-up format."""
    if choices.chance(1, 10):
        return formatted(choices)
    return expression(filled(choices, choices.of(FORMS)))


def filled(choices: Choices, form: str) -> str:
    """The form with each hole filled: {v} any value, {t} a text, {n} a small integer, and so on."""
    pools = {
        "{v}": INTEGERS + REALS + TEXTS + BLOBS + ["NULL", "9223372036854775807", "-9223372036854775808", "1e308",
                                                   "'0x10'", "' 12 '", "'12abc'", "'.5'", "'1e5'", "'-'", "'+5'",
                                                   "'9223372036854775808'", "1e-5", "123456789.123456789",
                                                   "-1e308", "0.1", "100.0", "1e15", "1e16", "'inf'", "'nan'"],
        "{t}": [*TEXTS, "'Straße'", "'tAb\t'", "'%a_'", "'a%'", "'[a-z]'", "'*'", "'ÀÉ'", "'日本語'", "'😀x'"],
        "{b}": [*BLOBS, "x'00'"],
        "{n}": ["0", "1", "2", "3", "-1", "-2", "5", "20", "NULL", "63", "64", "-64", "1.5", "'2'"],
        "{r}": [*REALS, "0.5", "0.25", "2", "1e-3", "-1", "NULL", "'a'", "1.0", "3.7", "-3.7", "0"],
        "{y}": ["INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "VARCHAR(3)", "FLOATING POINT", "BOOLEAN", "CHARINT"],
        "{m}": MOMENTS, "{o}": MODIFIERS, "{f}": DATE_FORMATS, "{j}": JSON, "{p}": PATHS,
    }  # fmt: skip
    for hole, pool in pools.items():
        if hole == "{m}":
            pool = [moment for moment in pool if moment != "'now'"]
        while hole in form:
            form = form.replace(hole, choices.of(pool), 1)
    return form


def formatted(choices: Choices) -> Fragment:
    """printf with flags, widths and precisions."""
    pieces, arguments = [], []
    for _ in range(choices.number(1, 2)):
        width, precision = choices.of(WIDTHS), choices.of(PRECISIONS)
        pieces.append(f"{choices.of(FLAGS)}{width}{precision}{choices.of(CONVERSIONS)}")
        arguments += ["3"] * ((width == "*") + (precision == ".*"))
        arguments.append(filled(choices, "{v}"))
    template = "|".join(f"%{piece}" for piece in pieces)
    name = choices.one_of("printf", "format")
    return expression(f"{name}('{template}', {', '.join(arguments[: choices.number(1, len(arguments))])})")


def constants(choices: Choices, database: Database) -> Core:
    """SELECT of calls without a table, or of a table-valued function's rows."""
    if choices.chance(1, 8):
        source = filled(choices, choices.of(TABLES))
        return Core(sql(f"SELECT key, value, type, atom, parent, fullkey, path FROM {source}"), 7, "scan")
    parts: list[str | Fragment] = [call(choices) for _ in range(choices.number(1, 3))]
    return Core(sql("SELECT ", *join_terms(parts)), len(parts), "any")


def over_columns(choices: Choices, scope: Scope, depth: int) -> Fragment:
    """A call whose first value is an expression over columns."""
    form = choices.of([form for form in FORMS if "{v}" in form and not form.startswith(("total", "sum", "avg", "count",
                       "group", "json_group", "min({v})"))])  # fmt: skip
    start, rest = form.split("{v}", 1)
    return expression("(", filled(choices, start), scalar(choices, scope, depth), filled(choices, rest), ")")
