"""INSERT, REPLACE, UPDATE and DELETE.

    WITH c AS (...)  INSERT OR IGNORE INTO t AS x (a, b)  SELECT ...  ON CONFLICT (a) DO ...  RETURNING a
    with_            action                table  columns  source     upserts                 returning

Inside a trigger the same statements lose WITH, RETURNING, INDEXED BY, an alias, ORDER BY and LIMIT.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandemdb.errors import OperationalError
from tandemdb.planner.parser.expressions import LOOSEST, SELECT_STARTS
from tandemdb.planner.parser.limits import ASSIGNMENTS_MAX
from tandemdb.planner.parser.select import NO_TAIL, SelectParser
from tandemdb.planner.syntax.ast import (
    Assignment,
    Delete,
    Expression,
    Insert,
    ResultColumn,
    Select,
    TableName,
    Update,
    Upsert,
    With,
)


class DmlParser(SelectParser):
    """Reads statements that change rows."""

    def dml(self, with_: With | None, depth: int) -> Insert | Update | Delete:
        """Read the statement at the position, WITH already read."""
        if self.kind == "UPDATE":
            return self.update(with_, depth)
        if self.kind == "DELETE":
            return self.delete(with_, depth)
        return self.insert(with_, depth)

    def insert(self, with_: With | None, depth: int, in_trigger: bool = False) -> Insert:
        action: str | None = "REPLACE"
        if self.choose("INSERT", "REPLACE") == "INSERT":
            action = self.or_action()
        self.expect("INTO")
        table = self.changed_table(in_trigger)
        columns = self.names_in_parentheses() if self.kind == "(" else None
        source: Select | None = None
        upserts: list[Upsert] = []
        if self.kind == "DEFAULT" and not in_trigger:
            self.advance()
            self.expect("VALUES")
        else:
            if self.kind not in SELECT_STARTS:
                self.fail()
            source = self.select(depth + 5)
            while self.kind == "ON" and (not upserts or upserts[-1].target is not None):
                upserts.append(self.upsert(depth + 7))
        returning = self.returning(in_trigger, depth + 7)
        return Insert(table, columns, source, action, tuple(upserts), returning, with_)

    def upsert(self, depth: int) -> Upsert:
        self.advance()
        self.expect("CONFLICT")
        target = None
        target_where = None
        if self.accept("("):
            target = self.order_terms(depth + 3)
            self.expect(")")
            target_where = self.where(depth + 5)
        self.expect("DO")
        if self.choose("NOTHING", "UPDATE") == "NOTHING":
            return Upsert(target, target_where, None, None)
        self.expect("SET")
        assignments = self.assignments(depth + 9)
        return Upsert(target, target_where, assignments, self.where(depth + 10))

    def update(self, with_: With | None, depth: int, in_trigger: bool = False) -> Update:
        self.advance()
        action = self.or_action()
        table = self.indexed_table(in_trigger)
        self.expect("SET")
        assignments = self.assignments(depth + 6)
        source = None
        if self.accept("FROM"):
            source = self.source(depth + 8)
        where = self.where(depth + 8)
        returning = self.returning(in_trigger, depth + 8) if not in_trigger else ()
        tail = self.tail(depth + 9) if not in_trigger else NO_TAIL
        return Update(
            table, assignments, action, source, where, tail.order_by, tail.limit, tail.offset, returning, with_
        )

    def delete(self, with_: With | None, depth: int, in_trigger: bool = False) -> Delete:
        self.advance()
        self.expect("FROM")
        table = self.indexed_table(in_trigger)
        where = self.where(depth + 5)
        returning = self.returning(in_trigger, depth + 5) if not in_trigger else ()
        tail = self.tail(depth + 6) if not in_trigger else NO_TAIL
        return Delete(table, where, tail.order_by, tail.limit, tail.offset, returning, with_)

    # ---- parts

    def or_action(self) -> str | None:
        """Read `OR action`, if it is there."""
        return self.conflict_action() if self.accept("OR") else None

    def conflict_action(self) -> str:
        return self.choose("ROLLBACK", "ABORT", "FAIL", "IGNORE", "REPLACE")

    def changed_table(self, in_trigger: bool) -> TableName:
        name, schema = self.qualified_name()
        if in_trigger:
            if schema is not None:
                raise OperationalError(
                    "qualified table names are not allowed on INSERT, UPDATE, and DELETE statements within triggers"
                )
            return TableName(name)
        alias = self.name() if self.accept("AS") else None
        return TableName(name, schema, alias)

    def indexed_table(self, in_trigger: bool) -> TableName:
        table = self.changed_table(in_trigger)
        index = self.index_choice()
        if index is None:
            return table
        if in_trigger:
            clause = "INDEXED BY" if index else "NOT INDEXED"
            raise OperationalError(
                f"the {clause} clause is not allowed on UPDATE or DELETE statements within triggers"
            )
        return table._replace(index=index)

    def assignments(self, depth: int) -> tuple[Assignment, ...]:
        assignments: list[Assignment] = []
        total = 0
        while True:
            columns = self.names_in_parentheses() if self.kind == "(" else (self.name(),)
            self.expect("=")
            assignments.append(Assignment(columns, self.expression(LOOSEST, depth + 2 if assignments else depth)))
            total += len(columns)
            if not self.accept(","):
                break
        if total > ASSIGNMENTS_MAX:
            raise OperationalError("too many columns in set list")
        return tuple(assignments)

    def where(self, depth: int) -> Expression | None:
        if self.kind != "WHERE":
            return None
        self.advance()
        return self.expression(LOOSEST, depth)

    def returning(self, in_trigger: bool, depth: int) -> Sequence[ResultColumn]:
        if not self.accept("RETURNING"):
            return ()
        columns = self.result_columns(depth)
        if in_trigger:
            raise OperationalError("cannot use RETURNING in a trigger")
        return columns
