"""Authorizers: asked about each access of a statement when it is prepared.

    prepare("SELECT a, b FROM t")
        SQLITE_SELECT                          OK
        SQLITE_READ  t a main                  OK
        SQLITE_READ  t b main                  IGNORE        the column reads as NULL
                                               DENY          DatabaseError: access to t.b is prohibited
        +--> Statement with a shape of its own (in no cache but the session's) and an Authority that knows the answers

A statement is bound twice: here to ask, in SQLite's order as far as the statement decides it, and when it is compiled,
where the answers are looked up and nobody is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import DatabaseError, NotSupportedError, OperationalError
from tandemdb.planner.bind.bound import Column, CommonRows, Expr, Query, Rowid, expressions_of, queries_in, walk
from tandemdb.planner.bind.query import Binder
from tandemdb.planner.statement import Shape, Statement, kind_of, rest_has_statement
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.bind.scope import Scope
    from tandemdb.planner.namespace import Namespace
    from tandemdb.planner.session import Session

OK, DENY, IGNORE = 0, 1, 2
SQLITE_READ, SQLITE_SELECT, SQLITE_FUNCTION, SQLITE_RECURSIVE = 20, 21, 31, 33
STATEMENTS_MAX = 128
"""Statements that a session keeps with their answers, as the standard library's module does."""
ASKED_EACH_TIME = frozenset({"begin", "commit", "rollback"})
"""Kinds that are not kept: mostly the driver's own, which sqlite3 prepares anew each time."""

Question = tuple[int, str | None, str | None, str | None, str | None]


class Ignored(Exception):
    """Raised when the whole statement is to do nothing."""


class Authority:
    """Asks the authorizer, or recalls what it answered once `callback` is None. `path`: views, triggers around."""

    __slots__ = ("callback", "answers", "path", "views", "names", "later", "depth", "in_trigger")

    def __init__(self, callback: Callable[..., int], names: Sequence[str]) -> None:
        self.callback: Callable[..., int] | None = callback
        self.answers: dict[Question, int] = {}
        self.path: list[str] = []
        self.views: dict[int, tuple[str, int]] = {}
        self.names = names
        self.later: list[Callable[[], None]] = []
        self.depth = 0
        self.in_trigger = False

    def ask(
        self, action: int, first: str | None = None, second: str | None = None, database: str | None = None,
        refusal: str = "not authorized",
    ) -> bool:  # fmt: skip
        """Whether the access is allowed; False where it is to be ignored.

        Raises:
            DatabaseError: it is denied.
        """
        question = (action, first, second, database, self.path[-1] if self.path else None)
        if self.callback is None:
            return self.answers.get(question, OK) == OK
        answer = self.answers[question] = self.callback(*question)
        if answer == DENY:
            raise DatabaseError(refusal, code="SQLITE_AUTH")
        if answer not in (OK, IGNORE):
            raise OperationalError("authorizer malfunction", code="SQLITE_ERROR")
        if answer == IGNORE and self.in_trigger:
            raise NotSupportedError(
                "tandemdb cannot ignore what a trigger does", hint="Answer SQLITE_OK or SQLITE_DENY for it."
            )
        return answer == OK

    def require(
        self, action: int, first: str | None = None, second: str | None = None, database: str | None = None
    ) -> None:
        """As `ask`, where to ignore means to do nothing at all."""
        if not self.ask(action, first, second, database):
            raise Ignored

    def read(self, expression: Expr) -> Expr:
        """The column that a name means, NULL where it is to be ignored."""
        if not isinstance(expression, (Column, Rowid)):
            return expression
        source = expression.source
        if source.table is not None:
            table, database = source.table.name, source.database
            if table == "sqlite_master" and self.names[database] == "temp":
                table = "sqlite_temp_master"
        elif source.function is not None and not isinstance(source.function, CommonRows):
            table, database = source.function.name, 0
        elif source.number in self.views:
            table, database = self.views[source.number]
        else:
            return expression
        column = "ROWID" if isinstance(expression, Rowid) else source.columns[expression.position].name
        return expression if self.ask_column(table, column, database) else ast.Literal(None)

    def ask_column(self, table: str, column: str, database: int) -> bool:
        name = self.names[database]
        several = database or any(other not in ("main", "temp") for other in self.names)
        shown = f"{name}.{table}.{column}" if several else f"{table}.{column}"
        return self.ask(SQLITE_READ, table, column, name, f"access to {shown} is prohibited")

    def function(self, name: str) -> bool:
        try:
            return self.ask(SQLITE_FUNCTION, None, name)
        except DatabaseError as error:
            raise OperationalError(f"not authorized to use function: {name}", code="SQLITE_ERROR") from error

    def recursive(self) -> None:
        """Ask, later, whether a common table may read itself."""
        path = list(self.path)

        def ask() -> None:
            held, self.path = self.path, path
            self.require(SQLITE_RECURSIVE)
            self.require(SQLITE_SELECT)
            self.path = held

        self.later[1:1] = [ask]

    def finish(self) -> None:
        """Ask what waited for the names to be resolved."""
        while self.later:
            waiting, self.later = self.later, []
            for ask in waiting:
                ask()


class AuthorizedBinder(Binder):
    """A binder that asks about what it binds. Subqueries and views are kept apart, so that each is asked about."""

    def __init__(
        self, namespace: Namespace, roots: Sequence[Any], users: Any, authority: Authority, *, in_trigger: bool = False
    ) -> None:
        super().__init__(namespace, roots, users, in_trigger=in_trigger)
        self.authority = authority

    def bind_select(self, select: ast.Select, parent: Scope | None) -> Query:
        authority = self.authority
        assert authority is not None
        outermost = not authority.depth and parent is None
        path = list(authority.path)
        if outermost:
            authority.require(SQLITE_SELECT)
        authority.depth += 1
        try:
            query = super().bind_select(select, parent)
        finally:
            authority.depth -= 1
        authority.later[:0] = [lambda: ask_about_query(authority, query, path, nested=not outermost)]
        for _ in select.cores if outermost and len(select.cores) > 1 else ():
            authority.later.append(lambda: authority.require(SQLITE_SELECT))
        if outermost:
            authority.finish()
        return query

    def expand_star(self, star: ast.Star, scope: Scope) -> Any:
        authority = self.authority
        assert authority is not None
        return [result._replace(expression=authority.read(result.expression)) for result in
                super().expand_star(star, scope)]  # fmt: skip


def ask_about_query(authority: Authority, query: Query, path: list[str], *, nested: bool) -> None:
    """SELECT for a query inside another, and a READ without a column for each table of which no column is read."""
    held, authority.path = authority.path, path
    try:
        if nested:
            authority.require(SQLITE_SELECT)
        used = {
            node.source
            for inner in queries_in(query)
            for core in inner.cores
            for expression in (*expressions_of(core), *(key.expression for key in inner.order_by))
            if expression is not None
            for node in walk(expression)
            if isinstance(node, Column) and not is_rowid(node)
        }
        for core in query.cores:
            if core.windows:
                authority.require(SQLITE_SELECT)
            for source in core.sources:
                if source.table is not None and source not in used:
                    authority.ask(SQLITE_READ, source.table.name, "")
    finally:
        authority.path = held


def is_rowid(column: Column) -> bool:
    table = column.source.table
    return table is not None and column.position == table.rowid_position


class AuthorizedShape(Shape):
    """A shape that no other session sees, with the answers its plans are compiled by."""

    __slots__ = ("answers",)

    answers: Authority

    @property
    def authority(self) -> Authority:
        return self.answers


def prepare_authorized(session: Session, sql: str) -> Statement | None:
    """The statement of a text, asked about if the session has not kept it; None if there is nobody to ask.

    Raises:
        DatabaseError: the authorizer denies something.
    """
    namespace = session.namespace()
    kept = session.authorized
    found = kept.pop(sql, None)
    if found is None or found.namespace is not namespace:
        if session.authorizer is None:
            return None
        found = ask_about_statement(session, sql, namespace)
        if found.kind in ASKED_EACH_TIME:
            return found
        while len(kept) >= STATEMENTS_MAX:
            del kept[next(iter(kept))]
    kept[sql] = found
    return found


def ask_about_statement(session: Session, sql: str, namespace: Namespace) -> Statement:
    from tandemdb.planner.authorized_statements import ask_about
    from tandemdb.planner.parser import parse

    parsed = parse(sql)
    assert session.authorizer is not None
    authority = Authority(session.authorizer, namespace.names)
    kind, node = kind_of(parsed.node), parsed.node
    try:
        node = ask_about(session, namespace, authority, node)
    except Ignored:
        kind, node = "empty", None
    except Exception as error:
        error.unprepared = True  # type: ignore[attr-defined]
        raise
    authority.callback = None
    shape = AuthorizedShape(node, kind, parsed.parameters, None)
    shape.answers = authority
    has_tail = parsed.end < len(sql) and rest_has_statement(sql, parsed.end)
    return Statement(sql, namespace, shape, (), has_tail)
