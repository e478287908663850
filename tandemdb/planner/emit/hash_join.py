"""Hash joins: reading one source through a dictionary of its rows by the values that equalities compare.

    kept by the table      hash_1 = records_by(context, table_city_1, (3,), False, False)      (runtime/kept.py)
    made for the join      hash_1 = defaultdict(list)
                           for city_0 in chain(...):                       rows that pass the source's own conditions
                               hash_1[city_0[3]].append(city_0)
    then                   for city_0 in hash_1.get(k_1[2], ())            several rows a value
                           let city_0 = hash_1.get(k_1[2]) ; if city_0 is not None      one at most

A dictionary holds as little as is read: the one column in a row's place, nothing where it is enough that there is a
row, and no dictionary at all where the least or greatest value tells all. Two dictionaries asked for one after the
other are joined to one where that saves look-ups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tandemdb.planner.access.covering import columns_read
from tandemdb.planner.access.paths import Term, row_count, unique_on
from tandemdb.planner.bind.bound import HOLDS_NULL, Column, Rowid
from tandemdb.planner.emit.exists_extreme import read_extreme_by
from tandemdb.planner.emit.pipeline import Clause, Lookup
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime.kept import records_by, values_by

if TYPE_CHECKING:
    from tandemdb.planner.emit.source import SourceReader

JOINED_MIN = 2
"""So many look-ups for each entry of a dictionary pay for joining it to another first."""


def read_hash(reader: SourceReader, rows: Callable[[], str]) -> None:
    """Write the look-up in the dictionary, and the dictionary's making unless the table keeps it.

    Args:
        rows: gives an expression for the source's rows, asked for only if the dictionary has to be made of them.
    """
    path = reader.path
    single = unique_on(reader.source, path.terms) and len(path.terms) >= 1 and reader.source.table is not None
    if not single and read_extreme(reader):
        return
    column = sole_column(reader) if single else None
    name = kept_hash(reader, single, column)
    if name is None:
        home = reader.queries.build_frame(reader.source)
        name = reader.generator.name("hash")
        build_hash(reader, home, name, rows(), single, column)
    probe = probe_text(reader)
    if column is not None:
        reader.source.places = {column: ""}
        reader.queries.expressions.forget()
    if single and not reader.source.uses_key:
        if not join_dictionaries(reader, name, probe):
            look_up(reader, name, probe)
    else:
        target = f"({reader.target})" if reader.source.uses_key else reader.target
        reader.pipeline.loop(target, f"{name}.get({probe}, ())")


def read_extreme(reader: SourceReader) -> bool:
    """Read no row where the least or greatest value of a column tells all that is asked."""
    positions = kept_positions(reader)
    if positions is None or reader.own_tests or reader.generator.live or reader.source.uses_key or -1 in positions:
        return False
    return read_extreme_by(reader, positions, probe_text(reader))


def look_up(reader: SourceReader, name: str, probe: str) -> None:
    variable, pipeline, path = reader.source.variable, reader.pipeline, reader.path
    entries = row_count(reader.source, reader.generator.roots)
    used = [*path.used, *reader.conjuncts]
    if is_unread(reader):
        pipeline.test(f"{probe} in {name}")
        pipeline.unread.add(variable)
        return
    pipeline.lookups[variable] = Lookup(
        len(pipeline.clauses), name, probe, reader.source, used, path.repeated, entries
    )
    pipeline.let(variable, f"{name}.get({probe})")
    pipeline.test(f"{variable} is not None")


def is_unread(reader: SourceReader) -> bool:
    """Whether nothing of the row found is read, so that it is enough that there is one."""
    source, order = reader.source, reader.queries.order
    if order is None or source.uses_key or source.join != "INNER" or reader.generator.live:
        return False
    if any(other.join in ("RIGHT", "FULL") for other in order.core.sources):
        return False
    used = [*reader.path.used, *reader.conjuncts]
    return not order.core.windows and columns_read(order.core, order.keys, source, used) == set()


def join_dictionaries(reader: SourceReader, name: str, probe: str) -> bool:
    """Join the dictionary to that of the source whose column it is asked for, if that is read for nothing else.

    So one look-up does for both, where there are more of them than entries.
    """
    pipeline, order, variable = reader.pipeline, reader.queries.order, reader.source.variable
    before = pipeline.lookups.get(probe)
    if before is None or order is None or before.repeated < JOINED_MIN * before.entries:
        return False
    if columns_read(order.core, order.keys, before.source, [*before.used, *reader.path.used]) != set():
        return False
    joined, place = reader.generator.name("hash"), before.place
    reader.generator.main.emit_setup(
        f"{joined} = {{key: value for key, {probe} in {before.dictionary}.items() "
        f"for value in [{name}.get({probe})] if value is not None}}"
    )
    del pipeline.lookups[probe]
    pipeline.variables.remove(probe)
    if is_unread(reader):
        pipeline.clauses[place : place + 2] = [Clause("if", f"{before.probe} in {joined}")]
        pipeline.unread.add(variable)
        return True
    pipeline.clauses[place : place + 2] = [
        Clause("let", variable, f"{joined}.get({before.probe})"),
        Clause("if", f"{variable} is not None"),
    ]
    used = [*reader.path.used, *reader.conjuncts]
    pipeline.lookups[variable] = before._replace(dictionary=joined, source=reader.source, used=used)
    return True


def sole_column(reader: SourceReader) -> int | None:
    """The one column, never NULL, that is read of the rows found: a dictionary may hold that in their place."""
    source, order = reader.source, reader.queries.order
    if order is None or source.uses_key or source.join != "INNER" or reader.generator.live:
        return None
    core = order.core
    if source.places is not None or any(other.join in ("RIGHT", "FULL") for other in core.sources):
        return None
    read = columns_read(core, order.keys, source, [*reader.path.used, *reader.conjuncts])
    if read is None or len(read) != 1:
        return None
    column: int = read.pop()
    return None if source.columns[column].classes & HOLDS_NULL else column


def kept_hash(reader: SourceReader, single: bool, column: int | None) -> str | None:
    """The name of the dictionary that the table keeps; None where it is particular to this execution."""
    positions = kept_positions(reader)
    if positions is None or reader.own_tests or reader.generator.live:
        return None
    single = single and not reader.source.uses_key
    places = f"({', '.join(map(str, positions))},)"
    if column is not None:
        maker = reader.generator.helper(values_by)
        return reader.made_once(f"{maker}(context, {reader.table}, {places}, {column})", "hash")
    maker = reader.generator.helper(records_by)
    return reader.made_once(f"{maker}(context, {reader.table}, {places}, {single}, {reader.source.uses_key})", "hash")


def kept_positions(reader: SourceReader) -> list[int] | None:
    """The columns by whose stored values the equalities find rows; None where they compare something else."""
    source = reader.source
    if source.table is None:
        return None
    positions = []
    for term in reader.path.terms:
        text = hash_key(reader, term, of_source=True).text
        if isinstance(term.key, Column) and text == f"{source.variable}[{term.key.position}]":
            positions.append(term.key.position)
        elif isinstance(term.key, Rowid) and text == source.key_variable:
            positions.append(-1)
        else:
            return None
    return positions


def probe_text(reader: SourceReader) -> str:
    texts = [hash_key(reader, term, of_source=False).text for term in reader.path.terms]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def build_hash(reader: SourceReader, home: Any, name: str, rows: str, single: bool, column: int | None) -> None:
    """Write the dictionary's making into the function where it is made once."""
    codes = [hash_key(reader, term, of_source=True) for term in reader.path.terms]
    key = codes[0].text if len(codes) == 1 else f"({', '.join(code.text for code in codes)})"
    element = f"({reader.target})" if reader.source.uses_key else reader.source.variable
    if column is not None:
        element = f"{element}[{column}]"
    nullable = any(code.nullable for code in codes)
    tests = [test for test in reader.own_tests if test != "True"]
    single = single and not reader.source.uses_key
    if single and len(codes) == 1 and not nullable and ":=" not in "".join([key, rows, *tests]):
        kept = "".join(f" if {test}" for test in tests)
        home.emit_setup(f"{name} = {{{key}: {element} for {reader.source.variable} in {rows}{kept}}}")
        return
    home.emit_setup(f"{name} = {{}}" if single else f"{name} = {reader.generator.helper(defaultdict)}(list)")
    home.emit_setup(f"for {reader.target} in {rows}:")
    indent = "    "
    if tests:
        home.emit_setup(f"{indent}if {' and '.join(f'({test})' for test in tests)}:")
        indent += "    "
    if nullable:
        home.emit_setup(f"{indent}key_of_{name} = {key}")
        key = f"key_of_{name}"
        home.emit_setup(f"{indent}if {f'{key} is not None' if len(codes) == 1 else f'None not in {key}'}:")
        indent += "    "
    home.emit_setup(f"{indent}{name}[{key}] = {element}" if single else f"{indent}{name}[{key}].append({element})")


def hash_key(reader: SourceReader, term: Term, *, of_source: bool) -> Code:
    expressions = reader.queries.expressions
    left, right = expressions.operands(term.conjunct)
    on_left = term.conjunct.left is term.key
    code = (left if on_left else right) if of_source else (right if on_left else left)
    return expressions.settled(code)
