"""What happens to a core's rows at the end: DISTINCT, ORDER BY, OFFSET and LIMIT.

    rows_1 = list(dict.fromkeys(rows_1))                  DISTINCT keeps the first of equal rows, in order of appearance
    rows_1.sort(key=itemgetter(2), reverse=True)          stable sorts, the last key first
    rows_1.sort(key=itemgetter(0))
    rows_1 = [row[:2] for row in rows_1]                  what only ORDER BY needed is cut off
    rows_1 = rows_1[offset_1:stop_1]

Where the access path brings the rows in the order asked for, nothing is sorted.
"""

from __future__ import annotations

from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING

from tandemdb.planner.access.covering import covered
from tandemdb.planner.access.join_order import JoinPlan
from tandemdb.planner.access.lookup import is_rowid
from tandemdb.planner.access.narrow import columns_held, columns_needed, narrower_index, shows_order
from tandemdb.planner.access.order import path_in_order
from tandemdb.planner.access.paths import Path
from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    HOLDS_BLOB,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_TEXT,
    Core,
    Expr,
    OrderKey,
    Query,
    Source,
)
from tandemdb.planner.bind.traits import collation_of
from tandemdb.planner.emit.collation import collation_function
from tandemdb.planner.emit.explain import Explanation
from tandemdb.planner.emit.pipeline import COLUMN, Pipeline
from tandemdb.planner.emit.sole_column import cannot_fail
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import helpers as runtime

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

PLAIN_CLASSES = frozenset({HOLDS_INT, HOLDS_FLOAT, HOLDS_INT | HOLDS_FLOAT, HOLDS_TEXT, HOLDS_BLOB})


class OrderEmitter:
    """The end of one core: `query` None leaves only its DISTINCT."""

    __slots__ = ("queries", "core", "query", "codes", "sorted_by_path", "ends_as_read", "any_row", "limited",
                 "limit", "bare")  # fmt: skip

    def __init__(self, queries: QueryEmitter, core: Core, query: Query | None) -> None:
        self.queries = queries
        self.core = core
        self.query = query
        self.codes: dict[int, int] = {}
        self.sorted_by_path = False
        self.ends_as_read = False
        """Whether the last key is the unique key and rows come in its order: stable sorts by the others keep it."""
        self.any_row = False
        """Whether it only matters if there is a row."""
        self.limited = False
        self.limit: tuple[str, str] | None = None
        self.bare: int | None = None
        """The only column whose values are asked for, in place of rows."""

    @property
    def keys(self) -> list[OrderKey]:
        """The sort keys, but for those in whose order the path brings the rows anyway."""
        if self.query is None:
            return []
        return self.query.order_by[:-1] if self.ends_as_read else self.query.order_by

    def hidden_expressions(self) -> list[Expr]:
        """The sort keys that are not result columns."""
        if self.sorted_by_path:
            return []
        return [key.expression for key in self.keys if key.position < 0]

    def note_classes(self, position: int, code: Code) -> None:
        """Remember what a column of the result rows may hold, so that the sort can be plain."""
        self.codes[position] = code.classes

    # ---- order by path

    def with_order(self, plan: JoinPlan) -> JoinPlan:
        """Let the plan's only step read in the order asked for, if a path can."""
        keys = self.keys
        if len(plan.steps) != 1 or not keys or self.core.is_aggregate or self.core.windows or self.core.distinct:
            return plan
        step, query = plan.steps[0], self.query
        source = step.source
        if source.table is None or source.table.without_rowid or source.join != "INNER" or query is None:
            return plan
        results = self.core.results
        asked = [(k, k.expression if k.position < 0 else results[k.position].expression) for k in keys]
        stored = self.queries.generator.roots[source.database].tables[source.table.id]
        path = path_in_order(
            source, step.path, asked, stored, filtered=bool(step.filters), limited=query.limit is not None
        )
        if path is None:
            last, item = asked[-1]
            in_order = step.path.kind in ("scan", "range") and not last.descending
            self.ends_as_read = in_order and len(asked) > 1 and is_rowid(source, item)
            return plan
        self.sorted_by_path = True
        return plan._replace(steps=[step._replace(path=path)])

    def with_cover(self, plan: JoinPlan) -> JoinPlan:
        """Let the plan's only step read a key alone, if that holds all that is read (`any_row`: but for results)."""
        if len(plan.steps) != 1 or self.core.windows:
            return plan
        step = plan.steps[0]
        source = step.source
        if source.table is None or source.join != "INNER" or source.live:
            return plan
        path = step.path if self.any_row else self.as_sqlite_scans(source, step.path)
        path = covered(self.core, self.keys, source, path, with_results=not self.any_row)
        return plan._replace(steps=[step._replace(path=path)])

    def as_sqlite_scans(self, source: Source, path: Path) -> Path:
        """The path, or an index that SQLite reads from end to end in its place, where the order of rows shows."""
        assert source.table is not None
        unseen = self.query is not None and self.query.unordered
        if path.kind != "scan" or self.keys or unseen or not source.table.indexes:
            return path
        if self.core.is_aggregate and not shows_order(self.core):
            return path
        stored = self.queries.generator.roots[source.database].tables[source.table.id]
        read = columns_needed(self.core, source)
        index = None if read is None else narrower_index(source, read, self.core.conjuncts, stored)
        if index is None or read is None:
            return path
        cover = "row" if read <= columns_held(source.table, index) else ""
        return path._replace(kind="key_scan", key=index, cover=cover)

    def explain(self, explanation: Explanation) -> None:
        if self.core.is_aggregate and self.core.group_by:
            explanation.line("USE TEMP B-TREE FOR GROUP BY")
        if self.core.distinct:
            explanation.line("USE TEMP B-TREE FOR DISTINCT")
        if self.keys and not self.sorted_by_path:
            explanation.line("USE TEMP B-TREE FOR ORDER BY")

    # ---- the end

    def finish(self, rows: str, *, distinct: bool = False) -> str:
        """Write DISTINCT (unless rows are `distinct`), ORDER BY and LIMIT over the list `rows`; the result's name."""
        frame = self.queries.frame
        if self.core.distinct and not distinct:
            self.distinct(rows)
        if self.keys and not self.sorted_by_path:
            self.sort(rows)
        if self.query is not None and not self.limited:
            limit = self.limit or limit_text(self.queries, self.query)
            if limit is not None:
                frame.emit(f"{rows} = {rows}[{limit[0]}:{limit[1]}]")
        return rows

    def records_in_order(self, pipeline: Pipeline) -> str | None:
        """Sort the records themselves where results do not show what they are sorted by; the list's name.

        None where that is more than columns of one record, or where results may fail, which they do before the sort.
        """
        if self.core.distinct or not self.hidden_expressions() or len(pipeline.variables) != 1:
            return None
        results = [result.expression for result in self.core.results]
        asked = [key.expression if key.position < 0 else results[key.position] for key in self.keys]
        codes = [self.queries.expressions.value(expression) for expression in asked]
        found = [COLUMN.fullmatch(code.text) for code in codes]
        variable = pipeline.variables[0]
        places = [int(match[2]) for match in found if match is not None and match[1] == variable]
        if len(places) < len(codes) or not all(map(cannot_fail, results)):
            return None
        items = pipeline.collect(self.queries.generator, self.queries.frame, variable, "items")
        classes = {place: code.classes for place, code in zip(places, codes, strict=True)}
        write_sort(self.queries, items, self.keys, places, classes)
        self.sorted_by_path = True
        return items

    def distinct_rows(self, pipeline: Pipeline, element: str) -> str | None:
        """Gather each row once as the loops bring it; the list's name, None where it takes more than comparing rows."""
        queries, results = self.queries, self.core.results
        if self.hidden_expressions() or any(self.distinct_keys()):
            return None
        if len(results) > 1:
            return pipeline.collect_distinct(queries.generator, queries.frame, element)
        value = queries.expressions.value(results[0].expression).text
        rows = pipeline.collect_distinct(queries.generator, queries.frame, value)
        if rows is not None and self.bare is None:
            queries.frame.emit(f"{rows} = [(value,) for value in {rows}]")
        return rows

    def distinct_keys(self) -> list[str | None]:
        """The key functions of the collations that compare the columns, None for those compared as they are."""
        found = [collation_of(result.expression) for result in self.core.results]
        return [collation_function(self.queries.generator, item[0] if item else "BINARY") for item in found]

    def distinct(self, rows: str) -> None:
        keys = self.distinct_keys()
        if not self.hidden_expressions() and not any(keys):
            self.queries.frame.emit(f"{rows} = list(dict.fromkeys({rows}))")
            return
        function, listed = self.queries.generator.helper(runtime.distinct_rows), ", ".join(map(str, keys))
        self.queries.frame.emit(f"{rows} = {function}({rows}, ({listed},), {len(self.core.results)})")

    def sort(self, rows: str) -> None:
        frame = self.queries.frame
        width = len(self.core.results)
        places = self.places()
        write_sort(self.queries, rows, self.keys, places, self.codes)
        if places and max(places) >= width:
            if width == 1:
                frame.emit(f"{rows} = [(row[0],) for row in {rows}]")
            else:
                frame.emit(f"{rows} = [row[:{width}] for row in {rows}]")

    def places(self) -> list[int]:
        """Where each sort key stands in the rows: among the result columns, or behind them."""
        places = []
        hidden = len(self.core.results)
        for key in self.keys:
            if key.position >= 0:
                places.append(key.position)
            else:
                places.append(hidden)
                hidden += 1
        return places


def write_sort(
    queries: QueryEmitter, rows: str, keys: list[OrderKey], places: list[int], codes: dict[int, int]
) -> None:
    """Sort the list in place where its columns are plain, else through `helpers.sort_rows`."""
    frame, generator = queries.frame, queries.generator
    plain = all(
        key.collation == "BINARY" and codes.get(place, HOLDS_ANY) & ~HOLDS_NULL in PLAIN_CLASSES
        for key, place in zip(keys, places, strict=True)
    )
    if not plain:
        listed = []
        for key, place in zip(keys, places, strict=True):
            listed.append(f"({place}, {key.descending}, {key.nulls_first}, {collation_key(queries, key.collation)})")
        frame.emit(f"{rows} = {generator.helper(runtime.sort_rows)}({rows}, ({', '.join(listed)},))")
        return
    for key, place in reversed(list(zip(keys, places, strict=True))):
        reverse = ", reverse=True" if key.descending else ""
        if codes[place] & HOLDS_NULL:
            # NULL sorts below every value: its own rank goes in front, so that None is never compared.
            word = "is not" if key.nulls_first != key.descending else "is"
            frame.emit(f"{rows}.sort(key=lambda row: (row[{place}] {word} None, row[{place}]){reverse})")
        else:
            getter = generator.helper(itemgetter, "itemgetter")
            frame.emit(f"{rows}.sort(key={getter}({place}){reverse})")


def collation_key(queries: QueryEmitter, collation: str) -> str:
    """The key function of a collation, as text; a collation of the connection's own is asked for at run time."""
    return str(collation_function(queries.generator, collation))


def limit_text(queries: QueryEmitter, query: Query) -> tuple[str, str] | None:
    """The names of the slice's start and stop, computed once; None without LIMIT."""
    if query.limit is None:
        return None
    frame, generator = queries.frame, queries.generator
    limit = generator.name("limit")
    frame.emit(f"{limit} = {count_text(queries, query.limit, 'None')}")
    if query.offset is None:
        return "0", limit
    start, stop = generator.name("offset"), generator.name("stop")
    frame.emit(f"{start} = {count_text(queries, query.offset, '0')}")
    frame.emit(f"{stop} = None if {limit} is None else {start} + {limit}")
    return start, stop


def count_text(queries: QueryEmitter, expression: Expr, otherwise: str) -> str:
    """A number of rows, `otherwise` where it is negative."""
    code = queries.expressions.value(expression)
    call = f"{queries.generator.helper(runtime.limit_number)}({code.text}, {otherwise})"
    if code.classes != HOLDS_INT or not code.atomic:
        return call
    return f"{code.text} if 0 <= {code.text} <= {runtime.ROWS_MAX} else {call}"


def limited_collect(queries: QueryEmitter, pipeline: Pipeline, element: str, query: Query) -> str | None:
    """Gather only the rows that LIMIT lets through; None where the loops do not fit a generator expression."""
    if not pipeline.is_comprehension:
        return None
    limit = limit_text(queries, query)
    assert limit is not None
    name = queries.generator.name("rows")
    slice_ = queries.generator.helper(islice)
    rows = pipeline.sole_iterable(element) or pipeline.comprehension(element, "(", ")")
    queries.frame.emit(f"{name} = list({slice_}({rows}, {limit[0]}, {limit[1]}))")
    return name
