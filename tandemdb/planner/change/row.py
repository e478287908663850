"""Writing one row: what INSERT, UPDATE and upserts do to a record before storage gets it.

    INSERT INTO city VALUES (?, ?)      city(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (name <> ''))

    id_ = p0 ; name_ = p1
    if type(name_) is not str and name_ is not None:          affinity, where the value is not of the column's own class
        name_ = affinity_text(name_)
    if name_ is None: raise not_null_error(...)                NOT NULL
    if name_ == '': raise check_error(...)                     CHECK (false, not NULL)
    if table.find(key) is not None: raise unique_error(...)    the unique key, then each unique index
    record = (key, name_)
    table.insert(key, record)

Each line is written into the loop over the statement's rows, so that OR IGNORE is a `continue`. The order of checks and
the wording of errors are SQLite's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    HOLDS_BLOB,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    Core,
    Expr,
    Local,
    Query,
)
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.scope import Entry, EntryColumn, Scope
from tandemdb.planner.change.row_errors import (
    check_error,
    index_code,
    integer_key,
    not_null_error,
    strict_value,
    unique_error,
)
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.lowered_limits import LENGTH_MAX, check_record
from tandemdb.planner.nested import NO_TABLE
from tandemdb.planner.runtime import values
from tandemdb.planner.syntax import ast
from tandemdb.storage.values import CLASS_RANK

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import Binder
    from tandemdb.planner.emit.query import QueryEmitter
    from tandemdb.planner.schema.schema import Column, Index, Table
    from tandemdb.planner.syntax import ddl

FLOAT = 4
SETTLED = re.compile(r"None|[a-z_]\w*(?:\[\d+\])?")
RANK_OF_CLASS = {HOLDS_INT: 1, FLOAT: 1, HOLDS_NUMBER: 1, HOLDS_TEXT: 2, HOLDS_BLOB: 3}
OWN_CLASS = {"INTEGER": ("int", HOLDS_INT), "REAL": ("float", FLOAT), "TEXT": ("str", HOLDS_TEXT)}


class RowEmitter:
    """Writes the checks of one table's rows. `action` is the statement's ON CONFLICT action, None for the
    constraints' own.
    """

    def __init__(
        self, queries: QueryEmitter, binder: Binder, table: Table, database: int, action: str | None, settings: Any
    ) -> None:
        self.queries = queries
        self.binder = binder
        self.table = table
        self.database = database
        self.action = action
        self.settings = settings
        self.frame = queries.frame
        self.generator = queries.generator
        self.name = self.writable = self.generator.name("writable")
        """The table to change: a local that holds it, or an expression that may ask for it (`ask_anew`)."""
        self.names: list[str] = []
        self.classes: list[int] = []
        self.key = self.generator.name("key")
        self.high: str | None = None
        self.entries: dict[int, tuple[str, str]] = {}
        """Of unique indexes that were looked into: the texts of the rank and the stored value that were not there."""
        replaces_null = action == "REPLACE"
        self.assignable = {
            column.position for column in table.columns
            if column.default is not None and (replaces_null or column.not_null_conflict == "REPLACE")
        }  # fmt: skip
        """Columns whose NULL the generated code may replace: each needs a local of its own."""
        self.skip = "continue"
        """What the generated code does to leave a row as it is."""
        self.types_wait = False
        self.waiting: list[Column] = []
        """Columns of a STRICT table whose types are still to be checked."""

    def use(self, function: Any, name: str = "") -> str:
        return self.generator.helper(function, name)

    def open_table(self) -> None:
        """Ask the session for the table to change: once per execution, and after what may have changed it."""
        if self.writable == self.name:
            self.frame.emit(f"{self.writable} = context.writable({self.database}, {self.table.id})")

    def ask_anew(self) -> None:
        """Ask for the table again where that in the local may no longer be it: functions of the user's run between two
        looks at it. They have not replaced it while it still bears the writer's stamp; in place it is asked for each
        time, so that nothing is kept of it meanwhile.
        """
        writer = self.generator.name("writer")
        self.frame.emit(f"{writer} = context.writer({self.database})")
        self.frame.emit(f"{self.name} = {self.use(NO_TABLE, 'no_table')}")
        holds = f"{self.name}.stamp == {writer}.stamp and {writer}.undo is None"
        ask = f"({self.name} := context.writable({self.database}, {self.table.id}))"
        self.writable = f"({self.name} if {holds} else {ask})"

    # ---- values

    def assign(self, codes: Sequence[Code | None], *, fires: bool = False) -> None:
        """Put each column's value into a local and give it its column's affinity; None for a generated column.

        A STRICT table's types are checked behind NOT NULL, unless generated columns or BEFORE triggers (`fires`) read
        the row before.
        """
        self.types_wait = not fires and all(column.generated is None for column in self.table.columns)
        self.names = []
        self.classes = [HOLDS_ANY] * len(self.table.columns)
        for column, code in zip(self.table.columns, codes, strict=True):
            if code is not None and column.position not in self.assignable and self.is_settled(column, code):
                # It has a name already.
                self.names.append(code.text)
                self.classes[column.position] = code.classes
                continue
            name = self.generator.name(local_name(column.name))
            self.names.append(name)
            if code is not None:
                self.frame.emit(f"{name} = {code.text}")
                self.convert(column, name, code.classes)
        self.compute_generated()

    def is_settled(self, column: Column, code: Code) -> bool:
        """Whether the value needs no conversion, and is a name or a part of a record that will not change."""
        if not SETTLED.fullmatch(code.text) or (self.table.strict and column.type_name.upper() != "ANY"):
            return False
        own = OWN_CLASS.get(column.affinity)
        if column.affinity == "BLOB" or self.table.strict:
            return True
        return not code.classes & ~((HOLDS_INT if own is None else own[1]) | HOLDS_NULL)

    def convert(self, column: Column, name: str, classes: int) -> None:
        """Write the affinity's conversion where the value may need it."""
        position = column.position
        self.classes[position] = classes
        if self.table.strict and column.type_name.upper() != "ANY" and column.generated is None:
            self.waiting.append(column)
            self.classes[position] = HOLDS_ANY
            if not self.types_wait:
                self.check_types()
            return
        own = OWN_CLASS.get(column.affinity)
        if column.affinity == "BLOB" or self.table.strict and column.type_name.upper() == "ANY":
            return
        function = values.AFFINITY_FUNCTIONS[column.affinity]
        if own is None:
            if classes & ~(HOLDS_INT | HOLDS_NULL):
                self.frame.emit(f"if type({name}) is not int and {name} is not None:")
                self.frame.emit(f"    {name} = {self.use(function)}({name})")
                self.classes[position] = HOLDS_ANY
            return
        word, bit = own
        if classes & ~(bit | HOLDS_NULL):
            self.frame.emit(f"if type({name}) is not {word} and {name} is not None:")
            self.frame.emit(f"    {name} = {self.use(function)}({name})")
            self.classes[position] = HOLDS_ANY

    def check_types(self) -> None:
        """Write the checks of a STRICT table's types that are still to be made."""
        for column in self.waiting:
            name, type_name = self.names[column.position], column.type_name.upper()
            label = f"{self.table.name}.{column.name}"
            self.frame.emit(f"{name} = {self.use(strict_value)}({name}, {type_name!r}, {label!r})")
        self.waiting = []

    def compute_generated(self) -> None:
        """Write generated columns, those that others read first."""
        pending = [column for column in self.table.columns if column.generated is not None]
        while pending:
            waiting = {column.name.lower() for column in pending}
            ready = [
                c
                for c in pending
                if c.generated and not names_read(c.generated.expression) & (waiting - {c.name.lower()})
            ]
            for column in ready or pending:
                assert column.generated is not None
                name = self.names[column.position]
                code = self.queries.expressions.value(self.bind(column.generated.expression))
                self.frame.emit(f"{name} = {code.text}")
                self.convert(column, name, code.classes)
            pending = [column for column in pending if column not in ready] if ready else []

    # ---- expressions over the row

    def scope(self) -> Scope:
        """Names of the row's columns, as the locals that hold them."""
        scope = Scope(None, Core(), Query())
        offered = [
            EntryColumn(column.name, Local(name, classes, column.affinity, column.collation))
            for column, name, classes in zip(self.table.columns, self.names, self.classes, strict=True)
        ]
        if not self.table.without_rowid:
            offered.append(EntryColumn("rowid", Local(self.key, HOLDS_INT, "INTEGER"), hidden=True))
        scope.entries.append(Entry(self.table.name, None, offered, None))
        return scope

    def bind(self, expression: ast.Expression) -> Expr:
        return ExpressionBinder(self.binder, self.scope()).bind_scalar(expression)

    # ---- constraints

    def check_nulls(self, columns: Sequence[Column] | None = None) -> None:
        """NOT NULL: first REPLACE puts the defaults in, then whatever is still NULL is refused or skipped."""
        required = [
            (column, self.action or column.not_null_conflict or "ABORT")
            for column in (self.table.columns if columns is None else columns)
            if column.not_null and column.position != self.table.rowid_position
            and self.classes[column.position] & HOLDS_NULL
        ]  # fmt: skip
        settled = set()
        replaced = False
        for column, action in required:
            if action == "REPLACE" and column.default is not None:
                name = self.names[column.position]
                code = self.queries.expressions.value(self.bind(column.default))
                self.frame.emit(f"if {name} is None:")
                self.frame.emit(f"    {name} = {code.text}")
                self.convert(column, name, HOLDS_ANY)
                replaced = True
                if not code.nullable:
                    settled.add(column.position)
        if replaced:
            self.compute_generated()
        for column, action in required:
            if column.position in settled:
                continue
            self.frame.emit(f"if {self.names[column.position]} is None:")
            if action == "IGNORE":
                self.frame.emit(f"    {self.skip}")
                continue
            label = f"{self.table.name}.{column.name}"
            action = "ABORT" if action == "REPLACE" else action
            self.frame.emit(f"    raise {self.use(not_null_error)}({label!r}, {action!r})")

    def check_conditions(self, checks: Sequence[ddl.Check]) -> None:
        """CHECK: those of the table that read what the statement gives."""
        if self.settings.ignore_check_constraints or not checks:
            return
        self.check_types()
        for check in checks:
            test = self.queries.expressions.false(self.bind(check.expression))
            self.frame.emit(f"if {test}:")
            if self.action == "IGNORE":
                self.frame.emit(f"    {self.skip}")
            else:
                action = self.action if self.action in ("ROLLBACK", "FAIL") else "ABORT"
                self.frame.emit(f"    raise {self.use(check_error)}({check.name or check.text!r}, {action!r})")

    def check_length(self, record: str, length_max: int) -> None:
        """Measure the record, if the connection has lowered the limit."""
        if length_max != LENGTH_MAX:
            self.frame.emit(f"{self.use(check_record)}({record}, {self.table.rowid_position}, {length_max})")

    # ---- the unique key

    def take_rowid(self, code: Code | None) -> None:
        """Write the row's key: the value given for the rowid, or the next one."""
        if code is None:
            self.frame.emit(f"{self.key} = {self.next_rowid()}")
        else:
            self.frame.emit(f"{self.key} = {code.text}")
        if code is not None and code.classes & HOLDS_NULL:
            self.frame.emit(f"if {self.key} is None:")
            self.frame.emit(f"    {self.key} = {self.next_rowid()}")
        if code is not None and code.classes & ~(HOLDS_INT | HOLDS_NULL):
            self.frame.emit(f"if type({self.key}) is not int:")
            self.frame.emit(f"    {self.key} = {self.use(integer_key)}({self.key})")
        if self.table.autoincrement:
            self.frame.emit(f"{self.sequence}.note({self.key})")

    def next_rowid(self) -> str:
        if self.table.autoincrement:
            return f"{self.sequence}.next({self.writable})"
        if self.high is not None:
            return f"{self.high} + 1"
        from tandemdb.planner.change.row_keys import ROWID_MAX, next_rowid

        call = f"{self.use(next_rowid)}({self.writable})"
        if not self.generator.written_out:
            return call
        highs = self.generator.name("highs")
        test = f"({highs} := {self.writable}.location.page_highs) and {highs}[-1] < {ROWID_MAX}"
        return f"{highs}[-1] + 1 if {test} else {call}"

    @property
    def sequence(self) -> str:
        return f"sequence_{self.name}"

    def open_sequence(self) -> None:
        """AUTOINCREMENT: the counter in sqlite_sequence, written back at the end."""
        from tandemdb.planner.change.row_keys import Sequence as RowidSequence

        if self.table.autoincrement:
            maker = self.use(RowidSequence, "Sequence")
            self.frame.emit(f"{self.sequence} = {maker}(context, {self.database}, {self.table.name!r})")

    def take_unique_key(self) -> None:
        """WITHOUT ROWID: the key that the record's primary key columns make."""
        from tandemdb.planner.schema.build import table_definition
        from tandemdb.storage.definition import unique_key_function

        function = unique_key_function(table_definition(self.table).primary_key)
        self.frame.emit(f"{self.key} = {self.use(function, 'key_of_' + local_name(self.table.name))}({self.record})")

    @property
    def record(self) -> str:
        """The record's tuple as text."""
        names = [
            self.key if column.position == self.table.rowid_position else name
            for column, name in zip(self.table.columns, self.names, strict=True)
        ]
        return f"({', '.join(names)},)" if len(names) == 1 else f"({', '.join(names)})"

    def key_label(self) -> str:
        table = self.table
        if table.without_rowid:
            return ", ".join(f"{table.name}.{table.columns[position].name}" for position in table.primary_key)
        if table.rowid_position >= 0:
            return f"{table.name}.{table.columns[table.rowid_position].name}"
        return f"{table.name}.rowid"

    def key_code(self) -> str:
        alias = self.table.without_rowid or self.table.rowid_position >= 0
        return "SQLITE_CONSTRAINT_PRIMARYKEY" if alias else "SQLITE_CONSTRAINT_ROWID"

    # ---- uniqueness

    def unique_test(self, index: Index, found: str, search: str = "first") -> str:
        """Write `found = <key of another row with the same values>`; the condition under which it is one.

        Args:
            search: the key's method to look with.
        """
        key = f"{self.writable}.keys[{index.id}]"
        if index.computed:
            from tandemdb.planner.change.row_keys import computed_conflict

            self.frame.emit(f"{found} = {self.use(computed_conflict)}({key}, {self.key}, {self.record})")
            return f"{found} is not None"
        names = [self.key if c.position == self.table.rowid_position else self.names[c.position] for c in index.columns]
        classes = [HOLDS_ANY] * len(names)
        if self.generator.written_out:  # and so guarded
            classes = [HOLDS_INT if c.position == self.table.rowid_position else self.classes[c.position]
                       for c in index.columns]  # fmt: skip
        may_be_null = [name for name, held in zip(names, classes, strict=True) if held & HOLDS_NULL]
        guards = " and ".join(f"{name} is not None" for name in may_be_null)
        if all(column.collation.upper() == "BINARY" for column in index.columns):
            ranks = [self.rank_of(name, held) for name, held in zip(names, classes, strict=True)]
            stored = [part for pair in zip(ranks, names, strict=True) for part in pair][1:]
            value = stored[0] if len(names) == 1 else f"({', '.join(stored)})"
            if self.generator.whole and not may_be_null:
                value = self.keep_entry(index, ranks[0], value)
            found_there = f"{key}.{search}({ranks[0]}, {value})"
        else:
            comma = "," if len(names) == 1 else ""
            found_there = f"{key}.{search}(*{key}.stored(({', '.join(names)}{comma})))"
        self.frame.emit(f"{found} = {found_there} if {guards} else None" if guards else f"{found} = {found_there}")
        return f"{found} is not None"

    def keep_entry(self, index: Index, rank: str, value: str) -> str:
        """Give what a key stores a name, to be added under later."""
        if not value.isidentifier():
            name = self.generator.name("stored")
            self.frame.emit(f"{name} = {value}")
            value = name
        self.entries[index.id] = rank, value
        return value

    def rank_of(self, name: str, classes: int) -> str:
        """The text of a value's rank, which its class decides if that is known."""
        rank = RANK_OF_CLASS.get(classes)
        return f"{self.use(CLASS_RANK, 'class_rank')}[type({name})]" if rank is None else str(rank)

    def index_error(self, index: Index, action: str) -> str:
        from tandemdb.planner.schema.create import unique_text

        return f"{self.use(unique_error)}({unique_text(self.table, index)!r}, {index_code(index)!r}, {action!r})"

    def key_error(self, action: str) -> str:
        text = f"UNIQUE constraint failed: {self.key_label()}"
        return f"{self.use(unique_error)}({text!r}, {self.key_code()!r}, {action!r})"

    def action_of(self, own: str | None) -> str:
        return self.action or own or "ABORT"


def unique_keys(table: Table) -> list[Any]:
    """A table's unique keys as SQLite looks at them: the rowid (None) first, a primary key (None) among the indexes."""
    found: list[Any] = [] if table.without_rowid else [None]
    for index in table.indexes:
        if table.without_rowid and index.origin == "pk":
            found.append(None)
        elif index.unique and index.id >= 0:
            found.append(index)
    return found


def local_name(name: str) -> str:
    """A column's name as a Python name of its own: `name_` ..."""
    cleaned = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.lower())
    return f"{cleaned}_" if cleaned and not cleaned[0].isdigit() else f"c{cleaned}_"


def names_read(expression: Any) -> set[str]:
    """The lower-case column names in an expression as parsed."""
    from tandemdb.planner.syntax.tree import walk

    return {node.column.lower() for node in walk(expression) if isinstance(node, ast.Name)}


__all__ = ["HOLDS_NUMBER", "RowEmitter"]
