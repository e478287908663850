"""INSERT, UPDATE and DELETE on a view: its rows are made, and an INSTEAD OF trigger is fired for each.

    UPDATE recent SET title = 'x' WHERE id = 3

    rows_1 = [(id, title, 'x') ...]               the view's columns, then the new values
    for number, row in enumerate(rows_1, 1):
        new = (row[0], row[2])
        fire(context, number, row[:2], number, new)

The view itself never changes, so nothing is counted; what the triggers change is counted in total_changes().
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import Core, Query, ResultColumn
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.from_items import FromBinder
from tandemdb.planner.bind.scope import Scope
from tandemdb.planner.change.statement_emitter import StatementEmitter
from tandemdb.planner.change.trigger_program import layout_of
from tandemdb.planner.change.triggers import triggers_for
from tandemdb.planner.change.updated_row import bind_assignments, bind_returning, returning_element, target_of
from tandemdb.planner.emit.query import QueryEmitter
from tandemdb.planner.plan import finish_plan
from tandemdb.planner.schema.schema import Column, Table, View
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import Binder
    from tandemdb.planner.change.dml import DmlPlan
    from tandemdb.planner.emit.writer import Generator
    from tandemdb.planner.session import Session

EVENTS: dict[type, str] = {ast.Insert: "INSERT", ast.Update: "UPDATE", ast.Delete: "DELETE"}


def compile_view_change(
    session: Session, node: Any, binder: Binder, generator: Generator, database: int, view: View, name: str
) -> DmlPlan:
    """Compile a statement that changes a view.

    Raises:
        OperationalError: cannot modify v because it is a view: it has no INSTEAD OF trigger for this.
    """
    from tandemdb.planner.change.dml import DmlPlan

    emitter = ViewEmitter(session, node, binder, generator, database, view)
    emitter.write()
    columns = None
    if node.returning:
        columns = tuple(name for name, _ in bind_returning(emitter, "new", "None", node.returning))
    plan = finish_plan(generator, binder, name, columns, DmlPlan)
    plan.explanation = emitter.queries.explanation.lines
    # It changes no table itself.
    plan.takes_many = plan.atomic = plan.rewrites = plan.calls_own = plan.compares = plan.single = False
    plan.often, plan.written_out = None, 0
    plan.runs_programs = True
    return plan


class ViewEmitter(StatementEmitter):
    """Writes the loop over the rows of a view that change."""

    def __init__(
        self, session: Session, node: Any, binder: Binder, generator: Generator, database: int, view: View
    ) -> None:
        queries = QueryEmitter(generator, generator.main, None)
        super().__init__(queries, binder, node, as_table(view, binder, database), database, session)
        self.event = EVENTS[type(node)]
        self.action = getattr(node, "action", None)
        self.fire = self.find_fire(view)

    def find_fire(self, view: View) -> str:
        node = self.node
        assigned = None
        if isinstance(node, ast.Update):
            assigned = {name.lower() for assignment in node.assignments for name in assignment.columns}
        layout = layout_of(self.table, self.event)
        # The rowid is -1 for a new row, else the number of the row among those that change.
        layout.rowid = True
        fire = triggers_for(target_of(self), "INSTEAD OF", self.event, assigned, self.action, layout)
        if fire is None:
            raise fault(f"cannot modify {view.name} because it is a view")
        return self.generator.helper(fire, f"fire_instead_of_{self.event.lower()}")

    def write(self) -> None:
        frame, width = self.frame, len(self.table.columns)
        if isinstance(self.node, ast.Insert):
            rows, new = self.insert_rows()
            old = "None"
        elif isinstance(self.node, ast.Update):
            rows, new = self.update_rows()
            old = f"row[:{width}]"
        else:
            rows, old = self.delete_rows(), "row"
            new = "None"
        if self.node.returning:
            frame.emit("returned = []")
        frame.emit("context.changed(0)")
        frame.emit(f"for number, row in enumerate({rows}, 1):")
        frame.depth += 1
        frame.emit(f"new = {new}")
        key = "-1" if old == "None" else "number"
        frame.emit(f"if {self.fire}(context, {key}, {old}, {key}, new):")
        if self.node.returning:
            if new == "None":
                frame.emit("    new = row")
            frame.emit(f"    returned.append({returning_element(self, 'new', 'None')})")
        else:
            frame.emit("    pass")
        frame.depth -= 1
        frame.emit("context.changed(0)")
        frame.emit("return (returned,)" if self.node.returning else "return ()")

    # ---- rows

    def insert_rows(self) -> tuple[str, str]:
        """The list of given rows, and the text of NEW over one of them."""
        node, table = self.node, self.table
        if node.upserts:
            raise fault("cannot UPSERT a view")
        positions = list(range(len(table.columns)))
        if node.columns is not None:
            positions = []
            for name in node.columns:
                column = table.by_name.get(name.lower())
                if column is None:
                    raise fault(f"table {table.name} has no column named {name}")
                positions.append(column.position)
        if node.source is None:
            return "[()]", self.new_text({})
        query = self.binder.bind_select(node.source, None)
        found = len(query.columns)
        if found != len(positions):
            if node.columns is None:
                raise fault(f"table {table.name} has {len(positions)} columns but {found} values were supplied")
            raise fault(f"{found} values for {len(positions)} columns")
        places: dict[int, int] = {}
        for place, position in enumerate(positions):
            places.setdefault(position, place)
        return self.queries.rows(query), self.new_text({at: f"row[{place}]" for at, place in places.items()})

    def update_rows(self) -> tuple[str, str]:
        core, scope, query = self.bind_rows()
        assigned = bind_assignments(self.table, self.node.assignments, ExpressionBinder(self.binder, scope))
        width = len(self.table.columns)
        core.results += [ResultColumn(expression, "new") for expression in assigned.values()]
        texts = {at: f"row[{at}]" for at in range(width)}
        texts.update({position: f"row[{width + place}]" for place, position in enumerate(assigned)})
        return self.queries.core_rows(core, query), self.new_text(texts)

    def delete_rows(self) -> str:
        core, _, query = self.bind_rows()
        return self.queries.core_rows(core, query)

    def bind_rows(self) -> tuple[Core, Scope, Query]:
        """The rows of the view that WHERE chooses, with the view's columns as results."""
        node = self.node
        query, core = Query(), Core()
        query.cores = [core]
        scope = Scope(None, core, query)
        binder = FromBinder(self.binder, scope)
        target = node.table
        schema = self.binder.namespace.names[self.database]
        binder.bind(ast.TableSource(target.name, schema, target.alias))
        own = scope.entries[0]
        own.alias = target.alias or target.name
        if getattr(node, "source", None) is not None:
            binder.bind_joined(node.source)
        if node.where is not None:
            from tandemdb.planner.bind.query import split_and

            core.conjuncts.extend(split_and(ExpressionBinder(self.binder, scope).bind_scalar(node.where)))
        core.results = [ResultColumn(column.expression, column.name) for column in own.columns]
        return core, scope, query

    def new_text(self, texts: dict[int, str]) -> str:
        values: Sequence[str] = [texts.get(at, "None") for at in range(len(self.table.columns))]
        return f"({', '.join(values)},)"


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")


def as_table(view: View, binder: Binder, database: int) -> Table:
    """The view as a table without rowid, for what needs only its name, columns and triggers."""
    source = ast.TableSource(view.name, binder.namespace.names[database])
    star = ast.ResultColumn(ast.Star(None), None, "*")
    query = binder.bind_select(ast.Select([ast.SelectCore([star], source=source)]), None)
    columns = tuple(
        Column(column.name, at, column.type_name or "", column.affinity or "BLOB", column.collation)
        for at, column in enumerate(query.columns)
    )
    by_name = {column.name.lower(): column for column in reversed(columns)}
    return Table(view.name, -1, columns, by_name, view.sql, without_rowid=True, triggers=view.triggers)
