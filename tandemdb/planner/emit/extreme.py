"""min() and max() of a key's first column: the first or last entry of the key instead of a walk over the table.

    SELECT max(name) FROM city          table_city_1.find(last_of(table_city_1.keys[7]))[1]      key on name
    SELECT min(id) FROM city            table_city_1.first_key()                                 id is the rowid

NULLs lie before all values of a key, and neither function counts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.planner.access.computed import is_usable
from tandemdb.planner.access.lookup import is_rowid
from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_INT, HOLDS_NULL, Column, Core, Rowid, Source, walk
from tandemdb.planner.bind.traits import canonical_collation, collation_of
from tandemdb.planner.emit.writer import Code

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter


class Extreme(NamedTuple):
    """The source, the index whose end holds the answer (None: the unique key), and the column's position."""

    source: Source
    index: Any
    position: int
    greatest: bool


def find_extreme(core: Core, roots: Any) -> Extreme | None:
    """What answers the core's one aggregate without reading the table, None if nothing does."""
    if len(core.aggregates) != 1 or len(core.sources) != 1 or core.conjuncts or core.group_by or core.windows:
        return None
    if core.having is not None:
        return None
    call, source = core.aggregates[0], core.sources[0]
    if call.name not in ("min", "max") or call.function is None or call.filter is not None or call.order_by:
        return None
    table = source.table
    if table is None or table.without_rowid or source.index_hint is not None or len(call.arguments) != 1:
        return None
    argument = call.arguments[0]
    greatest = call.name == "max"
    if is_rowid(source, argument):
        return Extreme(source, None, -1, greatest)
    if not isinstance(argument, Column) or argument.source is not source:
        return None
    found = collation_of(argument)
    collation = found[0] if found else "BINARY"
    stored = roots[source.database].tables[table.id]
    for index in table.indexes:
        first = index.columns[0]
        same = canonical_collation(first.collation) == collation
        if index.where is None and first.position == argument.position and same:
            if is_usable(source, index, (), stored):
                return Extreme(source, index, argument.position, greatest)
    return None


def reads_rows(expression: Any) -> bool:
    """Whether a result reads anything but the aggregate."""
    return any(isinstance(node, (Column, Rowid)) or hasattr(node, "query") for node in walk(expression))


def write_extreme(queries: QueryEmitter, core: Core, found: Extreme) -> Code:
    """Write the look-up, of the row as well where results read it; the value."""
    source, generator, frame = found.source, queries.generator, queries.frame
    assert source.table is not None
    table = generator.table(source.database, source.table.id, source.table.name)
    end = "last" if found.greatest else "first"
    if found.index is None:
        unique_key = f"{table}.{end}_key()"
    else:
        function = generator.helper(last_of if found.greatest else first_of)
        unique_key = f"{function}({table}.keys[{found.index.id}])"
    if found.index is None and not any(reads_rows(result.expression) for result in core.results):
        return Code(unique_key, HOLDS_INT | HOLDS_NULL)
    frame.emit(f"{source.key_variable} = {unique_key}")
    nothing = generator.helper((None,) * len(source.columns), f"null_row_{len(source.columns)}")
    source.nullable = True
    queries.expressions.forget()
    row = f"{table}.find({source.key_variable})"
    frame.emit(f"{source.variable} = {nothing} if {source.key_variable} is None else {row}")
    value = source.key_variable if found.index is None else f"{source.variable}[{found.position}]"
    return Code(value, HOLDS_ANY)


def first_of(key: Any) -> Any:
    """The unique key of the least value that is not NULL; of the first entry if all are."""
    first = None
    for rank, _, unique_key in key.scan_entries():
        if rank:
            return unique_key
        first = unique_key if first is None else first
    return first


def last_of(key: Any) -> Any:
    """The unique key of the greatest value."""
    return next(key.scan_keys(True), None)


def explain_extreme(found: Extreme) -> str:
    name = found.source.alias
    return f"SEARCH {name}" if found.index is None else f"SEARCH {name} USING COVERING INDEX {found.index.name}"
