"""UPDATE and DELETE as Python: the rows to change are gathered first, then changed one by one.

    UPDATE city SET size = size * 2 WHERE country = ?

    rows_1 = [(city_0[0], city_0, city_0[3] * 2) for city_0 in ... if city_0[2] == p0]
    for key_1, old_1, size_1 in rows_1:
        ...                                          emit_row's checks of what changes
        writable_1.replace(key_1, (old_1[0], old_1[1], old_1[2], size_1))

A change of the unique key takes the record out and puts it back under the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_TEXT,
    Column,
    Core,
    Expr,
    Local,
    Query,
    QueryExists,
    QueryIn,
    QueryValue,
    Source,
    SourceColumn,
    walk,
)
from tandemdb.planner.bind.expression import ExpressionBinder, row_items
from tandemdb.planner.bind.query import Binder, column_name
from tandemdb.planner.bind.scope import ROWID_NAMES, Entry, EntryColumn, Scope
from tandemdb.planner.change.row import RowEmitter, names_read, unique_keys
from tandemdb.planner.change.triggers import Target, triggers_for
from tandemdb.planner.change.written_out import waiting_tests
from tandemdb.planner.emit.query import QueryEmitter
from tandemdb.planner.emit.writer import Code, Frame, Generator
from tandemdb.planner.schema.schema import Table
from tandemdb.planner.syntax import ast
from tandemdb.storage.changes import UPDATE

TYPE_OF_CLASS = {HOLDS_INT: "int", HOLDS_FLOAT: "float", HOLDS_TEXT: "str"}


class UpdateRow:
    """Writes the change of one row whose key, old record and new values are in locals."""

    def __init__(
        self, queries: QueryEmitter, binder: Binder, table: Table, database: int, action: str | None, session: Any
    ) -> None:
        self.queries = queries
        self.binder = binder
        self.table = table
        self.database = database
        self.session = session
        self.action = action
        self.row = RowEmitter(queries, binder, table, database, action, session.settings)
        self.frame = queries.frame
        self.generator = queries.generator
        self.gathers = False
        """Whether new records are only listed (keys, records), for one `replace_many` after the loop."""
        self.alone = False
        """Whether no other row changes, so that nothing is counted."""
        self.place: str | None = None
        """The text of what `seek` told of the row, where nothing changes in between."""
        self.spot: tuple[str, ...] = ()
        """The names of page, block and index that it told."""
        self.writer = ""
        """The name of the table's writer, where the change may be written out."""
        self.interrupted = False
        """Whether functions of the user's run between the reading of a row and its change."""
        self.guarded = False
        """Whether the plan runs only while the table's columns hold no other classes than now."""

    def write(self, key: str, old: str, assigned: dict[int, Code], returning: Sequence[ast.ResultColumn] = ()) -> None:
        """Write the lines for a row. `assigned` maps column positions (-1: the rowid) to their new values."""
        row, table, frame = self.row, self.table, self.frame
        fired = emit_triggers(self, "BEFORE", "UPDATE", assigned)
        key_changes = self.take_values(key, old, assigned, fires=fired is not None)
        if fired is not None:
            self.place = None
            new_key = "None" if table.without_rowid else row.key
            frame.emit(f"if not {fired}(context, {key}, {old}, {new_key}, {row.record}):")
            frame.emit("    continue")
        if fired is not None or self.interrupted:
            self.reload(key, assigned)
        self.check(assigned)
        if table.without_rowid:
            row.check_types()
            row.take_unique_key()
            if not key_changes:
                key = row.key  # as the record has it: WHERE a = 3.0 finds 3, too
        self.check_unique(key, assigned, key_changes)
        self.store(key, old, key_changes, assigned, returning)

    def checked_record(self, key: str, old: str, assigned: dict[int, Code]) -> str:
        """Write the checks of a row that can't be in another's way; the text of its new record."""
        self.take_values(key, old, assigned)
        self.check(assigned)
        self.row.check_types()
        return self.row.record

    def check(self, assigned: dict[int, Code]) -> None:
        """NOT NULL and CHECK."""
        columns = self.table.columns
        self.row.check_nulls([c for c in columns if c.position in assigned or c.generated is not None])
        changed = self.changed_names(assigned)
        self.row.check_conditions([c for c in self.table.checks if names_read(c.expression) & changed])

    def changed_names(self, assigned: dict[int, Code]) -> set[str]:
        """The names, in lower case, by which a CHECK reads what the statement sets, generated columns included.

        SQLite leaves out a CHECK that reads none of them, as shows where a row breaks it already.
        """
        table = self.table
        changed = {table.columns[position].name.lower() for position in assigned if position >= 0}
        if -1 in assigned or table.rowid_position in assigned:
            changed |= ROWID_NAMES - table.by_name.keys()
        pending = [column for column in table.columns if column.generated is not None]
        while reached := [c for c in pending if c.generated and names_read(c.generated.expression) & changed]:
            changed |= {column.name.lower() for column in reached}
            pending = [column for column in pending if column not in reached]
        return changed

    def take_values(self, key: str, old: str, assigned: dict[int, Code], *, fires: bool = False) -> bool:
        """Give each column's value a name; whether the unique key may change."""
        row, table = self.row, self.table
        codes: list[Code | None] = []
        stored = self.generator.roots[self.database].tables[table.id].classes
        for column in table.columns:
            if column.generated is not None:
                codes.append(None)
            elif column.position in assigned:
                codes.append(assigned[column.position])
            else:
                codes.append(Code(f"{old}[{column.position}]", kept_classes(column, stored), True))
        key_changes = -1 in assigned or table.rowid_position in assigned
        if table.without_rowid:
            key_changes = any(position in assigned for position in table.primary_key)
        self.take_key(key, assigned, key_changes)
        if table.rowid_position >= 0:
            codes[table.rowid_position] = Code(row.key, HOLDS_INT, True)
        row.assign(codes, fires=fires)
        return key_changes

    def reload(self, key: str, assigned: dict[int, Code]) -> None:
        """A BEFORE trigger, or a function of the user's, may have changed the columns that the statement does not set,
        or deleted the row.
        """
        row, frame = self.row, self.frame
        current = self.generator.name("current")
        row.open_table()
        frame.emit(f"{current} = {row.writable}.find({key})")
        frame.emit(f"if {current} is None:")
        frame.emit(f"    {row.skip}")
        for column in self.table.columns:
            position = column.position
            if position not in assigned and column.generated is None and position != self.table.rowid_position:
                row.names[position] = f"{current}[{position}]"
                row.classes[position] = HOLDS_ANY
        row.compute_generated()

    def take_key(self, key: str, assigned: dict[int, Code], key_changes: bool) -> None:
        row, frame = self.row, self.frame
        if self.table.without_rowid:
            return
        if not key_changes:
            row.key = key
            return
        code = assigned.get(self.table.rowid_position if self.table.rowid_position >= 0 else -1, assigned.get(-1))
        assert code is not None
        from tandemdb.planner.change.row_errors import integer_key

        frame.emit(f"{row.key} = {self.generator.helper(integer_key)}({code.text})")

    def check_unique(self, key: str, assigned: dict[int, Code], key_changes: bool) -> None:
        """As for an insert, where the key or an indexed column may have changed; the row itself is no conflict."""
        row, table = self.row, self.table
        found = self.generator.name("found")
        for index in unique_keys(table):
            if index is None:
                if key_changes:
                    test = f"{row.key} != {key} and {row.writable}.find({row.key}) is not None"
                    self.conflict(test, row.key, row.action_of(table.primary_conflict), row.key_error)
                row.check_types()
                continue
            changed = (c.position in assigned or is_generated(table, c.position) for c in index.columns)
            if not index.computed and not any(changed):
                continue
            test = f"{row.unique_test(index, found)} and {found} != {key}"
            action = row.action_of(index.conflict)
            self.conflict(test, found, action, lambda act, index=index: row.index_error(index, act))

    def conflict(self, test: str, found: str, action: str, error: Any) -> None:
        frame = self.frame
        frame.emit(f"if {test}:")
        if action == "IGNORE":
            frame.emit(f"    {self.row.skip}")
        elif action == "REPLACE":
            self.place = None
            frame.depth += 1
            frame.emit(f"{emit_remover(self)}(context, {found})")
            self.row.open_table()
            frame.depth -= 1
        else:
            frame.emit(f"    raise {error(action)}")

    def store(
        self, key: str, old: str, key_changes: bool, assigned: dict[int, Code], returning: Sequence[ast.ResultColumn]
    ) -> None:
        row, frame = self.row, self.frame
        record = self.generator.name("record")
        frame.emit(f"{record} = {row.record}")
        row.check_length(record, self.session.limits.length)
        if key_changes and self.table.without_rowid:
            frame.emit(f"{row.writable}.delete({key})")  # also where both are equal: 3.0 may come for 3
            frame.emit(f"{row.writable}.insert({row.key}, {record})")
        elif key_changes:
            frame.emit(f"if {row.key} == {key}:")
            frame.emit(f"    {row.writable}.replace({key}, {record})")
            frame.emit("else:")
            frame.emit(f"    {row.writable}.delete({key})")
            frame.emit(f"    {row.writable}.insert({row.key}, {record})")
        elif self.gathers:
            frame.emit(f"add_key({key})")
            frame.emit(f"add_record({record})")
            return
        else:
            self.write_replacing(key, old, record, assigned)
        if not self.alone:
            frame.emit("changes += 1")
        if self.session.settings.foreign_keys:
            self.call_foreign_keys(old, record, assigned)
        after = emit_triggers(self, "AFTER", "UPDATE", assigned)
        if returning:
            frame.emit(f"returned.append({returning_element(self, record, row.key, returning)})")
        if after is not None:
            frame.emit(f"{after}(context, {key}, {old}, {row.key}, {record})")
            row.open_table()

    def replacing(self, key: str, record: str, assigned: dict[int, Code]) -> str:
        """The call that puts the new record in place: a cheaper one where no value's class is new to its column."""
        row = self.row
        changed = self.changed_columns(assigned)
        moved = self.moved_keys(changed)
        arguments = f"{key}, {record}, {moved}, {self.place}" if self.place else f"{key}, {record}, {moved}"
        slow = f"{row.writable}.replace({arguments})"
        fast = f"{row.writable}.put({arguments})" if moved or self.place else f"{row.writable}.put({key}, {record})"
        tests = self.class_tests(changed) if self.guarded else None
        if tests is None:
            return slow
        return f"{fast} if {' and '.join(tests)} else {slow}" if tests else fast

    def write_replacing(self, key: str, old: str, record: str, assigned: dict[int, Code]) -> None:
        """Write that call; and `Table.put` out for a record that is changed in place: 0.15 us of 1.7."""
        frame, changed = self.frame, self.changed_columns(assigned)
        tests = self.class_tests(changed)
        call = self.replacing(key, record, assigned)
        if not self.writer or not self.place or tests is None:
            frame.emit(call)
            return
        page, block, index = self.spot
        table, writer, name = self.row.writable, self.writer, self.generator.name("changed")
        frame.emit(f"{name} = {table}.location.pages[{page}].blocks[{block}]")
        own = [f"{writer}.undo is not None", f"{name}.stamp >= {table}.stamp", f"{name}.digest is None", *tests]
        waiting = []
        for key_id in self.moved_keys(changed):
            waiting.append(self.generator.name("waiting"))
            own += waiting_tests(self, waiting[-1], table, key_id)
        frame.emit(f"if {' and '.join(own)}:")
        spot = f"{self.table.id}, {page}, {block}, {index}"
        if waiting:
            frame.emit(f"    {writer}.changing = ({UPDATE}, {spot}, {key}, {old}, {table}.count)")
        else:  # One step, which may be taken back done or not: nothing is left half done.
            values = "".join([f", {old}[{position}]" for position in changed])
            frame.emit(f"    {writer}.undo.append((({', '.join(map(str, changed))},), {spot}{values}))")
        frame.emit(f"    {name}.records[{index}] = {record}")
        frame.emit(f"    if (log := {writer}.changes) is not None:")
        frame.emit(f"        log.append(({UPDATE}, {self.table.id}, {name}.number, {key}, {record}))")
        for changes in waiting:
            frame.emit(f"    {changes}.changes.extend(({key}, {old}, {record}))")
        if waiting:
            frame.emit(f"    {writer}.undo.append({writer}.changing)")
            frame.emit(f"    {writer}.changing = None")
        frame.emit("else:")
        frame.emit(f"    {call}")

    def class_tests(self, changed: Sequence[int]) -> list[str] | None:
        """What must hold for no new value to be of a class that is new to its column; None if that is not one test."""
        held = self.generator.roots[self.database].tables[self.table.id].classes
        tests = []
        for position in changed:
            name, new = self.row.names[position], self.row.classes[position] & ~held[position]
            if new == HOLDS_NULL:
                tests.append(f"{name} is not None")
            elif new and held[position] in TYPE_OF_CLASS:
                tests.append(f"type({name}) is {TYPE_OF_CLASS[held[position]]}")
            elif new:
                return None
        return tests

    def changed_columns(self, assigned: dict[int, Code]) -> list[int]:
        """The positions of the columns that the statement sets, and of those that are computed from others."""
        return sorted({*assigned, *(c.position for c in self.table.columns if c.generated is not None)} - {-1})

    def new_classes(self, changed: Sequence[int]) -> int:
        """The classes that some new value may have and its column, as the plan's guard sees it, has never held."""
        held = self.generator.roots[self.database].tables[self.table.id].classes
        found = 0
        for position in changed:
            found |= self.row.classes[position] & ~held[position]
        return found

    def moved_keys(self, changed: Sequence[int]) -> tuple[int, ...]:
        """The ids of the secondary keys whose entries may move."""
        return tuple(index.id for index in self.table.indexes if index.id >= 0 and (
            index.computed or any(column.position in changed for column in index.columns)))  # fmt: skip

    def call_foreign_keys(self, old: str, record: str, assigned: dict[int, Code]) -> None:
        from tandemdb.planner.change.foreign_keys import update_hook

        changed = {*assigned, *(column.position for column in self.table.columns if column.generated is not None)}
        hook = update_hook(target_of(self), changed)
        if hook is not None:
            name = self.generator.helper(hook, "foreign_keys_updated")
            self.frame.emit(f"{name}(context, {old}, {record})")
            self.row.open_table()


def kept_classes(column: Any, stored: Sequence[int]) -> int:
    """What an unchanged column may hold: its own classes, to which its affinity has been applied."""
    return int(stored[column.position])


def is_generated(table: Table, position: int) -> bool:
    return position >= 0 and table.columns[position].generated is not None


def bind_assignments(
    table: Table, assignments: Sequence[ast.Assignment], binder: ExpressionBinder
) -> dict[int, Expr]:
    """SET as column positions (-1: the rowid) and bound expressions; of a column set twice the last one counts.

    Raises:
        OperationalError: no such column; cannot UPDATE generated column; a count that does not match.
    """
    assigned: dict[int, Expr] = {}
    for assignment in assignments:
        bound = binder.bind(assignment.expression)
        positions = [assignment_target(table, name) for name in assignment.columns]
        items = row_items(bound)
        if len(positions) == 1 and not isinstance(assignment.expression, ast.RowValue) and items is None:
            assigned[positions[0]] = bound
            continue
        if len(positions) == 1 and isinstance(bound, ast.RowValue):
            raise OperationalError("row value misused", code="SQLITE_ERROR")
        if items is None or len(items) != len(positions):
            found = 1 if items is None else len(items)
            raise OperationalError(f"{len(positions)} columns assigned {found} values", code="SQLITE_ERROR")
        assigned.update(zip(positions, items, strict=True))
    return assigned


def assignment_target(table: Table, name: str) -> int:
    column = table.by_name.get(name.lower())
    if column is None:
        if name.lower() in ROWID_NAMES and not table.without_rowid:
            return table.rowid_position
        raise OperationalError(f"no such column: {name}", code="SQLITE_ERROR")
    if column.generated is not None:
        raise OperationalError(f'cannot UPDATE generated column "{column.name}"', code="SQLITE_ERROR")
    return column.position


def emit_triggers(emitter: Any, time: str, event: str, assigned: dict[int, Any] | None = None) -> str | None:
    """The name of a function that fires the table's triggers of this time and event; None if it has none."""
    names = None
    if assigned is not None:
        names = {emitter.table.columns[position].name.lower() for position in assigned if position >= 0}
    fire = triggers_for(target_of(emitter), time, event, names, getattr(emitter, "action", None))
    if fire is None:
        return None
    name: str = emitter.generator.helper(fire, f"fire_{time.lower()}_{event.lower()}")
    return name


def target_of(emitter: Any) -> Target:
    binder = emitter.binder
    return Target(emitter.session, binder.namespace, binder.roots, emitter.database, emitter.table)


def emit_remover(emitter: Any) -> str:
    """The name of a function that takes away a row which stands in the way of OR REPLACE."""
    from tandemdb.planner.change.row_changes import row_remover

    name: str = emitter.generator.helper(row_remover(target_of(emitter)), "remove_row")
    return name


def returning_element(emitter: Any, record: str, key: str, returning: Sequence[ast.ResultColumn] | None = None) -> str:
    """The result row of RETURNING, over the record just written."""
    bound = bind_returning(emitter, record, key, emitter.node.returning if returning is None else returning)
    expressions = [item for _, item in bound]
    if has_subquery(expressions):
        names = [name for name in (record, key) if name.isidentifier() and name != "None"]
        return element_after_change(emitter, names, expressions)
    texts = [emitter.queries.expressions.value(item).text for item in expressions]
    return f"({', '.join(texts)},)"


def has_subquery(expressions: Sequence[Expr]) -> bool:
    return any(isinstance(node, (QueryValue, QueryExists, QueryIn)) for item in expressions for node in walk(item))


def element_after_change(
    emitter: Any, names: Sequence[str], expressions: Sequence[Expr], *, anew: bool = False
) -> str:
    """The row of expressions over the locals `names` whose subqueries see the tables as the first change left them.

    With `anew`, they see them as they are each time.

        def returning_1(roots):               called behind the first change
            table_city_1 = roots[0].tables[5]
            ...                               subqueries that need no record are run here
            def element_1(record): ...
            return element_1
    """
    generator: Generator = emitter.generator
    outer = Frame(generator.name("returning"), ["roots"], generator.main)
    inner = Frame(generator.name("element"), list(names), outer)
    held = generator.main, generator.tables, generator.hoisted, generator.live
    generator.main, generator.tables, generator.hoisted = outer, {}, {}
    generator.live = anew or generator.live
    try:
        queries = QueryEmitter(generator, inner, None)
        texts = [queries.expressions.value(item).text for item in expressions]
    finally:
        generator.main, generator.tables, generator.hoisted, generator.live = held
    inner.emit(f"return ({', '.join(texts)},)")
    outer.emit_setup_lines(["    " + line for line in inner.source()])
    outer.emit(f"return {inner.name}")
    generator.main.emit_setup_lines(["    " + line for line in outer.source()])
    if anew:
        return f"{outer.name}(context.session.roots())({', '.join(names)})"
    generator.main.emit_setup(f"make_{inner.name} = None")
    made = f"(make_{inner.name} or (make_{inner.name} := {outer.name}(context.session.roots())))"
    return f"{made}({', '.join(names)})"


def bind_returning(
    emitter: Any, record: str, key: str, returning: Sequence[ast.ResultColumn]
) -> list[tuple[str, Expr]]:
    """RETURNING's columns with their names."""
    table: Table = emitter.table
    columns = [SourceColumn(c.name, c.affinity, c.collation, HOLDS_ANY, c.type_name) for c in table.columns]
    source = Source(9998, table.name, columns)
    source.table, source.variable, source.database = table, record, emitter.database
    scope = Scope(None, Core(), Query())
    offered = [EntryColumn(c.name, Column(source, c.position), hidden=c.hidden == 1) for c in table.columns]
    entry = Entry(table.name, None, offered, None)
    if table.rowid_position >= 0:
        entry.rowid = lambda: Column(source, table.rowid_position)
    elif not table.without_rowid:
        entry.rowid = lambda: Local(key, HOLDS_INT, "INTEGER")
    scope.entries.append(entry)
    binder = ExpressionBinder(emitter.binder, scope)
    found: list[tuple[str, Expr]] = []
    for item in returning:
        if isinstance(item.expression, ast.Star):
            if item.expression.table is not None:
                raise OperationalError('RETURNING may not use "TABLE.*" wildcards', code="SQLITE_ERROR")
            found.extend((column.name, column.expression) for column in offered if not column.hidden)
            continue
        expression = binder.bind_scalar(item.expression)
        found.append((item.alias or column_name(item, scope), expression))
    return found


__all__ = ["QueryValue", "UpdateRow"]
