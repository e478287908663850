"""Paths that look several keys up: IN lists, alternatives joined by OR, and what begins with a text.

id IN (3, 1, 2)               members   of the unique key: sorted, each found
country IN (SELECT ...)       members   of a secondary key: the keys under each value, in the order of values
name LIKE 'Os%'               prefix    a range of a NOCASE key, or ranges of a BINARY one: OS, Os, oS, os; LIKE checked
id = ? OR name = ?            either    the keys of each side, a key that both bring only once; OR is checked again
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tandemdb.planner.access import paths as access
from tandemdb.planner.access.computed import is_usable
from tandemdb.planner.access.statistics import distinct_values
from tandemdb.planner.bind.bound import HOLDS_NULL, HOLDS_TEXT, Column, Expr, QueryIn, Rowid, Source, sources_of
from tandemdb.planner.bind.traits import (
    canonical_collation,
    collation_of,
    compared_result,
    comparison_collation,
    is_constant,
    membership_affinity,
)
from tandemdb.planner.syntax import ast

QUERY_MEMBERS = 10
"""Assumed rows of a subquery behind IN."""
WILDCARDS = {"LIKE": "%_", "GLOB": "*?["}


class Branch(NamedTuple):
    """One side of an OR: equality with `term`, or membership in the list `node`; `key` is None for the rowid."""

    key: Any
    term: Any
    node: Any


def lookup_paths(source: Source, conjuncts: Sequence[Expr], count: float, roots: Sequence[Any]) -> list[access.Path]:
    """The paths that conjuncts other than plain comparisons offer."""
    assert source.table is not None
    if source.table.without_rowid:
        return []
    stored = roots[source.database].tables[source.table.id]
    paths: list[access.Path] = []
    for conjunct in conjuncts:
        if isinstance(conjunct, ast.Like):
            paths.extend(prefix_paths(source, conjunct, conjuncts, count, stored))
        elif isinstance(conjunct, ast.Binary) and conjunct.operator == "OR":
            paths.extend(either_paths(source, conjunct, count, stored))
        else:
            operand = member_operand(conjunct)
            if operand is not None:
                paths.extend(member_paths(source, conjunct, operand, conjuncts, count, stored))
    return paths


# ---- IN


def member_operand(conjunct: Expr) -> Expr | None:
    """The left side of an IN whose right side is known before any row is read."""
    if isinstance(conjunct, ast.InList) and not conjunct.negated and conjunct.items:
        return conjunct.operand if all(map(is_constant, conjunct.items)) else None
    if isinstance(conjunct, QueryIn) and not conjunct.negated and len(conjunct.operands) == 1:
        from tandemdb.planner.emit.subquery import runs_once

        return conjunct.operands[0] if runs_once(conjunct.query) else None
    return None


def member_paths(
    source: Source, conjunct: Expr, operand: Expr, conjuncts: Sequence[Expr], count: float, stored: Any
) -> list[access.Path]:
    members = len(conjunct.items) if isinstance(conjunct, ast.InList) else QUERY_MEMBERS
    if is_rowid(source, operand):
        if source.index_hint:
            return []
        return [access.Path("members", members * access.COST_FIND, float(members), [conjunct], node=conjunct)]
    if isinstance(conjunct, QueryIn):
        if not takes_plain_members(conjunct):
            return []
        collation = comparison_collation(operand, compared_result(conjunct.query))
    else:
        found = collation_of(operand)
        collation = found[0] if found else "BINARY"
    paths = []
    for index in leading_indexes(source, operand, collation, conjuncts, stored):
        share = 1.0 / distinct_values(index, stored.keys[index.id], count, 1)
        rows = max(1.0, min(members * max(1.0, count * share), count * access.SELECTIVE_PART))
        cost = members * access.COST_KEY + rows * access.COST_KEY_ROW
        paths.append(access.Path("members", cost, rows, [conjunct], key=index, node=conjunct))
    return paths


def takes_plain_members(conjunct: QueryIn) -> bool:
    """Whether the column is compared as it is stored."""
    return membership_affinity(conjunct.operands[0], conjunct.query)[0] is None


def is_rowid(source: Source, operand: Expr) -> bool:
    if isinstance(operand, Rowid):
        return operand.source is source
    return (
        isinstance(operand, Column)
        and operand.source is source
        and source.table is not None
        and operand.position == source.table.rowid_position
    )


def leading_indexes(source: Source, operand: Expr, collation: str, conjuncts: Sequence[Expr], stored: Any) -> list[Any]:
    """The indexes that begin with the column, in that collation."""
    while isinstance(operand, ast.Collate):
        operand = operand.operand
    if not isinstance(operand, Column) or operand.source is not source or source.index_hint == "":
        return []
    assert source.table is not None
    return [
        index
        for index in source.table.indexes
        if index.columns[0].position == operand.position
        and canonical_collation(index.columns[0].collation) == collation
        and (not source.index_hint or source.index_hint.lower() == index.name.lower())
        and is_usable(source, index, conjuncts, stored)
    ]


# ---- LIKE and GLOB


def prefix_paths(
    source: Source, conjunct: ast.Like, conjuncts: Sequence[Expr], count: float, stored: Any
) -> list[access.Path]:
    operand, pattern = conjunct.operand, conjunct.pattern
    if conjunct.negated or conjunct.escape is not None or not isinstance(operand, Column):
        return []
    if operand.source is not source or source.columns[operand.position].classes & ~HOLDS_NULL != HOLDS_TEXT:
        return []
    if conjunct.operator not in WILDCARDS or not begins_with_text(pattern, WILDCARDS[conjunct.operator]):
        return []
    rows = max(1.0, count * access.SELECTIVE_PART / 2)
    cost = access.COST_KEY + rows * access.COST_KEY_ROW
    collations = ("NOCASE", "BINARY") if conjunct.operator == "LIKE" else ("BINARY",)
    return [
        access.Path("prefix", cost, rows, key=index, node=conjunct)
        for collation in collations
        for index in leading_indexes(source, operand, collation, conjuncts, stored)
    ]


def begins_with_text(pattern: Expr, wildcards: str) -> bool:
    """Whether a pattern begins with a text, or is bound later: if it then begins with a wildcard, the table is read."""
    if isinstance(pattern, ast.Parameter):
        return True
    if not isinstance(pattern, ast.Literal) or not isinstance(pattern.value, str):
        return False
    return pattern.value[:1] not in wildcards


# ---- OR


def either_paths(source: Source, conjunct: ast.Binary, count: float, stored: Any) -> list[access.Path]:
    branches, cost, rows = [], 0.0, 0.0
    for side in alternatives(conjunct):
        found = best_branch(source, side, count, stored)
        if found is None:
            return []
        branch, price, matches = found
        branches.append(branch)
        cost, rows = cost + price, rows + matches
    rows = min(rows, count * access.SELECTIVE_PART)
    return [access.Path("either", cost + rows * access.COST_KEY_ROW, rows, node=tuple(branches))]


def alternatives(conjunct: Expr) -> list[Expr]:
    sides = []
    while isinstance(conjunct, ast.Binary) and conjunct.operator == "OR":
        sides.append(conjunct.right)
        conjunct = conjunct.left
    return [conjunct, *reversed(sides)]


def best_branch(source: Source, side: Expr, count: float, stored: Any) -> tuple[Branch, float, float] | None:
    """How one side finds its rows, its cost and its rows; None if it would read the whole table."""
    from tandemdb.planner.bind.query import split_and

    parts = split_and(side)
    found: list[tuple[Branch, float, float]] = []
    for part in parts:
        for term in access.terms_of(part, source, set()):
            if term.operator != "=":
                continue
            if is_rowid(source, term.key):
                found.append((Branch(None, term, None), access.COST_FIND, 1.0))
                continue
            collation = comparison_collation(part.left, part.right)
            for index in leading_indexes(source, term.key, collation, parts, stored):
                if access.fits(term, source, index.columns[0]):
                    share = 1.0 / distinct_values(index, stored.keys[index.id], count, 1)
                    rows = max(1.0, min(count * share, count * access.SELECTIVE_PART))
                    found.append((Branch(index, term, None), access.COST_KEY, rows))
        operand = member_operand(part)
        if operand is not None and isinstance(part, ast.InList) and source not in sources_of_items(part):
            for path in member_paths(source, part, operand, parts, count, stored):
                found.append((Branch(path.key, None, part), path.cost, path.rows))
    return min(found, key=lambda item: item[1] + item[2], default=None)


def sources_of_items(node: ast.InList) -> set[Source]:
    return {source for item in node.items for source in sources_of(item)}
