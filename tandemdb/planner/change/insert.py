"""INSERT as Python: a loop over the rows to insert, with the table's checks written out.

    def plan(roots, many, context):
        writable_1 = context.writable(0, 5)
        changes = 0
        for params in many:                       one execution's values, or all of an executemany
            p0 = params[0]
            ...                                    emit_row's checks
            writable_1.insert(key_1, (key_1, name_1))
            changes += 1
        context.changed(changes, key_1)

Rows that ascend behind the table's last key, of a table whose only unique key is its rowid, are gathered and appended
in whole blocks: keys_1, records_1 and one `append_many` at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_INT, HOLDS_NULL
from tandemdb.planner.bind.query import Binder
from tandemdb.planner.change.given_rows import GivenRows
from tandemdb.planner.change.insert_batch import write_batch
from tandemdb.planner.change.row import RowEmitter
from tandemdb.planner.change.row_batch import BATCH_MIN, append_batch
from tandemdb.planner.change.row_errors import index_code, integer_key
from tandemdb.planner.change.row_keys import ROWID_MAX, next_rowid
from tandemdb.planner.change.statement_emitter import StatementEmitter
from tandemdb.planner.change.triggers import triggers_on
from tandemdb.planner.change.updated_row import emit_remover, emit_triggers, returning_element, target_of
from tandemdb.planner.change.upsert import Upserts
from tandemdb.planner.change.written_out import append_in_place, open_in_place
from tandemdb.planner.emit.query import QueryEmitter
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.lowered_limits import LENGTH_MAX
from tandemdb.planner.nested import calls_own, rules_call_own
from tandemdb.planner.schema.create import unique_text
from tandemdb.planner.schema.schema import Table
from tandemdb.planner.syntax import ast
from tandemdb.storage import DuplicateKey


class InsertEmitter(StatementEmitter):
    """Writes one INSERT statement into the generator's main function."""

    def __init__(self, queries: QueryEmitter, binder: Binder, node: ast.Insert, table: Table, database: int,
                 session: Any, many: bool, gathers: bool = False,
                 otherwise: Callable[..., Any] | None = None) -> None:  # fmt: skip
        super().__init__(queries, binder, node, table, database, session)
        self.action = node.action
        self.many = many
        self.gathers = gathers
        self.otherwise = otherwise
        """What takes an executemany's rows that do not fit, so that no loop is written for them."""
        self.row = RowEmitter(queries, binder, table, database, node.action, session.settings)
        self.given = GivenRows(self)
        self.appends = False
        self.batches = False
        """Whether rows that fit are taken together before the loop, with `masks` of what their columns hold."""
        self.interrupted = False
        """Whether functions of the user's run between one change and the next."""
        self.chooses_rowid = False
        triggers = triggers_on(binder.namespace, table, database)
        self.replaces_only = not triggers and replaces_only(node, table, session)
        """Whether rows that stand in the way are taken out, and nothing else comes of them."""
        self.puts = self.replaces_only and not table.without_rowid and not any(index.unique for index in table.indexes)
        """Whether a row with the same rowid, the only one that may, gives its place to the new one."""
        self.place = ""
        """The name of that row's place."""
        self.writer = ""
        """The name of the table's writer, if changes of it are written out."""
        self.upserts: Upserts

    # ---- the whole statement

    def write(self) -> None:
        frame, node = self.frame, self.node
        given = self.given
        given.bind()
        self.interrupted = self.is_interrupted()
        if self.interrupted:
            self.row.ask_anew()
        self.appends = not self.interrupted and self.may_append()
        self.upserts = Upserts(self)
        if self.is_written_out():
            self.writer = open_in_place(self, self.row.writable)
        else:
            self.row.open_table()
        self.row.open_sequence()
        frame.emit("changes, last = 0, None")
        if node.returning:
            frame.emit("returned = []")
        if self.appends:
            frame.emit("keys, records = [], []")
            frame.emit(f"high = {self.row.writable}.last_key()")
            frame.emit("if high is None:")
            frame.emit("    high = 0")
            self.row.high = "high"
        given.name_rows()
        if self.appends and self.otherwise is not None and self.write_batch(self.otherwise):
            frame.emit("try:")
            frame.emit("    pass")
            self.write_end()
            return
        if self.generator.whole:
            self.write_whole()
            return
        frame.emit("try:")
        frame.depth += 1
        if self.appends and given.name:
            self.write_batch(None)
        given.open_loop()
        if self.many and self.table.autoincrement:
            frame.emit(f"{self.row.sequence}.begin_row()")
        self.write_row()
        frame.depth -= 1
        if self.table.autoincrement and not self.many:
            frame.emit(f"{self.row.sequence}.store()")
        frame.depth -= 1
        self.write_end()

    def is_written_out(self) -> bool:
        """Whether this is for one row, of a statement that has run often."""
        if self.many and not (self.gathers or self.interrupted or self.table.autoincrement or self.replaces_only):
            self.generator.single = True
        return self.generator.written_out

    def write_whole(self) -> None:
        """Write the one row where lines go into a function that does all of a run: no loop, nothing to count."""
        self.generator.single = True
        self.frame.emit("while True:")
        self.frame.depth += 1
        self.row.skip = "break"
        self.write_row()
        self.frame.emit("break")
        self.frame.depth -= 1

    def write_end(self) -> None:
        frame = self.frame
        stores = self.table.autoincrement and self.many
        if stores:
            frame.emit("except BaseException:")
            frame.emit(f"    {self.row.sequence}.undo_row()")
            frame.emit("    raise")
        if self.appends and any(index.unique for index in self.table.indexes):
            # Rows gathered before were refused; that may also be found below.
            frame.emit("except Exception as error:")
            frame.emit("    last = getattr(error, 'last_key', None) or last")
            frame.emit("    changes += getattr(error, 'inserted', 0)")
            frame.emit("    raise")
        frame.emit("finally:")
        if stores:
            frame.emit(f"    {self.row.sequence}.store()")
        if self.appends:
            frame.emit("    try:")
            frame.emit("        if keys:")
            frame.emit(f"            changes += {self.append_text('keys, records')}")
            frame.emit("            last = keys[-1]")
            frame.emit("    except Exception as error:")
            frame.emit("        last = getattr(error, 'last_key', None) or last")
            frame.emit("        changes += getattr(error, 'inserted', 0)")
            frame.emit("        raise")
            frame.emit("    finally:")
            frame.emit("        context.changed(changes, last)")
        elif self.is_written_out():
            # `context.changed`, written out: 0.1 us of 1.9.
            frame.emit("    session = context.session")
            frame.emit("    session.changes = changes")
            frame.emit("    session.total_changes += changes")
            frame.emit("    if last is not None:")
            frame.emit("        session.last_insert_rowid = last")
        else:
            frame.emit("    context.changed(changes, last)")
        frame.emit("return (returned,)" if self.node.returning else "return ()")

    def append_text(self, rows: str) -> str:
        """A call that appends the gathered rows, checking the unique indexes for all of them at once."""
        uniques = tuple((index.id, unique_text(self.table, index), index_code(index))
                        for index in self.table.indexes if index.unique and index.id >= 0)  # fmt: skip
        function = self.generator.helper(append_batch)
        masks = ", masks" if self.batches else ""
        return f"{function}({self.row.writable}, {rows}, {self.generator.helper(uniques, 'unique_keys')}{masks})"

    def is_interrupted(self) -> bool:
        """Whether functions of the user's run while rows are inserted, not only before the first."""
        if self.session.plan_settings is None:
            return False
        users, node = self.binder.users, self.node
        in_loop = self.given.is_one_row and self.binder.user_calls
        return in_loop or calls_own(users, node.upserts, node.returning) or rules_call_own(users, self.table)

    def may_append(self) -> bool:
        """Whether rows may be gathered for `append_many`: nothing may need to find them before."""
        table, node = self.table, self.node
        plain = not (table.without_rowid or table.autoincrement or node.returning or node.upserts)
        plain = plain and self.session.limits.length == LENGTH_MAX
        plain = plain and not any(index.unique and (index.computed or index.conflict) for index in table.indexes)
        plain = plain and not self.has_triggers() and node.action in (None, "ABORT")
        foreign = self.session.settings.foreign_keys and (table.foreign_keys or self.is_parent())
        return plain and not foreign and (self.gathers if self.many else gives_many(node))

    def is_parent(self) -> bool:
        schema = self.binder.namespace.schemas[self.database]
        return bool(schema is not None and schema.children_of(self.table.name))

    def write_batch(self, otherwise: Callable[..., Any] | None) -> bool:
        """Write what takes all rows at once, if that can be."""
        if self.many:
            names = [f"p{place}" for place in range(len(self.generator.types))]
            self.generator.row_bound = True
            values = self.given.values()
        else:
            names = [f"g{place}" for place in range(len(self.given.targets))]
            values = [Code(name, HOLDS_ANY, True) for name in names]
        codes, rowid = self.given.place(values)
        if not names or any(column.generated is not None for column in self.table.columns):
            return False
        return write_batch(self, codes, rowid, names, otherwise, self.given.classes)

    # ---- one row

    def write_row(self) -> None:
        row, table = self.row, self.table
        codes, rowid = self.given.place(self.given.values())
        if self.interrupted:
            codes, rowid = self.evaluate(codes, rowid)
        self.chooses_rowid = rowid is None and not table.without_rowid
        before = self.before_triggers()
        if before is not None:
            self.fire_before(before, codes, rowid)
        else:
            if not table.without_rowid:
                row.take_rowid(rowid)
            if table.rowid_position >= 0:
                codes[table.rowid_position] = Code(row.key, HOLDS_INT, True)
            row.assign(codes)
        row.check_nulls()
        row.check_conditions(table.checks)
        if table.without_rowid:
            row.check_types()
            row.take_unique_key()
        self.check_unique()
        self.store_row()

    def evaluate(self, codes: list[Code | None], rowid: Code | None) -> tuple[list[Code | None], Code | None]:
        """Give the values names before anything looks at the table, which making them may change."""
        named: dict[int, Code] = {}
        for code in (*codes, rowid):
            if code is not None and id(code) not in named:
                name = self.generator.name("value")
                self.frame.emit(f"{name} = {code.text}")
                named[id(code)] = Code(name, code.classes, True)
        values = [None if code is None else named[id(code)] for code in codes]
        return values, None if rowid is None else named[id(rowid)]

    def before_triggers(self) -> str | None:
        """The function that runs them; of a fault in one and one in a foreign key SQLite tells the latter, the last."""
        try:
            return emit_triggers(self, "BEFORE", "INSERT")
        except OperationalError:
            if self.session.settings.foreign_keys:
                self.foreign_key_hook()
            raise

    def foreign_key_hook(self) -> Any:
        from tandemdb.planner.change.foreign_keys import insert_hook

        return insert_hook(target_of(self), several=self.changes_several())

    def fire_before(self, before: str, codes: list[Code | None], rowid: Code | None) -> None:
        """BEFORE triggers see -1 for a rowid that is still to be chosen; it is chosen after them."""
        row, table, frame = self.row, self.table, self.frame
        given = self.generator.name("given_key")
        if not table.without_rowid:
            frame.emit(f"{given} = {'None' if rowid is None else rowid.text}")
            frame.emit(f"if {given} is not None and type({given}) is not int:")
            frame.emit(f"    {given} = {self.generator.helper(integer_key)}({given})")
            frame.emit(f"{row.key} = -1 if {given} is None else {given}")
        if table.rowid_position >= 0:
            codes[table.rowid_position] = Code(row.key, HOLDS_INT, True)
        row.assign(codes, fires=True)
        key = "None" if table.without_rowid else row.key
        frame.emit(f"if not {before}(context, None, None, {key}, {row.record}):")
        frame.emit("    continue")
        row.open_table()
        if not table.without_rowid:
            row.take_rowid(Code(given, HOLDS_INT | HOLDS_NULL, True))
            if table.rowid_position >= 0:
                row.names[table.rowid_position] = row.key
        row.compute_generated()

    def check_unique(self) -> None:
        """Each unique key in SQLite's order; an upsert clause that matches goes before the action."""
        row, frame = self.row, self.frame
        if self.appends:
            frame.emit(f"if high < {row.key} < {ROWID_MAX}:")
            frame.depth += 1
            waiting = list(row.waiting)
            row.check_types()
            row.waiting = waiting
            frame.emit(f"high = {row.key}")
            frame.emit(f"keys.append({row.key})")
            frame.emit(f"records.append({row.record})")
            frame.emit("continue")
            frame.depth -= 1
            frame.emit("if keys:")
            frame.emit("    gathered, keys, records = (keys, records), [], []")
            frame.emit(f"    changes += {self.append_text('*gathered')}")
            frame.emit("    last = gathered[0][-1]")
            frame.emit(f"if {row.key} < 0 and not {row.writable}.count:")
            frame.emit(f"    high = {row.key}  # The first row: the next rowid is one more, though that be negative.")
            frame.emit(f"if {row.key} > {ROWID_MAX}:")
            frame.emit(f"    {row.key} = {self.generator.helper(next_rowid)}({row.writable})")
        if self.storage_checks():
            return
        found = self.generator.name("found")
        for index in self.upserts.order(self.row.action):
            if index is not None:
                row.check_types()
            if index is None:
                if self.chooses_rowid:
                    continue  # One that no row has.
                if self.puts:
                    self.place = self.generator.name("place")
                    frame.emit(f"{self.place} = {row.writable}.seek({row.key})")
                    continue
                test, action = f"{row.writable}.find({row.key}) is not None", row.action_of(self.table.primary_conflict)
                self.conflict(None, test, row.key, action, row.key_error)
            else:
                test = row.unique_test(index, found, "probe")
                action = row.action_of(index.conflict)
                self.conflict(index, test, found, action, lambda act, index=index: row.index_error(index, act))
        row.check_types()

    def storage_checks(self) -> bool:
        """Whether storage's own refusal of a key that is taken says all: no other key, nothing to do but raise."""
        table = self.table
        action = self.row.action_of(table.primary_conflict)
        return (
            action not in ("IGNORE", "REPLACE")
            and not self.table.strict  # whose types are looked at behind the key
            and not self.node.upserts
            and not any(index.unique and index.id >= 0 for index in table.indexes)
        )

    def conflict(self, index: Any, test: str, found: str, action: str, error: Any) -> None:
        """What to do when another row has the same key: upsert, raise, skip or replace it."""
        frame = self.frame
        frame.emit(f"if {test}:")
        frame.depth += 1
        upsert = self.upserts.find(index)
        if upsert is not None:
            self.upserts.write(upsert, found)
        elif action == "IGNORE":
            frame.emit(self.row.skip)
        elif action == "REPLACE":
            frame.emit(f"{emit_remover(self)}(context, {found})")
            self.row.open_table()
        else:
            frame.emit(f"raise {error(action)}")
        frame.depth -= 1

    def store_row(self) -> None:
        row, frame = self.row, self.frame
        record = self.generator.name("record")
        frame.emit(f"{record} = {row.record}")
        row.check_length(record, self.session.limits.length)
        depth = frame.depth
        if self.generator.whole and self.knows_classes():
            append_in_place(self, record)
        if self.storage_checks():
            frame.emit("try:")
            frame.emit(f"    {self.inserting(record)}")
            frame.emit(f"except {self.generator.helper(DuplicateKey)}:")
            frame.emit(f"    raise {row.key_error(row.action_of(self.table.primary_conflict))} from None")
        elif self.place:
            frame.emit(f"if {self.place} is None:")
            frame.emit(f"    {self.inserting(record)}")
            frame.emit("else:")
            frame.emit(f"    {row.writable}.replace({row.key}, {record}, None, {self.place})")
        else:
            frame.emit(self.inserting(record))
        frame.depth = depth
        if self.session.settings.foreign_keys:
            self.call_foreign_keys(record)
        frame.emit("changes += 1")
        if not self.table.without_rowid:
            frame.emit(f"last = {row.key}")
        if self.appends:
            frame.emit(f"high = max(high, {row.key})")
        self.after_row(record)

    def inserting(self, record: str) -> str:
        """The call that inserts a row; it need not look at classes that the plan's guard has seen."""
        row = self.row
        if self.knows_classes():
            return f"{row.writable}.insert({row.key}, {record}, True)"
        return f"{row.writable}.insert({row.key}, {record})"

    def knows_classes(self) -> bool:
        """Whether no value can be of a class that is new to its column."""
        held = self.generator.roots[self.database].tables[self.table.id].classes
        new = any(given & ~old for given, old in zip(self.row.classes, held, strict=True))
        return self.generator.written_out and not new

    def after_row(self, record: str) -> None:
        frame, row = self.frame, self.row
        if self.has_triggers() and not self.table.without_rowid:
            frame.emit(f"context.session.last_insert_rowid = {row.key}")
        if self.node.returning:
            frame.emit(f"returned.append({returning_element(self, record, row.key)})")
        after = emit_triggers(self, "AFTER", "INSERT")
        if after is not None:
            key = "None" if self.table.without_rowid else row.key
            frame.emit(f"{after}(context, None, None, {key}, {record})")
            row.open_table()

    def call_foreign_keys(self, record: str) -> None:
        from tandemdb.planner.change.foreign_keys import check_row

        hook = self.foreign_key_hook()
        if hook is None:
            return
        self.frame.emit(f"{self.generator.helper(hook, 'foreign_keys_inserted')}(context, {record})")
        if not self.changes_several():
            # SQLite refuses a single row before it is there, so that last_insert_rowid() stays.
            self.frame.emit("if context.session.statement_checks:")
            self.frame.emit(f"    {self.generator.helper(check_row)}(context.session)")

    def changes_several(self) -> bool:
        """Whether the statement may change more than one row."""
        node = self.node
        table = self.table
        if self.binder.in_trigger or self.has_triggers() or node.returning:
            return True
        keyed = table.primary_key or table.rowid_position >= 0 or any(index.unique for index in table.indexes)
        if self.row.action == "REPLACE" and keyed:
            return True
        if node.source is None:
            return False
        core = node.source.cores[0]
        return len(node.source.cores) > 1 or not isinstance(core, ast.Values) or len(core.rows) > 1

    def has_triggers(self) -> bool:
        found = triggers_on(self.binder.namespace, self.table, self.database)
        return any(trigger.event == "INSERT" for _, trigger in found)


def gives_many(node: ast.Insert) -> bool:
    """Whether the source is likely to give more than a few rows, so that they should be appended together."""
    if node.source is None:
        return False
    rows = 0
    for core in node.source.cores:
        if isinstance(core, ast.Values):
            rows += len(core.rows)
        elif core.source is not None:
            return True
    return rows >= BATCH_MIN


def replaces_only(node: ast.Insert, table: Table, session: Any) -> bool:
    """Whether an INSERT OR REPLACE, of a table without triggers, can raise no error once it has taken a row out.

    What it takes out has nothing hanging on it; types, lengths and functions of the user's are not looked at behind.
    """
    plain = node.action == "REPLACE" and not node.upserts and not table.strict
    plain = plain and session.limits.length == LENGTH_MAX and session.plan_settings is None
    return plain and not session.settings.foreign_keys
