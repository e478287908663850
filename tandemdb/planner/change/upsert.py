"""ON CONFLICT clauses of an INSERT: which unique key each is for, and what is done instead of inserting.

    INSERT INTO city VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET size = excluded.size WHERE size < excluded.size

    order: index on name (the clause's), rowid, other indexes      what the clauses name is looked at first

    found_1 = <key of the row that has the name>
    if found_1 is not None:
        old_1 = writable_1.find(found_1)          the row that is there, under the table's name
        if not (old_1[2] < size_): continue       the row that was given, as `excluded`
        ...                                       emit_update's change of a row
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_INT, Column, Core, Local, Query, Source, SourceColumn
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.scope import ROWID_NAMES, Entry, EntryColumn, Scope
from tandemdb.planner.change.chosen_rows import write_guess
from tandemdb.planner.change.row import unique_keys
from tandemdb.planner.change.updated_row import UpdateRow, bind_assignments, element_after_change, has_subquery
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.change.insert import InsertEmitter


class Upserts:
    """The ON CONFLICT clauses of one INSERT, each with the unique key it is for (None: the rowid or primary key)."""

    __slots__ = ("emitter", "table", "clauses", "targets")

    def __init__(self, emitter: InsertEmitter) -> None:
        """Raises: OperationalError, if a clause names no unique key of the table."""
        self.emitter = emitter
        self.table = emitter.table
        self.clauses: Sequence[ast.Upsert] = emitter.node.upserts
        self.targets: list[Any] = [
            None if clause.target is None else self.target(number, clause)
            for number, clause in enumerate(self.clauses, 1)
        ]

    # ---- targets

    def target(self, number: int, clause: ast.Upsert) -> Any:
        assert clause.target is not None
        for term in clause.target:
            ExpressionBinder(self.emitter.binder, self.target_scope()).bind_scalar(term.expression)
        for index in self.unique_keys():
            if self.matches(clause, index):
                return index
        which = "" if len(self.clauses) == 1 else f"{nth(number)} "
        raise OperationalError(
            f"{which}ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint", code="SQLITE_ERROR"
        )

    def unique_keys(self) -> list[Any]:
        return unique_keys(self.table)

    def target_scope(self) -> Scope:
        scope = Scope(None, Core(), Query())
        offered = [EntryColumn(c.name, Local("", HOLDS_ANY, c.affinity, c.collation)) for c in self.table.columns]
        entry = Entry(self.emitter.node.table.alias or self.table.name, None, offered, None)
        if not self.table.without_rowid:
            entry.rowid = lambda: Local("", HOLDS_INT, "INTEGER")
        scope.entries.append(entry)
        return scope

    def matches(self, clause: ast.Upsert, index: Any) -> bool:
        """Whether the clause's columns are those of the unique key, each under its collation if it names one."""
        assert clause.target is not None
        wanted = [named_column(term.expression) for term in clause.target]
        table = self.table
        if index is None:
            names = [name for name, _ in wanted]
            if table.without_rowid:
                return sorted(map(str, names)) == sorted(table.columns[at].name.lower() for at in table.primary_key)
            own = table.columns[table.rowid_position].name.lower() if table.rowid_position >= 0 else ""
            return len(names) == 1 and (names[0] == own or (names[0] in ROWID_NAMES and names[0] not in table.by_name))
        if len(wanted) != len(index.columns):
            return False
        if index.where is not None and not same(clause.target_where, index.where):
            return False
        terms = list(zip(clause.target, wanted, strict=True))
        return all(any(self.covers(term.expression, name, column) for term, name in terms) for column in index.columns)

    def covers(self, expression: Any, name: tuple[str | None, str | None], column: Any) -> bool:
        if column.position < 0:
            while isinstance(expression, ast.Collate):
                expression = expression.operand
            return same(expression, column.expression)
        known = self.table.columns[column.position].name.lower()
        return name[0] == known and name[1] in (None, column.collation.upper())

    # ---- order and choice

    def order(self, action: str | None) -> list[Any]:
        """The unique keys in the order in which SQLite looks at them.

        What the clauses name comes first, then the rowid, then the indexes; but a rowid whose own rule is REPLACE comes
        last, so that no row is taken away for one that is refused after all.
        """
        keys = self.unique_keys()
        rowid = not self.table.without_rowid
        named = bool(self.clauses) and self.clauses[0].target is not None
        if named and not (rowid and self.targets[0] is None):
            first: list[Any] = []
            for target, clause in zip(self.targets, self.clauses, strict=True):
                if clause.target is not None and target not in first:
                    first.append(target)
            if rowid and None not in first:
                first.append(None)
            return [*first, *(key for key in keys if key not in first)]
        if rowid and self.table.primary_conflict == "REPLACE" and action is None and not self.clauses:
            return [*keys[1:], None]
        return keys

    def find(self, index: Any) -> ast.Upsert | None:
        """The first clause for this unique key."""
        for clause, target in zip(self.clauses, self.targets, strict=True):
            if clause.target is None or target is index:
                return clause
        return None

    # ---- writing

    def write(self, clause: ast.Upsert, found: str) -> None:
        """Write what happens to the row whose key is in `found`, up to the loop's `continue`."""
        emitter = self.emitter
        frame, row = emitter.frame, emitter.row
        if clause.assignments is None:
            frame.emit(row.skip)
            return
        old, place, depth = emitter.generator.name("old"), None, frame.depth
        if emitter.session.plan_settings is None:
            spot = tuple(map(emitter.generator.name, ("page", "block", "index")))
            unpacked = ", ".join([old, *spot])
            place = f"({unpacked})"
            if emitter.generator.whole and not self.table.without_rowid:
                write_guess(emitter, row.writable, found, unpacked)
                frame.emit(f"if {old} is None:")
                frame.depth += 1
            frame.emit(f"{unpacked} = {row.writable}.seek({found})")
            frame.depth = depth
        else:  # a function of the user's might change the table before the statement does
            frame.emit(f"{old} = {row.writable}.find({found})")
        binder = ExpressionBinder(emitter.binder, self.scope(old, found))
        expressions = emitter.queries.expressions
        if clause.where is not None:
            frame.emit(f"if not ({expressions.true(binder.bind_scalar(clause.where))}):")
            frame.emit(f"    {row.skip}")
        assigned = bind_assignments(self.table, clause.assignments, binder)
        change = UpdateRow(emitter.queries, emitter.binder, self.table, emitter.database, "ABORT", emitter.session)
        change.row.name, change.row.writable, change.row.skip = row.name, row.writable, row.skip
        change.place = place
        if emitter.generator.written_out and place:
            change.guarded, change.spot, change.writer = True, spot, emitter.writer
        change.interrupted = emitter.interrupted
        if has_subquery(list(assigned.values())):
            # They see the rows that this statement has inserted so far.
            texts = [old, found, *row.names, *([] if self.table.without_rowid else [row.key])]
            names = list(dict.fromkeys(text.split("[")[0] for text in texts if text != "None"))
            values = emitter.generator.name("values")
            frame.emit(f"{values} = {element_after_change(emitter, names, list(assigned.values()))}")
            codes = {position: Code(f"{values}[{at}]", HOLDS_ANY, True) for at, position in enumerate(assigned)}
        else:
            codes = {position: expressions.value(item) for position, item in assigned.items()}
        change.write(found, old, codes, emitter.node.returning)
        frame.emit(row.skip)

    def scope(self, old: str, key: str) -> Scope:
        """The row that is there under the table's name, the one that was to be inserted as `excluded`."""
        scope = Scope(None, Core(), Query())
        table = self.table
        row = self.emitter.row
        name = self.emitter.node.table.alias or table.name
        guarded = self.emitter.generator.written_out
        held: Any = [HOLDS_ANY] * len(table.columns)
        if guarded:
            held = self.emitter.generator.roots[self.emitter.database].tables[table.id].classes
        columns = [SourceColumn(c.name, c.affinity, c.collation, held[c.position], c.type_name) for c in table.columns]
        source = Source(9999, name, columns)
        source.table, source.variable, source.database = table, old, self.emitter.database
        there = Entry(name, None, [EntryColumn(c.name, Column(source, c.position)) for c in table.columns], None)
        given = []
        for column, local, classes in zip(table.columns, row.names, row.classes, strict=True):
            text = row.key if column.position == table.rowid_position else local
            offered = Local(text, classes if guarded else HOLDS_ANY, column.affinity, column.collation)
            given.append(EntryColumn(column.name, offered, merged=True))
        excluded = Entry("excluded", None, given, None)
        scope.entries += [there, excluded]
        if not table.without_rowid:
            there.rowid = lambda: Local(key, HOLDS_INT, "INTEGER")
            excluded.rowid = lambda: Local(row.key, HOLDS_INT, "INTEGER")
        return scope


def named_column(expression: Any) -> tuple[str | None, str | None]:
    """The lower-case column that an expression names and the collation that COLLATE asks for."""
    collation = None
    while isinstance(expression, ast.Collate):
        collation = collation or expression.collation.upper()
        expression = expression.operand
    return (expression.column.lower() if isinstance(expression, ast.Name) else None), collation


def same(one: Any, other: Any) -> bool:
    """Whether two parsed expressions read the same, letter case of names aside."""
    return bool(plain(one) == plain(other))


def plain(node: Any) -> Any:
    if isinstance(node, ast.Literal):
        return type(node.value), node.value
    if isinstance(node, ast.Name):
        return "name", node.column.lower()
    if isinstance(node, (tuple, list)):
        return type(node).__name__, *map(plain, node)
    return node.lower() if isinstance(node, str) else node


def nth(number: int) -> str:
    from tandemdb.planner.bind.query import nth as ordinal

    return ordinal(number)
