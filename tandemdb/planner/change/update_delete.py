"""UPDATE and DELETE: first the rows that WHERE chooses are gathered, then they are changed one by one.

rows_1 = [(key, record, new values...) ...]          UPDATE city SET size = size + 1 WHERE ...
for key, old, new in rows_1: ...

rows_1 = [(key, record) ...]                         where changing a row may change those still to come: by
for key, old in rows_1:                              triggers, foreign keys, OR REPLACE, a subquery that reads the
    old = writable.find(key)                         table. The row is read again, and SET computed only then.
    new = old[3] + 1
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    Core,
    Expr,
    Query,
    QueryExists,
    QueryIn,
    QueryValue,
    Source,
    queries_in,
    walk,
)
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.from_items import FromBinder
from tandemdb.planner.bind.scope import Scope
from tandemdb.planner.change.chosen_rows import FIRST, Rows
from tandemdb.planner.change.foreign_keys import delete_hook, is_involved, look_all_up, touches_any
from tandemdb.planner.change.in_place import delete_one, delete_together, rows_alone, update_blocks, update_one
from tandemdb.planner.change.row import RowEmitter
from tandemdb.planner.change.statement_emitter import StatementEmitter
from tandemdb.planner.change.triggers import Target, triggers_on
from tandemdb.planner.change.updated_row import (
    UpdateRow,
    assignment_target,
    bind_assignments,
    element_after_change,
    emit_triggers,
    returning_element,
)
from tandemdb.planner.emit.writer import Code, Frame
from tandemdb.planner.lowered_limits import LENGTH_MAX
from tandemdb.planner.namespace import Namespace
from tandemdb.planner.nested import calls_own, rules_call_own
from tandemdb.planner.schema.schema import Table
from tandemdb.planner.syntax import ast

GATHERING_LINES = 6
"""So long is the loop that gathers new records if it neither checks nor converts a value."""

if TYPE_CHECKING:
    from tandemdb.planner.session import Session


def has_side_effects(session: Session, namespace: Namespace, database: int, table: Table) -> bool:
    """Whether changing a row may change others: by triggers or foreign keys."""
    if triggers_on(namespace, table, database):
        return True
    return session.settings.foreign_keys and is_involved(namespace, database, table)


def node_replaces(node: Any, table: Table) -> bool:
    if getattr(node, "action", None) == "REPLACE" or table.primary_conflict == "REPLACE":
        return True
    return any(index.conflict == "REPLACE" for index in table.indexes)


def is_correlated(expression: Expr) -> bool:
    """Whether it has a subquery that runs for each row."""
    subqueries = (QueryValue, QueryExists, QueryIn)
    return any(isinstance(node, subqueries) and bool(node.query.outer) for node in walk(expression))


def gather_at_once(frame: Frame, start: int, listed: str) -> None:
    """Turn a loop that checks and converts nothing into two comprehensions."""
    target, record = (line.strip() for line in frame.body[start + 2 : start + 4])
    del frame.body[start:]
    frame.emit(f"keys = [row[0] for row in {listed}]")
    made, names = record.partition(" = ")[2], target.removeprefix("for ").removesuffix(":").partition(" in ")[0]
    frame.emit(f"records = [{made} for {names} in {listed}]")


class ChangeEmitter(StatementEmitter):
    """Writes an UPDATE or DELETE: gather, then change."""

    reads = False
    """Whether a subquery of SET reads the table, so that each row sees how those before it were changed."""

    def write_update(self) -> bool:
        """Write an UPDATE; True if all that may fail comes before its first change."""
        node = self.node
        if node.source is not None:
            for assignment in node.assignments:
                for name in assignment.columns:
                    assignment_target(self.table, name)
        core, scope, source = self.bind_sources()
        assigned = bind_assignments(self.table, node.assignments, ExpressionBinder(self.binder, scope))
        self.bind_where(core, scope)
        self.look_up_foreign_keys(set(assigned))
        replaces = node_replaces(node, self.table)
        reads = self.reads = self.reads_target(assigned.values())
        effects = self.has_side_effects()
        late = node.source is None and (replaces or reads or effects)
        rows = Rows(self, core, scope, source, [] if late else list(assigned.values()))
        change = UpdateRow(self.queries, self.binder, self.table, self.database, node.action, self.session)
        change.guarded = not self.binder.in_trigger
        change.gathers = not (replaces or reads or effects or rows.single) and self.may_gather(assigned)
        change.interrupted = self.calls_own() and not change.gathers
        if change.interrupted:
            change.row.ask_anew()
        if rows.single and not (late or replaces or effects) and rows.pipeline is not None:
            update_one(self, rows, change, assigned)
            return True
        unseen = not self.binder.user_calls and rows_alone(core, assigned.values())
        if change.gathers and not late and change.guarded and rows.is_scan and unseen:
            update_blocks(self, rows, change, assigned)
            return False
        listed = rows.collect()
        if late and reads:
            self.read_live()
        self.change_listed(rows, listed, change, assigned, late=late, replaces=replaces)
        return rows.single or change.gathers

    def change_listed(
        self, rows: Rows, listed: str, change: UpdateRow, assigned: dict[int, Expr], *, late: bool, replaces: bool
    ) -> None:
        """Write the loop over the rows gathered before."""
        node, frame, source = self.node, self.frame, rows.source
        if not late:
            self.check_unchanged()
        change.row.open_table()
        frame.emit("changes = 0")
        if node.returning:
            frame.emit("returned = []")
        frame.emit("try:")
        frame.depth += 1
        key, old = self.generator.name("key"), self.generator.name("old")
        names = [self.generator.name("new") for _ in assigned]
        if change.gathers:
            if not rows.in_order:
                # In the order of their keys, which WHERE may have found in another.
                frame.emit(f"{listed}.sort(key={self.generator.helper(FIRST, 'first')})")
            start = len(frame.body)
            frame.emit("keys, records = [], []")
            frame.emit("add_key, add_record = keys.append, records.append")
        if late:
            key, old = source.key_variable, source.variable
            frame.emit(f"for {key}, {old} in {listed}:")
            frame.depth += 1
            self.read_again(change.row, source)
            triggers = triggers_on(self.binder.namespace, self.table, self.database)
            for name, expression in zip(names, assigned.values(), strict=True):
                if triggers and is_correlated(expression):
                    # It sees what the triggers of rows before this one have changed.
                    made = element_after_change(self, [key, old], [expression], anew=True)
                    frame.emit(f"{name} = {made}[0]")
                else:
                    frame.emit(f"{name} = {self.queries.expressions.value(expression).text}")
        else:
            frame.emit(f"for {', '.join([key, old, *names])} in {listed}:")
            frame.depth += 1
            if replaces:
                frame.emit(f"if {change.row.writable}.find({key}) is None:")
                frame.emit("    continue")
        classes = [HOLDS_ANY] * len(names) if late or len(rows.classes) != len(names) else rows.classes
        codes = {
            position: Code(name, held, True) for position, name, held in zip(assigned, names, classes, strict=True)
        }
        change.write(key, old, codes, node.returning)
        frame.depth -= 1
        if change.gathers:
            if len(frame.body) == start + GATHERING_LINES:
                gather_at_once(frame, start, listed)
            changed = change.changed_columns(codes)
            known = ", True" if change.guarded and not change.new_classes(changed) else ""
            frame.emit(f"{change.row.writable}.replace_many(keys, records, {change.moved_keys(changed)}{known})")
            frame.emit("changes = len(keys)")
        frame.depth -= 1
        frame.emit("finally:")
        frame.emit("    context.changed(changes)")
        frame.emit("return (returned,)" if node.returning else "return ()")

    def may_gather(self, assigned: Iterable[int]) -> bool:
        """Whether the new records may be put in place together: none of them can stand in another's way."""
        node, table = self.node, self.table
        if self.session.limits.length != LENGTH_MAX:
            return False
        if node.returning or node.action not in (None, "ABORT", "ROLLBACK") or table.without_rowid:
            return False
        changed = {*assigned, *(column.position for column in table.columns if column.generated is not None)}
        if -1 in changed or table.rowid_position in changed:
            return False
        if any(column.not_null_conflict == "FAIL" for column in table.columns):
            return False  # The rows before the one that fails stay changed.
        if self.calls_own() and (self.binder.in_trigger or rules_call_own(self.binder.users, table)):
            return False  # Functions of the user's run while records are listed.
        return not any(
            index.unique and (index.computed or any(column.position in changed for column in index.columns))
            for index in table.indexes
        )

    def write_delete(self) -> bool:
        """Write a DELETE; True if all that may fail comes before its first change."""
        core, scope, source = self.bind_sources()
        self.bind_where(core, scope)
        self.look_up_foreign_keys(None)
        rows = Rows(self, core, scope, source, [])
        if not self.has_side_effects():
            if rows.single and rows.pipeline is not None:
                delete_one(self, rows)
                return True
            if not self.node.returning:
                delete_together(self, rows)
                return True
        self.delete_listed(rows.collect())
        return rows.single

    def delete_listed(self, rows: str) -> None:
        """Write the loop over the rows gathered before."""
        node, frame = self.node, self.frame
        writable = self.generator.name("writable")
        self.check_unchanged()
        frame.emit(f"{writable} = context.writable({self.database}, {self.table.id})")
        frame.emit("changes = 0")
        if node.returning:
            frame.emit("returned = []")
        before = emit_triggers(self, "BEFORE", "DELETE")
        after = emit_triggers(self, "AFTER", "DELETE")
        hook = self.delete_hook()
        refresh = f"{writable} = context.writable({self.database}, {self.table.id})"
        frame.emit("try:")
        frame.depth += 1
        frame.emit(f"for key, old in {rows}:")
        frame.depth += 1
        calls_own = self.calls_own()
        if calls_own:
            frame.emit(refresh)
        if before is not None or after is not None or hook is not None or calls_own:
            # What an earlier row has fired or called may have changed this one, or deleted it.
            frame.emit(f"old = {writable}.find(key)")
            frame.emit("if old is None:")
            frame.emit("    continue")
        if before is not None:
            frame.emit(f"if not {before}(context, key, old, None, None):")
            frame.emit("    continue")
            frame.emit(refresh)
            frame.emit(f"if {writable}.find(key) is None:")
            frame.emit("    continue")
        frame.emit(f"{writable}.delete(key)")
        frame.emit("changes += 1")
        if hook is not None:
            frame.emit(f"{hook}(context, old)")
            frame.emit(refresh)
        if node.returning:
            frame.emit(f"returned.append({returning_element(self, 'old', 'key')})")
        if after is not None:
            frame.emit(f"{after}(context, key, old, None, None)")
            frame.emit(refresh)
        frame.depth -= 2
        frame.emit("finally:")
        frame.emit("    context.changed(changes)")
        frame.emit("return (returned,)" if node.returning else "return ()")

    def delete_hook(self) -> str | None:
        """The name of the function that runs the foreign keys' actions."""
        if not self.session.settings.foreign_keys:
            return None
        binder = self.binder
        hook = delete_hook(Target(self.session, binder.namespace, binder.roots, self.database, self.table))
        return None if hook is None else self.generator.helper(hook, "foreign_keys_deleted")

    def calls_own(self) -> bool:
        """Whether registered functions run in the statement: they may change the table, by statements of their own."""
        if self.session.plan_settings is None:
            return False
        users = self.binder.users
        return self.binder.user_calls or calls_own(users, self.node.returning) or rules_call_own(users, self.table)

    def check_unchanged(self) -> None:
        """Find out whether such functions have changed the table since the rows were gathered."""
        if self.calls_own() and not self.binder.in_trigger:
            self.frame.emit(f"context.check_unchanged({self.database}, {self.table.id}, roots)")

    def has_side_effects(self) -> bool:
        return has_side_effects(self.session, self.binder.namespace, self.database, self.table)

    def read_again(self, row: RowEmitter, source: Source) -> None:
        """Read the row as it is now: an earlier row's triggers may have changed it, or deleted it."""
        frame = self.frame
        row.open_table()
        frame.emit(f"{source.variable} = {row.writable}.find({source.key_variable})")
        frame.emit(f"if {source.variable} is None:")
        frame.emit("    continue")
        source.columns = [column._replace(classes=HOLDS_ANY) for column in source.columns]

    def look_up_foreign_keys(self, assigned: set[int] | None) -> None:
        """Look up those that point to the table before its triggers are read: SQLite tells of faults in that order.

        `assigned` are the columns that an UPDATE sets.
        """
        if self.session.settings.foreign_keys:
            target = Target(self.session, self.binder.namespace, self.binder.roots, self.database, self.table)
            if assigned is None or touches_any(target, assigned):
                look_all_up(target, assigned)

    def bind_sources(self) -> tuple[Core, Scope, Source]:
        """The table (and the sources of UPDATE ... FROM) as a core.

        Raises:
            OperationalError: target object/alias may not appear in FROM clause.
        """
        node = self.node
        query, core = Query(), Core()
        query.cores = [core]
        scope = Scope(None, core, query)
        binder = FromBinder(self.binder, scope)
        target = node.table
        schema = target.schema or self.binder.namespace.names[self.database]
        binder.bind(ast.TableSource(target.name, schema, target.alias, target.index))
        source = core.sources[0]
        if getattr(node, "source", None) is not None:
            if self.stands_in(node.source):
                shown = target.alias or self.table.name
                raise OperationalError(
                    f"target object/alias may not appear in FROM clause: {shown}", code="SQLITE_ERROR"
                )
            binder.bind_joined(node.source)
        if not self.table.without_rowid and self.table.rowid_position < 0:
            source.uses_key = True
        if self.table.without_rowid:
            source.uses_key = True
        return core, scope, source

    def stands_in(self, node: ast.Source) -> bool:
        """Whether the table itself stands in FROM under the name that it has as the target."""
        if isinstance(node, ast.Join):
            return self.stands_in(node.left) or self.stands_in(node.right)
        if not isinstance(node, ast.TableSource):
            return False
        alias = self.node.table.alias
        same = node.alias is None if alias is None else node.alias is not None and node.alias.lower() == alias.lower()
        found = self.binder.namespace.find_table(node.name, node.schema)
        return same and found is not None and found[1] is self.table

    def bind_where(self, core: Core, scope: Scope) -> None:
        if self.node.where is not None:
            from tandemdb.planner.bind.query import split_and

            core.conjuncts.extend(split_and(ExpressionBinder(self.binder, scope).bind_scalar(self.node.where)))

    def order_shows(self) -> bool:
        """Whether the order of the changes can be seen; SQLite changes rows in the order of their keys then."""
        node, table = self.node, self.table
        if node.returning or self.reads or self.has_side_effects():
            return True
        return isinstance(node, ast.Update) and (table.without_rowid or any(index.unique for index in table.indexes))

    def reads_target(self, expressions: Iterable[Expr]) -> bool:
        """Whether a subquery in the new values reads the table that changes, so that each row sees those before it."""
        for expression in expressions:
            for node in walk(expression):
                if isinstance(node, (QueryValue, QueryExists, QueryIn)) and node.query.outer:
                    cores = [core for query in queries_in(node.query) for core in query.cores]
                    if any(source.table is self.table for core in cores for source in core.sources):
                        return True
        return False

    def read_live(self) -> None:
        """Let the plan read the tables as they change: the transaction's own, not those of the statement's start."""
        self.generator.live = True
        loads = self.generator.main.loads
        loads.insert(0, f"    context.writable({self.database}, {self.table.id})")
        loads.insert(1, "    roots = [attached.root() for attached in context.session.databases]")
