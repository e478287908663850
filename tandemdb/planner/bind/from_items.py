"""Binding FROM: items and joins become the sources of a core and the entries of its scope.

    FROM city c LEFT JOIN (SELECT code, name AS land FROM country) k USING (code)

    sources                                       entries
    0  c  table city      INNER                   c: id, name, code
    1  k  query           LEFT  on code = code    k: code, land      using {code}

First all items are bound, then - by `bind_conditions`, after the result columns - what stands behind ON, which may name
any item. Conditions of inner joins become conjuncts like WHERE's, unless a RIGHT or FULL join follows: then they
belong to
its left side, and the order of FROM is kept.

A join in parentheses with an outer join inside is made to rows first; any other is joined like the rest. Either way
names see
it as one entry (`nested_entry`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import Column, Core, Expr, Query, ResultColumn, Source, sources_of
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.item import bind_item, new_query_source
from tandemdb.planner.bind.scope import Entry, EntryColumn, Label, Scope, first_that_is_there
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import Binder

OUTER = ("LEFT", "RIGHT", "FULL")


class Link(NamedTuple):
    """An item of FROM whose join has conditions that are bound later. `own` tells that they belong to its join
    alone."""

    item: int
    source: Source | None
    equalities: Sequence[Expr]
    on: ast.Expression | None
    own: bool


class FromBinder:
    """Binds the FROM clause of one scope."""

    __slots__ = ("binder", "scope", "core", "links", "completes", "ambiguous")

    def __init__(self, binder: Binder, scope: Scope) -> None:
        self.binder = binder
        self.scope = scope
        self.core = scope.core
        self.links: list[Link] = []
        self.completes = False
        self.ambiguous = ""
        """The last name in a USING that may mean several columns; as in SQLite the last one is told."""

    def bind(self, node: ast.Source) -> None:
        """Add the sources, entries and conditions of a FROM clause to the scope."""
        self.bind_items(node)
        self.bind_conditions()

    def bind_joined(self, node: ast.Source) -> None:
        """Add the FROM clause of an UPDATE, joined to the table that is there already."""
        self.bind(node)

    def bind_items(self, node: ast.Source) -> None:
        """Add the sources and entries of a FROM clause; what stands behind ON is kept for `bind_conditions`."""
        links: list[tuple[ast.Source, ast.Join | None]] = []
        while isinstance(node, ast.Join):
            links.append((node.right, node))
            node = node.left
        links.append((node, None))
        links.reverse()
        last = max((i for i, (_, join) in enumerate(links) if join and join.kind in ("RIGHT", "FULL")), default=-1)
        self.completes = last >= 0
        completed: set[int] = set()
        for number, (item, join) in enumerate(links):
            before = len(self.core.sources)
            self.add(item, join, fixed=number <= last)
            for source in self.core.sources[before:]:
                source.requires |= completed
            if number == last:
                completed = {source.number for source in self.core.sources}
        if self.ambiguous:
            raise ambiguous_in_using(self.ambiguous)

    def add(self, item: ast.Source, join: ast.Join | None, *, fixed: bool) -> None:
        """Add one item. `fixed`: a RIGHT or FULL join stands here or further on, so it keeps its place."""
        kind = join.kind if join is not None and join.kind in OUTER else "INNER"
        if join is not None and join.natural and (join.on is not None or join.using is not None):
            raise fault("a NATURAL join may not have an ON or USING clause")
        before = list(self.core.sources)
        if isinstance(item, ast.Join):
            self.bind_parenthesised(item, mergeable=kind == "INNER" and not fixed)
        else:
            bind_item(self, item, mergeable=kind == "INNER" and not fixed)
        added = self.core.sources[len(before) :]
        entry = self.scope.entries[-1]
        entry.join = kind
        equalities = [] if join is None else self.using(join, entry)
        numbers = {other.number for other in before}
        if fixed or kind != "INNER" or (join is not None and join.kind == "CROSS"):
            for source in added:
                source.requires |= numbers
        if kind != "INNER":
            added[0].join = kind
            added[0].nullable = kind in ("LEFT", "FULL")
            if kind != "LEFT":
                for other in before:
                    other.nullable = True
        own = fixed or kind != "INNER"
        if join is not None and (equalities or join.on is not None):
            self.links.append(Link(len(self.scope.entries), added[-1] if own else None, equalities, join.on, own))

    def bind_conditions(self) -> None:
        """Bind what stands behind ON, with all names of FROM in scope.

        Raises:
            OperationalError: ON clause references tables to its right.
        """
        from tandemdb.planner.bind.query import split_and

        expressions = ExpressionBinder(self.binder, self.scope)
        for link in self.links:
            conditions = list(link.equalities)
            if link.on is not None:
                conditions.extend(split_and(expressions.bind_scalar(link.on)))
            if link.own or self.completes:
                self.check_order(link, conditions)
            if link.source is None:
                self.core.conjuncts.extend(conditions)
            else:
                link.source.on = conditions
        self.links = []

    def check_order(self, link: Link, conditions: Sequence[Expr]) -> None:
        later = {entry.source for entry in self.scope.entries[link.item :] if entry.source is not None}
        if any(sources_of(condition) & later for condition in conditions):
            raise fault("ON clause references tables to its right")

    # ---- USING and NATURAL

    def using(self, join: ast.Join, entry: Entry) -> list[Expr]:
        """The equalities that USING or NATURAL asks for; the entry remembers the names."""
        left = self.scope.entries[:-1]
        names = list(join.using or ())
        if join.natural and self.ambiguous:
            raise ambiguous_in_using(self.ambiguous)
        if join.natural:
            names = [c.name for c in entry.columns if not c.hidden and self.holders(left, c.name)]
        equalities: list[Expr] = []
        for name in names:
            position = entry.by_name.get(name.lower())
            holders = self.holders(left, name, hidden=not join.natural)
            if position is None or not holders:
                raise fault(f"cannot join using column {name} - column not present in both tables")
            if self.completes and any(name.lower() not in holder.using for holder, _ in holders[1:]):
                self.ambiguous = name
            equalities.append(ast.Binary("=", self.left_side(holders), entry.columns[position].expression))
        entry.using = {name.lower(): name for name in names}
        return equalities

    def holders(self, entries: Sequence[Entry], name: str, *, hidden: bool = False) -> list[tuple[Entry, Expr]]:
        """The entries that have the column, from left to right, and it."""
        found = []
        for entry in entries:
            position = entry.by_name.get(name.lower())
            if position is not None and (hidden or not entry.columns[position].hidden):
                found.append((entry, entry.columns[position].expression))
        return found

    def left_side(self, holders: Sequence[tuple[Entry, Expr]]) -> Expr:
        """The leftmost column of that name; where RIGHT or FULL joins are about, the first that is not NULL."""
        if not self.completes or len(holders) == 1:
            return holders[0][1]
        return first_that_is_there([expression for _, expression in holders])

    # ---- joins in parentheses

    def bind_parenthesised(self, node: ast.Join, *, mergeable: bool) -> None:
        """One entry for the whole; its sources join this core's if nothing in it is an outer join."""
        if mergeable and only_inner(node):
            inner = Scope(self.scope.parent, self.core, self.scope.query)
            FromBinder(self.binder, inner).bind(node)
            self.scope.entries.append(nested_entry(inner, None))
            return
        query, core = Query(), Core()
        query.cores = [core]
        inner = Scope(self.scope.parent, core, query)
        FromBinder(self.binder, inner).bind(node)
        entry = nested_entry(inner, None)
        core.results = [ResultColumn(column.expression, column.name) for column in entry.columns]
        source = new_query_source(self, query, "joined")
        query.outer |= {s for e in core.conjuncts for s in sources_of(e)} - set(core.sources)
        query.outer |= {s for own in core.sources for e in own.on for s in sources_of(e)} - set(core.sources)
        self.scope.query.outer |= query.outer
        self.scope.entries.append(nested_entry(inner, source))


def ambiguous_in_using(name: str) -> OperationalError:
    return fault(f"ambiguous reference to {name} in USING()")


def nested_entry(inner: Scope, source: Source | None) -> Entry:
    """The entry of a join in parentheses: the columns of all its items, in front of each those that USING makes of
    several.
    """
    names: list[str] = []
    labels: list[Label] = []
    offered: list[tuple[Expr, bool]] = []
    for number, entry in enumerate(inner.entries):
        following = inner.entries[number + 1 : number + 2]
        shared = [name for later in following for name in later.using.values()]
        for name in shared:
            found = inner.find_here(name, None, None)
            assert found is not None
            names.append(name)
            labels.append(Label("", "", name, True))
            offered.append((found.expression, False))
        for position, column in enumerate(entry.columns):
            if column.hidden:
                continue
            expression = column.expression
            if entry.labels is not None:
                labels.append(entry.labels[position]._replace(shared=False))
            else:
                labels.append(Label(entry.schema or "*", entry.alias, column.name))
                if sum(other.alias.lower() == entry.alias.lower() for other in inner.entries) > 1:
                    named = inner.find_here(column.name, entry.alias, entry.schema or "*")
                    expression = expression if named is None else named.expression
            names.append(column.name)
            folded = column.name.lower()
            offered.append((expression, folded in entry.using or folded in map(str.lower, shared) or column.merged))
    columns = []
    taken: dict[str, bool] = {}
    for at, (name, (expression, unseen), label) in enumerate(zip(names, offered, labels, strict=True)):
        unique, collides = unique_name(name, taken)
        taken[unique.lower()] = label.shared
        value = Column(source, at) if source is not None else expression
        columns.append(EntryColumn(unique, value, merged=unseen or collides))
    made = Entry("(join)", None, columns, source)
    made.labels = labels
    return made


def unique_name(name: str, taken: dict[str, bool]) -> tuple[str, bool]:
    """The name made unique as SQLite does - x, x:1, x:2 - and whether it collided with one that USING shares."""
    unique, number, shared = name, 0, False
    while unique.lower() in taken:
        shared = shared or taken[unique.lower()]
        number += 1
        stem = name.rstrip("0123456789")
        unique = f"{stem[:-1] if stem.endswith(':') and stem != name else name}:{number}"
    return unique, shared


def only_inner(node: ast.Source) -> bool:
    while isinstance(node, ast.Join):
        if node.kind in OUTER or not only_inner(node.right):
            return False
        node = node.left
    return True


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")


__all__ = ["FromBinder", "only_inner"]
