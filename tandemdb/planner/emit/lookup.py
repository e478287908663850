"""Reading a source by several keys, or in the order of a key: clauses for `access.lookup` and `access.order`.

members    for city_0 in table_city_1.find_many(rowids_among(members_1))
members    for city_0 in table_city_1.find_many(keys_among(table_city_1.keys[7], members_1))
prefix     for city_0 in records_with_prefix(context, table_city_1, 7, ranges_1)
either     for city_0 in table_city_1.find_many(dict.fromkeys(chain(rowids_equal(p0), keys_equal(..., p1))))
in order   for city_0_key in table_city_1.keys[7].scan_keys(True) for city_0 in [table_city_1.find(city_0_key)]
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from tandemdb.planner.access.lookup import WILDCARDS, Branch
from tandemdb.planner.bind.traits import canonical_collation
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import patterns, values
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.source import SourceReader


def read_members(reader: SourceReader) -> None:
    loop_over(reader, members_text(reader, reader.path.key, reader.path.node))


def loop_over(reader: SourceReader, keys: str) -> None:
    """Loop over the rows under an expression for unique keys."""
    many = f"{reader.table}.find_items" if reader.source.uses_key else f"{reader.table}.find_many"
    reader.pipeline.loop(reader.target, f"{many}({keys})")


def members_text(reader: SourceReader, key: Any, node: Any) -> str:
    expressions, generator = reader.queries.expressions, reader.generator
    if isinstance(node, ast.InList):
        members = expressions.in_members(node)
    else:
        _, members, _ = reader.queries.in_parts(node, expressions)
    if key is None:
        return f"{generator.helper(rowids_among)}({members})"
    return f"{generator.helper(keys_among)}({reader.table}.keys[{key.id}], {members})"


def read_prefix(reader: SourceReader) -> None:
    node, generator, source = reader.path.node, reader.generator, reader.source
    ways = ""
    if node.operator == "LIKE":
        ways = "lower" if canonical_collation(reader.path.key.columns[0].collation) == "NOCASE" else "both"
    pattern = reader.queries.expressions.value(node.pattern).text
    maker = generator.helper(prefix_ranges)
    ranges = generator.hoist(Code(f"{maker}({pattern}, {WILDCARDS[node.operator]!r}, {ways!r})"), "ranges").text
    generator.needs_context = True
    function = generator.helper(items_with_prefix if source.uses_key else records_with_prefix)
    reader.pipeline.loop(reader.target, f"{function}(context, {reader.table}, {reader.path.key.id}, {ranges})")


def read_either(reader: SourceReader) -> None:
    generator = reader.generator
    sides = ", ".join(branch_text(reader, branch) for branch in reader.path.node)
    loop_over(reader, f"dict.fromkeys({generator.helper(chain)}({sides}))")


def branch_text(reader: SourceReader, branch: Branch) -> str:
    if branch.node is not None:
        return members_text(reader, branch.key, branch.node)
    value = reader.operand(branch.term).text
    if branch.key is None:
        return f"{reader.generator.helper(rowids_among)}(({value},))"
    return f"{reader.generator.helper(keys_among)}({reader.table}.keys[{branch.key.id}], ({value},))"


def read_in_order(reader: SourceReader) -> None:
    """The whole table in the order of a secondary key."""
    source, cover = reader.source, reader.path.cover
    backwards = "True" if reader.path.kind == "key_scan_reversed" else ""
    key = reader.key_text()
    if cover == "row":
        method = items_in_order if source.uses_key else records_in_order
        reader.pipeline.loop(reader.target, f"{reader.generator.helper(method)}({reader.table}, {key})")
    elif cover == "value":
        flatten = reader.generator.helper(chain.from_iterable, "chain")
        reader.generator.needs_context = True
        reader.pipeline.loop(source.variable, f"{flatten}(context.watched({key}.value_lists()))")
        reader.cover()
    elif cover:
        walk = "scan_keys" if cover == "key" else "scan_pairs"
        reader.pipeline.loop(source.variable, f"{key}.{walk}({backwards})")
        reader.cover()
    else:
        reader.pipeline.loop(source.key_variable, f"{key}.scan_keys({backwards})")
        reader.pipeline.let(source.variable, f"{reader.table}.find({source.key_variable})")


READERS: dict[str, Callable[[SourceReader], None]] = {
    "members": read_members,
    "prefix": read_prefix,
    "either": read_either,
    "key_scan": read_in_order,
    "key_scan_reversed": read_in_order,
}


# ---- what the clauses call


def records_in_order(table: Any, key: Any) -> list[Any]:
    """All records in the order of a secondary key."""
    records = dict(zip(chain.from_iterable(table.key_lists()), chain.from_iterable(table.record_lists()), strict=True))
    return list(map(records.__getitem__, key.scan_keys()))


def items_in_order(table: Any, key: Any) -> list[tuple[Any, Any]]:
    """All (unique key, record) in the order of a secondary key."""
    return list(zip(key.scan_keys(), records_in_order(table, key), strict=True))


def rowids_among(members: Collection[Any]) -> list[int]:
    """The members that can be rowids, in order."""
    if set(map(type, members)) == {int}:
        return sorted(set(members))
    return sorted({int(value) for value in members if type(value) is int or is_whole(value)})


def is_whole(value: Any) -> bool:
    return type(value) is float and value.is_integer() and -(2.0**63) <= value < 2.0**63


def keys_among(key: Any, members: Collection[Any]) -> list[Any]:
    """The unique keys under each of the values of a key's first column, in the order of values."""
    single = len(key.definition.columns) == 1
    found: list[Any] = []
    alike = len(set(map(type, members))) == 1 and None not in members
    ordered = sorted(members) if alike else sorted((v for v in members if v is not None), key=values.sort_key)
    for value in ordered:
        rank = values.RANKS[type(value)]
        found += key.equal(rank, value) if single else key.prefix_keys(rank, (value,))
    return found


Ranges = tuple[bool, tuple[tuple[str, str | None], ...]]
"""Whether rows are to come in the order of the table, and bounds: at least, and less than (None: no upper bound)."""


@lru_cache(maxsize=1024)
def prefix_ranges(pattern: Any, wildcards: str, ways: str) -> Ranges:
    """Where a key's texts lie that begin as the pattern does; no range if it begins with a wildcard.

    `ways`: "" as it stands, "lower" by the letters lowered, "both" in upper and lower case, each a range of its own; of
    a long text only so many letters are taken that there are few.
    """
    if not isinstance(pattern, str) or (ways == "both" and patterns.is_too_long(pattern)):
        return True, ()
    end = next((place for place, letter in enumerate(pattern) if letter in wildcards), len(pattern))
    prefix = values.until_nul(pattern[:end])
    if not prefix:
        return True, ()
    if ways == "lower":
        prefix = values.nocase_key(prefix)
    starts = [""]
    for letter in prefix:
        cases = {letter.lower(), letter.upper()} if ways == "both" and letter.isascii() else {letter}
        if len(starts) * len(cases) > RANGES_MAX:
            break
        starts = [start + case for start in starts for case in sorted(cases)]
    return ways == "both", tuple((start, text_above(start)) for start in starts)


RANGES_MAX = 8


def text_above(start: str) -> str | None:
    """The least text above all that begin with this one; None if there is none."""
    last = ord(start[-1])
    return None if last == 0x10FFFF else start[:-1] + chr(last + 1)


def records_with_prefix(context: Any, table: Any, key_id: int, ranges: Ranges) -> Iterable[Any]:
    """The records whose text lies in one of the ranges; all of the table where that is no slower."""
    keys = keys_in_ranges(table, key_id, ranges)
    if keys is None:
        return chain.from_iterable(context.watched(table.record_lists()))
    found: Iterable[Any] = table.find_many(keys)
    return found


def items_with_prefix(context: Any, table: Any, key_id: int, ranges: Ranges) -> Iterable[tuple[Any, Any]]:
    """As `records_with_prefix`, each with its unique key."""
    keys = keys_in_ranges(table, key_id, ranges)
    found: Iterable[tuple[Any, Any]] = context.watched_items(table) if keys is None else table.find_items(keys)
    return found


def keys_in_ranges(table: Any, key_id: int, ranges: Ranges) -> list[Any] | None:
    """The unique keys of the texts in the ranges; None if reading the whole table is better."""
    in_table_order, bounds = ranges
    if not bounds:
        return None
    key = table.keys[key_id]
    single = len(key.definition.columns) == 1
    found: list[Any] = []
    for low, high in bounds:
        if single:
            found += key.range_keys(2, low, False, high, True)
        else:
            found += key.range_keys(2, (low,), False, None if high is None else (high,), True)
        if in_table_order and len(found) * SCAN_FACTOR > table.count:
            return None
    return sorted(found) if in_table_order else found


SCAN_FACTOR = 10
"""A record is found by its key in the time in which a scan reads so many."""
