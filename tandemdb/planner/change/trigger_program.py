"""Trigger programs: the statements of a trigger compiled once, and run for each row with its NEW and OLD.

    CREATE TRIGGER log AFTER UPDATE OF size ON city WHEN NEW.size > OLD.size
    BEGIN INSERT INTO change VALUES (OLD.id, NEW.size); END

    params of the program:   (OLD's key, *OLD, NEW's key, *NEW)        INSERT has only NEW, DELETE only OLD
                               p0        p1..  p4         p5..
    TriggerProgram
     +- when:  BodyStatement -> return p7 > p3
     +- steps: [BodyStatement -> the plan of an INSERT whose values are p1, p7]

A body statement keeps a plan for each set of column classes it has met, like any statement. NEW and OLD are bound
values of the plan, so the same plan serves all rows. The actions of foreign keys are programs too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_INT, Core, Expr, Local, Query
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.query import Binder
from tandemdb.planner.bind.scope import ROWID_NAMES, Scope
from tandemdb.planner.emit.query import QueryEmitter
from tandemdb.planner.namespace import Namespace
from tandemdb.planner.plan import SIZE_FACTOR, SIZE_SLACK, Plan, finish_plan, new_generator, write_top
from tandemdb.planner.runtime import deep_calls
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.writer import Generator
    from tandemdb.planner.schema.schema import Table, View
    from tandemdb.planner.session import Session

DEPTH_SAFE = 25
"""Beyond this depth Python's own limit of nested calls is raised."""
PLANS_MAX = 8


class IgnoreRow(Exception):
    """Raised by RAISE(IGNORE): the row that fired the trigger is left as it is, its other triggers don't run."""


class RowColumn(NamedTuple):
    name: str
    affinity: str | None
    collation: str


class RowLayout:
    """Where NEW's and OLD's columns stand among the parameters of a program; -1 for the row the event does not have."""

    def __init__(
        self, columns: Sequence[RowColumn], event: str, *, rowid_position: int = -1, rowid: bool = True
    ) -> None:
        self.columns = columns
        self.positions: dict[str, int] = {}
        for position, column in enumerate(columns):
            self.positions.setdefault(column.name.lower(), position)
        self.starts = {
            "old": -1 if event == "INSERT" else 0,
            "new": {"INSERT": 0, "UPDATE": len(columns) + 1}.get(event, -1),
        }
        self.rowid = rowid
        self.rowid_position = rowid_position

    def names(self, generator: Generator) -> Callable[[ast.Name], Expr | None]:
        """The binder's look-up of NEW.x and OLD.x for one compilation."""

        def find(node: ast.Name) -> Expr | None:
            start = -1 if node.table is None or node.schema is not None else self.starts.get(node.table.lower(), -1)
            if start < 0:
                return None
            position = self.positions.get(node.column.lower())
            if position is None:
                if not self.rowid or node.column.lower() not in ROWID_NAMES:
                    return None
                return Local(generator.parameter(start), HOLDS_INT, "INTEGER")
            _, affinity, collation = self.columns[position]
            classes = HOLDS_INT if position == self.rowid_position else HOLDS_ANY
            return Local(generator.parameter(start + 1 + position), classes, affinity, collation)

        return find


def layout_of(table: Table, event: str) -> RowLayout:
    """A table's rows. As in SQLite, NEW.x and OLD.x have the collation of x but no affinity, unless x is the rowid."""
    columns = [
        RowColumn(column.name, "INTEGER" if column.position == table.rowid_position else None, column.collation)
        for column in table.columns
    ]
    return RowLayout(columns, event, rowid_position=table.rowid_position, rowid=not table.without_rowid)


class BodyNamespace(Namespace):
    """Names as a trigger of a database other than temp sees them: unqualified ones are of that database."""

    __slots__ = ("position", "base")

    def __init__(self, base: Namespace, position: int) -> None:
        self.names, self.schemas = base.names, base.schemas
        self.plans, self.templates, self.programs = base.plans, base.templates, base.programs
        self.position = position
        self.base: Namespace = base.base if isinstance(base, BodyNamespace) else base

    def search_order(self, schema: str | None) -> Sequence[int]:
        return (self.position,) if schema is None else super().search_order(schema)

    def require_table(self, name: str, schema: str | None) -> tuple[int, Table | View]:
        return super().require_table(name, self.names[self.position] if schema is None else schema)


def body_namespace(namespace: Namespace, position: int) -> Namespace:
    """The namespace of a trigger that lives in the database at `position`."""
    if namespace.names[position] == "temp":
        return namespace.base if isinstance(namespace, BodyNamespace) else namespace
    return BodyNamespace(namespace, position)


class BodyStatement:
    """One statement of a body, or a WHEN condition, with its plans."""

    __slots__ = ("node", "namespace", "layout", "name", "plans")

    def __init__(self, node: Any, namespace: Namespace, layout: RowLayout, name: str) -> None:
        self.node = node
        self.namespace = namespace
        self.layout = layout
        self.name = name
        self.plans: list[Plan] = []

    def run(self, context: Any, params: Sequence[Any]) -> Any:
        """Run it; a condition's result is its truth, a query's rows are made and dropped."""
        session = context.session
        roots = [attached.root() for attached in session.databases]
        for plan in self.plans:
            if plan.fits(roots, params):
                break
        else:
            plan = self.compile(session, roots)
        result = plan.run(roots, params, context)
        if type(self.node) is ast.Select:
            for _ in result:
                pass
        return result

    def first(self, context: Any, params: Sequence[Any]) -> bool:
        """Whether a query gives any row."""
        session = context.session
        roots = [attached.root() for attached in session.databases]
        for plan in self.plans:
            if plan.fits(roots, params):
                break
        else:
            plan = self.compile(session, roots)
        return any(plan.run(roots, params, context))

    def compile(self, session: Session, roots: Sequence[Any]) -> Plan:
        """Compile it for these tables and keep the plan.

        Raises:
            OperationalError: no such table, no such column, and whatever else is wrong with the statement.
        """
        node = self.node
        if isinstance(node, (ast.Insert, ast.Update, ast.Delete)):
            from tandemdb.planner.change.dml import compile_dml

            plan: Plan = compile_dml(session, node, self.namespace, roots, (), None, self.name, layout=self.layout)
        else:
            plan = self.compile_query(session, roots)
        self.plans.insert(0, plan)
        del self.plans[PLANS_MAX:]
        return plan

    def compile_query(self, session: Session, roots: Sequence[Any]) -> Plan:
        binder = Binder(self.namespace, roots, session.users, in_trigger=True)
        generator = new_generator((), roots, None)
        binder.locals = self.layout.names(generator)
        emitter = QueryEmitter(generator, generator.main, None)
        if isinstance(self.node, ast.Select):
            write_top(emitter, binder.bind_select(self.node, None))
        else:
            bound = ExpressionBinder(binder, Scope(None, Core(), Query())).bind_scalar(self.node)
            generator.main.emit(f"return {emitter.expressions.true(bound)}")
        plan = finish_plan(generator, binder, self.name, None, Plan)
        plan.sizes = tuple(
            (database, table_id, table.count // SIZE_FACTOR, table.count * SIZE_FACTOR + SIZE_SLACK)
            for (database, table_id), table in binder.tables_read.items()
        )
        return plan


class TriggerProgram:
    """A compiled trigger or foreign key action. `token` tells whether it is running already; None: it may run again."""

    __slots__ = ("token", "when", "steps")

    def __init__(self, token: Any) -> None:
        self.token = token
        self.when: BodyStatement | None = None
        self.steps: list[BodyStatement] = []

    def compile(self, session: Session, roots: Sequence[Any]) -> None:
        """Compile every statement, so that what is wrong with one shows before the first row."""
        for statement in (*(() if self.when is None else (self.when,)), *self.steps):
            statement.compile(session, roots)

    def run(self, context: Any, params: Sequence[Any]) -> bool:
        """Run the program for one row; False if RAISE(IGNORE) asked to leave the row alone.

        Raises:
            OperationalError: too many levels of trigger recursion.
        """
        session = context.session
        firing = session.firing
        token = self.token
        if token is not None and not session.settings.recursive_triggers and token in firing:
            return True
        depth = len(firing)
        if depth >= session.limits.trigger_depth:
            raise OperationalError("too many levels of trigger recursion", code="SQLITE_ERROR")
        counted, last = session.changes, session.last_insert_rowid
        firing.append(token)
        if depth == DEPTH_SAFE:
            deep_calls.allow()
        total = session.total_changes
        try:
            when = self.when
            if when is None or when.run(context, params):
                for step in self.steps:
                    total = session.total_changes
                    step.run(context, params)
        except BaseException as error:
            # A statement that was broken off does not count; it counted last, unless it failed before it had begun.
            if session.total_changes != total:
                session.total_changes -= session.changes
            if isinstance(error, IgnoreRow):
                return False
            raise
        finally:
            if depth == DEPTH_SAFE:
                deep_calls.disallow()
            firing.pop()
            session.changes, session.last_insert_rowid = counted, last
        return True
