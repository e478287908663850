"""Random window functions: every function, every kind of frame, EXCLUDE, FILTER, named windows, over groups as well.

    SELECT a, sum(b) FILTER (WHERE …) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t WINDOW w …

Where a function's answer hangs on the order of rows that ORDER BY holds equal, ORDER BY names every column.
"""

from __future__ import annotations

from ..choices import Choices
from ..fragment import Fragment, expression, optional, sql
from .expression import Scope, column_name, condition, literal, scalar, scope_of, where
from .query import Core, aggregate, join_terms
from .schema import Database

ORDERED_ONLY = ["row_number()", "ntile({n})", "lag({x})", "lag({x}, {n})", "lag({x}, {n}, {y})", "lead({x})",
                "lead({x}, {n}, {y})", "first_value({x})", "last_value({x})", "nth_value({x}, {n})",
                "group_concat({x})", "group_concat({x}, '|')", "json_group_array({x})"]  # fmt: skip
FOR_PEERS = ["rank()", "dense_rank()", "percent_rank()", "cume_dist()", "count(*)", "count({x})", "min({x})",
             "max({x})", "total({x})", "sum({x})", "avg({x})"]  # fmt: skip
AGGREGATES = ("count", "min", "max", "total", "sum", "avg", "group_concat", "json_group_array")


def windowed(choices: Choices, database: Database) -> Core:
    """SELECT of columns and window functions over one table, the windows named or not."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table)).plain()
    named: list[tuple[str, str, bool]] = []
    definitions: list[str | Fragment] = []
    for name in ("w1", "w2")[: choices.weighted((3, 0), (2, 1), (1, 2))]:
        text, ordered = window_body(choices, scope)
        base = f"{named[0][0]} " if named and not named[0][2] and choices.chance(1, 2) else ""
        if base:
            text = ordering(choices, scope)
            ordered = True
        definitions += [", " if definitions else " WINDOW ", f"{name} AS ({base}{text})"]
        named.append((name, text, ordered))
    parts: list[str | Fragment] = [column_name(choices, scope) for _ in range(choices.number(1, 2))]
    width = len(parts)
    for _ in range(choices.number(1, 3)):
        parts.append(call(choices, scope, named))
        width += 1
    text = sql("SELECT ", *join_terms(parts), f" FROM {table.name}", where(choices, scope, 2), *definitions)
    if choices.chance(1, 6):
        names = ", ".join(f"k{place}" for place in range(width))
        test = optional(f" WHERE k{width - 1} ", choices.one_of("> ", "<= ", "IS NOT "), literal(choices))
        return Core(sql(f"WITH z({names}) AS (", text, f") SELECT {names} FROM z", test), width, "any")
    return Core(text, width, "any")


def over_groups(choices: Choices, database: Database) -> Core:
    """Window functions over the rows of a GROUP BY, some over aggregates."""
    table = choices.of(database.tables)
    scope = scope_of(database, ("", table)).plain()
    key = column_name(choices, scope)
    inner = aggregate(choices, scope)
    window = choices.one_of("rank() OVER (ORDER BY {k})", "sum(count(*)) OVER (ORDER BY {k})",
                            "count(*) OVER ()", "max({a}) OVER (ORDER BY {k} ROWS 1 PRECEDING)",
                            "row_number() OVER (ORDER BY count(*), {k})",
                            "sum(total({k})) OVER (PARTITION BY count(*))")  # fmt: skip
    window = window.replace("{k}", str(key)).replace("{a}", str(inner))
    having = optional(" HAVING count(*) > 1") if choices.chance(1, 5) else ""
    text = sql("SELECT ", key, ", ", inner, ", ", expression(window), f" FROM {table.name}", where(choices, scope, 2),
               " GROUP BY ", key, having)  # fmt: skip
    return Core(text, 3, "loose")


def call(choices: Choices, scope: Scope, named: list[tuple[str, str, bool]]) -> Fragment:
    """One window function with its window."""
    name, text, ordered = choices.of(named) if named and choices.chance(1, 2) else ("", *window_body(choices, scope))
    frame = frame_of(choices, text)
    by_peers = not total(text, scope)
    if by_peers and frame.startswith(" ROWS"):
        frame = ""
    forms = FOR_PEERS if by_peers else FOR_PEERS + ORDERED_ONLY + ORDERED_ONLY
    function = choices.of(forms)
    if by_peers and "EXCLUDE TIES" in frame or "EXCLUDE CURRENT" in frame and by_peers:
        function = choices.one_of("count(*)")
    inside = str(column_name(choices, scope) if choices.chance(3, 4) else scalar(choices, scope, 1))
    filled = function.format(x=inside, y=str(literal(choices)), n=choices.number(1, 3))
    kept = ""
    if filled.startswith(AGGREGATES) and choices.chance(1, 5):
        kept = f" FILTER (WHERE {condition(choices, scope, 1)})"
    if name and not frame:
        return expression(f"{filled}{kept} OVER {choices.one_of(name, f'({name})')}")
    return expression(f"{filled}{kept} OVER ({name or text}{frame})")


def window_body(choices: Choices, scope: Scope) -> tuple[str, bool]:
    """PARTITION BY and ORDER BY, each perhaps; and whether there is an ORDER BY."""
    parts = []
    if choices.chance(1, 2):
        keys = [str(column_name(choices, scope) if choices.chance(4, 5) else scalar(choices, scope, 1))
                for _ in range(choices.number(1, 2))]  # fmt: skip
        parts.append(f"PARTITION BY {', '.join(keys)}")
    ordered = choices.chance(5, 6)
    if ordered:
        parts.append(ordering(choices, scope))
    return " ".join(parts), ordered


def ordering(choices: Choices, scope: Scope) -> str:
    """ORDER BY one expression, for RANGE and peers, or every column, for a total order."""
    ending = ["", "", " DESC", " NULLS LAST", " DESC NULLS FIRST"]
    if choices.chance(1, 2):
        key = column_name(choices, scope) if choices.chance(4, 5) else scalar(choices, scope, 1)
        return f"ORDER BY {key}{choices.of(ending)}"
    names = choices.sample([column.name for _, column in scope.columns], len(scope.columns), len(scope.columns))
    keys = [f"{name} COLLATE BINARY{choices.of(ending)}" for name in names] + [f"typeof({name})" for name in names]
    return f"ORDER BY {', '.join(keys)}"


def total(text: str, scope: Scope) -> bool:
    """Whether the window's ORDER BY leaves only rows equal that are the same."""
    return "typeof(" in text and text.count("typeof(") >= len(scope.columns)


def frame_of(choices: Choices, text: str) -> str:
    """A frame clause that fits the window, or none."""
    if choices.chance(1, 3):
        return ""
    kind = choices.one_of("ROWS", "RANGE", "GROUPS")
    single = "ORDER BY" in text and "typeof(" not in text
    if kind == "GROUPS" and "ORDER BY" not in text:
        kind = "ROWS"
    offsets = kind != "RANGE" or single
    n, m = choices.number(0, 3), choices.number(0, 3)
    starts = ["UNBOUNDED PRECEDING", "CURRENT ROW"]
    ends = ["CURRENT ROW", "UNBOUNDED FOLLOWING"]
    if offsets:
        starts += [f"{n} PRECEDING", f"{n} FOLLOWING"]
        ends += [f"{m} PRECEDING", f"{m} FOLLOWING"]
    start = choices.of(starts)
    exclude = choices.weighted((4, ""), (1, " EXCLUDE NO OTHERS"), (1, " EXCLUDE CURRENT ROW"), (1, " EXCLUDE GROUP"),
                               (1, " EXCLUDE TIES"))  # fmt: skip
    if not start.endswith("FOLLOWING") and choices.chance(1, 4):
        return f" {kind} {start}{exclude}"
    return f" {kind} BETWEEN {start} AND {choices.of(ends)}{exclude}"


WINDOWS = [(5, windowed), (1, over_groups)]
