"""Reading a source by several keys, or in the order of a key: clauses for `access.lookup` and `access.order`.

members    for city_0 in table_city_1.find_many(rowids_among(members_1))
members    for city_0 in table_city_1.find_many(keys_among(table_city_1.keys[7], members_1))
prefix     for city_0 in table_city_1.find_many(keys_between(table_city_1.keys[7], bounds_1))
either     for city_0 in table_city_1.find_many(dict.fromkeys(chain(rowids_equal(p0), keys_equal(..., p1))))
in order   for city_0_key in table_city_1.keys[7].scan_keys(True) for city_0 in [table_city_1.find(city_0_key)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from tandemdb.planner.access.lookup import WILDCARDS, Branch
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import values
from tandemdb.planner.syntax import ast
from tandemdb.storage.values import CLASS_RANK

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
    node, generator = reader.path.node, reader.generator
    lowered = reader.path.key.columns[0].collation.upper() == "NOCASE"
    pattern = reader.queries.expressions.value(node.pattern).text
    maker = generator.helper(prefix_bounds)
    bounds = generator.hoist(Code(f"{maker}({pattern}, {WILDCARDS[node.operator]!r}, {lowered})"), "bounds").text
    loop_over(reader, f"{generator.helper(keys_between)}({reader.key_text()}, {bounds})")


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
    source = reader.source
    backwards = "True" if reader.path.kind == "key_scan_reversed" else ""
    reader.pipeline.loop(source.key_variable, f"{reader.key_text()}.scan_keys({backwards})")
    reader.pipeline.let(source.variable, f"{reader.table}.find({source.key_variable})")


READERS: dict[str, Callable[[SourceReader], None]] = {
    "members": read_members,
    "prefix": read_prefix,
    "either": read_either,
    "key_scan": read_in_order,
    "key_scan_reversed": read_in_order,
}


# ---- what the clauses call


def rowids_among(members: Iterable[Any]) -> list[int]:
    """The members that can be rowids, in order."""
    return sorted({int(value) for value in members if type(value) is int or is_whole(value)})


def is_whole(value: Any) -> bool:
    return type(value) is float and value.is_integer() and -(2.0**63) <= value < 2.0**63


def keys_among(key: Any, members: Iterable[Any]) -> list[Any]:
    """The unique keys under each of the values of a key's first column, in the order of values."""
    single = len(key.definition.columns) == 1
    found: list[Any] = []
    for value in sorted((value for value in members if value is not None), key=values.sort_key):
        rank = CLASS_RANK[type(value)]
        found += key.equal(rank, value) if single else key.prefix_keys(rank, (value,))
    return found


def prefix_bounds(pattern: Any, wildcards: str, lowered: bool) -> tuple[str, str | None] | None:
    """The text that all matches begin with, and the least text above all that begin with it."""
    if not isinstance(pattern, str):
        return None
    end = next((place for place, letter in enumerate(pattern) if letter in wildcards), len(pattern))
    prefix = pattern[:end]
    if lowered:
        prefix = values.nocase_key(prefix)
    last = ord(prefix[-1]) if prefix else 0x10FFFF
    return prefix, None if last == 0x10FFFF else prefix[:-1] + chr(last + 1)


def keys_between(key: Any, bounds: tuple[str, str | None] | None) -> list[Any]:
    """The unique keys of the texts between two bounds."""
    low, high = bounds or (None, None)
    found: list[Any]
    if len(key.definition.columns) == 1:
        found = key.range_keys(2, low, False, high, True)
    else:
        found = key.range_keys(2, None if low is None else (low,), False, None if high is None else (high,), True)
    return found
