"""Binding queries: a parsed SELECT becomes a `bound.Query` whose names are resolved against a namespace.

    ast.Select --> Binder.bind_select --> Query
                    |  FROM    : bind_from.FromBinder turns items into sources and scope entries
                    |  columns : `*` expanded, names as sqlite3 gives them
                    |  WHERE   : split at AND into conjuncts, which the planner places where they cost least
                    |  GROUP BY, ORDER BY: ordinals and aliases resolved

What the binder read that may change between executions is recorded for the plan's guards: the column classes and the
row
counts of tables, and literals whose value (not just class) decided something (`pinned`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    AggregateRef,
    Column,
    CommonRows,
    Core,
    Expr,
    OrderKey,
    Query,
    QueryValue,
    ResultColumn,
    Rowid,
    Source,
    SourceColumn,
    walk,
    whole,
)
from tandemdb.planner.bind.expression import ExpressionBinder, order_key
from tandemdb.planner.bind.scope import NO_SCHEMA, Entry, Scope
from tandemdb.planner.bind.traits import affinity_of, canonical_collation, collation_of
from tandemdb.planner.syntax import ast
from tandemdb.planner.user_functions import Questions, UserFunctions

if TYPE_CHECKING:
    from tandemdb.planner.authorization import Authority
    from tandemdb.planner.functions.registry import ScalarFunction
    from tandemdb.planner.namespace import Namespace

COLUMNS_MAX = 2000
"""Columns of a result, SQLite's SQLITE_MAX_COLUMN."""
JOIN_MAX = 64
"""Tables of one join: SQLite keeps sets of them in the bits of a word."""


class Binder:
    """Binds the statements of one namespace; one object per compilation."""

    authority: Authority | None = None

    def __init__(
        self, namespace: Namespace, roots: Sequence[Any], users: UserFunctions, *, in_trigger: bool = False
    ) -> None:
        self.namespace = namespace
        self.roots = roots
        self.users = Questions(users)
        self.in_trigger = in_trigger
        self.common: list[dict[str, Any]] = []
        self.sources = 0
        self.variables: set[str] = set()
        self.tables_read: dict[tuple[int, int], Any] = {}
        self.pinned: set[int] = set()
        self.user_calls = False
        self.views: list[str] = []
        self.home: str | None = None
        self.locals: Callable[[ast.Name], Expr | None] | None = None

    # ---- queries

    def bind_select(self, select: ast.Select, parent: Scope | None) -> Query:
        """The bound query of a SELECT, VALUES or compound.

        Raises:
            OperationalError: as sqlite3 words it, for unknown names, wrong column counts, misplaced aggregates.
        """
        query = Query()
        if select.with_ is not None:
            self.enter_with(select.with_, query, parent, select._replace(with_=None))
        try:
            scopes = self.bind_cores(select.cores, query, parent)
            query.operators = list(select.operators)
            self.check_widths(query)
            query.columns = result_columns(query)
            self.bind_order(select, query, scopes, parent)
            self.bind_limit(select, query, parent)
        finally:
            if select.with_ is not None:
                self.common.pop()
        own = {source for core in query.cores for source in core.sources}
        query.outer -= own
        return query

    def bind_cores(
        self, nodes: Sequence[ast.SelectCore | ast.Values], query: Query, parent: Scope | None
    ) -> list[Scope]:
        """Bind the parts of a compound from left to right; of several faults the one that SQLite comes upon is told."""
        scopes = []
        for place, node in enumerate(nodes):
            try:
                core, scope = self.bind_core(node, query, parent)
            except OperationalError as error:
                raise self.first_fault(nodes[place + 1 :], error, parent) from error.__cause__
            query.cores.append(core)
            scopes.append(scope)
        return scopes

    def first_fault(
        self, later: Sequence[ast.SelectCore | ast.Values], error: OperationalError, parent: Scope | None
    ) -> OperationalError:
        """SQLite looks the tables of all parts up and then the columns, each time from the last part to the first."""
        faults = []
        for node in reversed(later):
            try:
                self.bind_core(node, Query(), parent)
            except OperationalError as other:
                faults.append(other)
        faults.append(error)
        return next((fault for fault in faults if str(fault).startswith("no such table")), faults[0])

    def bind_subquery(self, select: ast.Select, scope: Scope) -> Query:
        """A query nested in an expression or in FROM of `scope`; what it reads outside marks the scope's query too."""
        query = self.bind_select(select, scope)
        own = {entry_source for core in scope.query.cores for entry_source in core.sources}
        for source in query.outer:
            if source not in own and source not in scope.core.sources:
                scope.query.outer.add(source)
        return query

    def bind_core(self, node: ast.SelectCore | ast.Values, query: Query, parent: Scope | None) -> tuple[Core, Scope]:
        from tandemdb.planner.bind.from_items import FromBinder

        core = Core()
        scope = Scope(parent, core, query)
        if isinstance(node, ast.Values):
            self.bind_values(node, core, scope)
            return core, scope
        scope.window_definitions = {name.lower(): window for name, window in node.windows}
        sources = FromBinder(self, scope)
        if node.source is not None:
            sources.bind_items(node.source)
        binder = ExpressionBinder(self, scope)
        self.bind_results(node, core, scope, binder)
        scope.windows_allowed = False
        core.is_aggregate = scope.aggregates = core.is_aggregate or bool(node.group_by)
        if node.having is not None:
            if not core.is_aggregate:
                raise OperationalError("HAVING clause on a non-aggregate query", code="SQLITE_ERROR")
            core.having = binder.bind_scalar(node.having)
        scope.place = "WHERE"
        if node.where is not None:
            core.conjuncts.extend(split_and(binder.bind_scalar(node.where)))
        sources.bind_conditions()
        if len(core.sources) > JOIN_MAX:
            raise OperationalError(f"at most {JOIN_MAX} tables in a join", code="SQLITE_ERROR")
        check_terms("GROUP BY", node.group_by)
        # GROUP BY and ORDER BY don't see the queries around this one.
        scope.parent = None
        scope.aggregates = True
        scope.place = "GROUP BY"
        for term in node.group_by:
            core.group_by.append(self.bind_group_term(term, core, binder))
        scope.place = "ORDER BY"
        scope.windows_allowed = True
        core.distinct = node.distinct
        return core, scope

    def bind_values(self, node: ast.Values, core: Core, scope: Scope) -> None:
        binder = ExpressionBinder(self, scope)
        width = len(node.rows[0])
        for row in node.rows:
            if len(row) != width:
                raise OperationalError("all VALUES must have the same number of terms", code="SQLITE_ERROR")
        core.values = [[binder.bind_scalar(item) for item in row] for row in node.rows]
        core.results = [ResultColumn(item, f"column{i + 1}") for i, item in enumerate(core.values[0])]

    def bind_results(self, node: ast.SelectCore, core: Core, scope: Scope, binder: ExpressionBinder) -> None:
        scope.aggregates = True
        scope.windows_allowed = True
        aliases: dict[str, Expr] = {}
        for item in node.columns:
            if isinstance(item.expression, ast.Star):
                core.results.extend(self.expand_star(item.expression, scope))
                continue
            expression = binder.bind_scalar(item.expression)
            name = item.alias or column_name(item, scope)
            core.results.append(ResultColumn(expression, name, inner_name(item, len(core.results) + 1)))
            if item.alias is not None:
                aliases.setdefault(item.alias.lower(), expression)
        scope.aliases = aliases  # Known behind the result list only.
        if len(core.results) > COLUMNS_MAX:
            raise OperationalError("too many columns in result set", code="SQLITE_ERROR")

    def expand_star(self, star: ast.Star, scope: Scope) -> list[ResultColumn]:
        """The columns that `*` or `table.*` stands for."""
        found = []
        completed = any(entry.join in ("RIGHT", "FULL") for entry in scope.entries)
        for number, entry in enumerate(scope.entries):
            if star.table is not None and entry.labels is None and entry.alias.lower() != star.table.lower():
                continue
            later = scope.entries[number + 1 :]
            for position, column in enumerate(entry.columns):
                lowered = column.name.lower()
                if star.table is not None:
                    if entry.labels is not None and not entry.labels[position].matches(None, star.table, None):
                        continue
                elif column.merged or lowered in entry.using:
                    continue
                if column.hidden:
                    continue
                expression = column.expression
                if completed and any(lowered in other.using for other in later):
                    shared = scope.find_here(column.name, None, None)
                    expression = expression if shared is None else shared.expression
                elif len(scope.entries) > 1 and entry.labels is None:
                    # Two tables of one name: what SQLite makes of the star is ambiguous.
                    scope.find_here(column.name, entry.alias, entry.schema or NO_SCHEMA)
                found.append(ResultColumn(expression, column.name))
        if not found:
            text = "no tables specified" if star.table is None else f"no such table: {star.table}"
            raise OperationalError(text, code="SQLITE_ERROR")
        return found

    def bind_group_term(self, term: Any, core: Core, binder: ExpressionBinder) -> Expr:
        position = self.ordinal(term)
        if position is None:
            return binder.bind_scalar(term)
        if not 1 <= position <= len(core.results):
            raise OperationalError(
                f"{nth(len(core.group_by) + 1)} GROUP BY term out of range - should be between 1 and "
                f"{len(core.results)}",
                code="SQLITE_ERROR",
            )
        bound = core.results[position - 1].expression
        if any(isinstance(part, AggregateRef) for part in walk(bound)):
            raise OperationalError("aggregate functions are not allowed in the GROUP BY clause", code="SQLITE_ERROR")
        return bound

    def ordinal(self, term: Any) -> int | None:
        """The value of an integer literal of 32 bits that stands alone, as ORDER BY 2 has it."""
        sign = 1
        while isinstance(term, ast.Collate) or (isinstance(term, ast.Unary) and term.operator in "+-"):
            if isinstance(term, ast.Unary) and term.operator == "-":
                sign = -sign
            term = term.operand
        if not isinstance(term, ast.Literal) or type(term.value) is not int or term.value >= 2**31:
            return None
        self.pin(term)
        return sign * term.value

    def pin(self, literal: ast.Literal) -> None:
        if literal.slot >= 0:
            self.pinned.add(literal.slot)

    # ---- ORDER BY and LIMIT

    def bind_order(self, select: ast.Select, query: Query, scopes: Sequence[Scope], parent: Scope | None) -> None:
        check_terms("ORDER BY", select.order_by)
        for number, term in enumerate(select.order_by, 1):
            query.order_by.append(self.bind_order_term(number, term, query, scopes))

    def bind_order_term(self, number: int, term: ast.OrderTerm, query: Query, scopes: Sequence[Scope]) -> OrderKey:
        width = len(query.columns)
        collation = None
        if isinstance(term.expression, ast.Collate):
            self.check_collation(term.expression.collation)
            collation = canonical_collation(term.expression.collation)
        position = self.ordinal(term.expression)
        if position is not None:
            if not 1 <= position <= width:
                raise OperationalError(
                    f"{nth(number)} ORDER BY term out of range - should be between 1 and {width}", code="SQLITE_ERROR"
                )
            return self.order_position(query, position - 1, term, collation)
        if len(query.cores) > 1 or query.cores[0].values is not None:
            return self.bind_compound_term(number, term, query, scopes, collation)
        core, scope = query.cores[0], scopes[0]
        plain = term.expression
        while isinstance(plain, ast.Collate):
            plain = plain.operand
        if isinstance(plain, ast.Name) and plain.table is None and plain.column.lower() in scope.aliases:
            target = scope.aliases[plain.column.lower()]
            for index, column in enumerate(core.results):
                if column.expression is target:
                    return self.order_position(query, index, term, collation)
        expression = ExpressionBinder(self, scope).bind_scalar(term.expression)
        bare = expression.operand if isinstance(expression, ast.Collate) else expression
        for index, column in enumerate(core.results):
            if column.expression == bare and type(column.expression) is type(bare):
                return self.order_position(query, index, term, collation)
        return order_key(expression, -1, term)

    def order_position(self, query: Query, index: int, term: ast.OrderTerm, collation: str | None) -> OrderKey:
        if collation is None:
            collation = compound_collation(query, index)
            self.check_collation(collation)
        return order_key(None, index, term, collation)

    def bind_compound_term(
        self, number: int, term: ast.OrderTerm, query: Query, scopes: Sequence[Scope], collation: str | None
    ) -> OrderKey:
        """In a compound a term must be a column of the result: by alias, or by being the same expression."""
        plain = term.expression
        while isinstance(plain, ast.Collate):
            plain = plain.operand
        for core, scope in zip(query.cores, scopes, strict=True):
            if isinstance(plain, ast.Name) and plain.table is None:
                for index, column in enumerate(core.results):
                    if column.name.lower() == plain.column.lower():
                        return self.order_position(query, index, term, collation)
            try:
                expression = ExpressionBinder(self, scope).bind_scalar(plain)
            except OperationalError:
                continue
            for index, column in enumerate(core.results):
                if without_slots(column.expression) == without_slots(expression):
                    return self.order_position(query, index, term, collation)
        raise OperationalError(
            f"{nth(number)} ORDER BY term does not match any column in the result set", code="SQLITE_ERROR"
        )

    def bind_limit(self, select: ast.Select, query: Query, parent: Scope | None) -> None:
        binder = ExpressionBinder(self, Scope(None, Core(), query))
        if select.limit is not None:
            query.limit = binder.bind_scalar(select.limit)
        if select.offset is not None:
            query.offset = binder.bind_scalar(select.offset)

    def check_widths(self, query: Query) -> None:
        width = len(query.cores[0].results)
        for operator, core in zip(query.operators, query.cores[1:], strict=True):
            if len(core.results) != width:
                if core.values is not None and query.cores[0].values is not None:
                    raise OperationalError("all VALUES must have the same number of terms", code="SQLITE_ERROR")
                raise OperationalError(
                    f"SELECTs to the left and right of {operator} do not have the same number of result columns",
                    code="SQLITE_ERROR",
                )

    # ---- common table expressions

    def enter_with(self, with_: ast.With, query: Query, parent: Scope | None, main: Any = None) -> None:
        """Make the tables of a WITH clause known to `main`, the statement that it stands before."""
        from tandemdb.planner.bind.common import CHAIN_MAX, CommonDefinition, bind_in_order

        frame: dict[str, Any] = {}
        self.common.append(frame)
        for table in with_.tables:
            if table.name.lower() in frame:
                raise OperationalError(f"duplicate WITH table name: {table.name}", code="SQLITE_ERROR")
            frame[table.name.lower()] = CommonDefinition(table, len(self.common), query, parent)
        if len(frame) > CHAIN_MAX:
            bind_in_order(self, frame, main)

    def find_common(self, name: str) -> Any:
        lowered = name.lower()
        for frame in reversed(self.common):
            found = frame.get(lowered)
            if found is not None:
                return found
        return None

    # ---- functions

    def scalar_function(self, name: str, count: int) -> ScalarFunction:
        from tandemdb.planner.functions.registry import SCALARS, find_scalar

        if name.lower() not in SCALARS:
            self.users.check_arity(name)
        return find_scalar(name, count)

    def user_function(self, name: str, count: int) -> Any:
        """The determinism flag of a connection's own function, None where the name is not one."""
        found = self.users.scalar(name, count)
        if found is not None:
            self.user_calls = True
        return found

    def aggregate_function(self, name: str, count: int, star: bool) -> tuple[Any] | None:
        """A one-tuple with the built-in aggregate, or with None for a registered one; None if it is no aggregate."""
        if self.users.aggregate(name, count):
            self.user_calls = True
            return (None,)
        if name in ("min", "max") and count != 1:
            return None
        from tandemdb.planner.functions.registry import AGGREGATES, find_aggregate

        if name not in AGGREGATES or self.users.scalar(name, count) is not None:
            return None
        if star and name != "count":
            raise OperationalError(f"wrong number of arguments to function {name}()", code="SQLITE_ERROR")
        return (find_aggregate(name, 0 if star else count),)

    def check_collation(self, name: str) -> None:
        if not self.users.has_collation(name):
            raise OperationalError(f"no such collation sequence: {name}", code="SQLITE_ERROR_MISSING_COLLSEQ")

    # ---- sources

    def new_source(self, alias: str, columns: Sequence[SourceColumn], core: Core) -> Source:
        source = Source(self.sources, alias, columns)
        self.sources += 1
        source.variable = variable_name(alias, source.number)
        self.variables.add(source.variable)
        core.sources.append(source)
        return source


def check_terms(clause: str, terms: Sequence[Any]) -> None:
    if len(terms) > COLUMNS_MAX:
        raise OperationalError(f"too many terms in {clause} clause", code="SQLITE_ERROR")


def variable_name(alias: str, number: int) -> str:
    """A name for the generated code that shows which table the row is from: `city_0`."""
    cleaned = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in alias.lower())
    return f"{cleaned or 'row'}_{number}" if not cleaned[:1].isdigit() else f"t{cleaned}_{number}"


def without_slots(expression: Expr) -> Expr:
    """The expression in a form that compares equal for the same text: literals by value and type, wherever they
    stand.
    """
    if isinstance(expression, ast.Literal):
        return type(expression.value), expression.value
    if isinstance(expression, (tuple, list)):
        return type(expression).__name__, *map(without_slots, expression)
    return expression


def split_and(expression: Expr) -> list[Expr]:
    """The terms of a conjunction, with those that all arms of an OR have in common drawn out.

    `(a = b AND c) OR (a = b AND d)` also says `a = b`, which may find rows by a key or join two tables.
    """
    pending, found = [expression], []
    while pending:
        node = pending.pop()
        plain = whole(node)
        if isinstance(plain, ast.Binary) and plain.operator == "AND":
            pending.append(plain.right)
            pending.append(plain.left)
        else:
            found.append(node)
            if isinstance(node, ast.Binary) and node.operator == "OR":
                found.extend(common_terms(node))
    return found


def common_terms(node: Expr) -> list[Expr]:
    """The conjuncts that stand in every arm of an OR."""
    arms = chain_of(node, "OR")
    common = chain_of(arms[0], "AND")
    for arm in arms[1:]:
        terms = chain_of(arm, "AND")
        common = [term for term in common if any(type(term) is type(other) and term == other for other in terms)]
        if not common:
            break
    return common


def chain_of(node: Expr, operator: str) -> list[Expr]:
    """The operands of a chain of AND or of OR, in their order."""
    pending, found = [node], []
    while pending:
        item = pending.pop()
        if isinstance(item, ast.Binary) and item.operator == operator:
            pending.append(item.right)
            pending.append(item.left)
        else:
            found.append(item)
    return found


def column_name(item: ast.ResultColumn, scope: Scope) -> str:
    """The name sqlite3 gives an unaliased column: the table's own spelling for a column, else the source text."""
    node = item.expression
    if isinstance(node, ast.Name):
        found = scope.look_up(node.column, node.table, node.schema)
        if found is not None and found.name is not None:
            return found.name
    return item.text


def inner_name(item: ast.ResultColumn, number: int) -> str:
    """The name of an unaliased column inside a subquery: a column as it is spelled there, any other by its text."""
    if item.alias is not None:
        return item.alias
    node = item.expression
    while isinstance(node, ast.Collate):
        node = node.operand
    name = node.column if isinstance(node, ast.Name) else item.text
    return name if name.lower() not in ("true", "false") else f"column{number}"


def result_columns(query: Query) -> list[SourceColumn]:
    """The columns a query offers to the one around it."""
    columns = []
    first = query.cores[0]
    for index, result in enumerate(first.results):
        expression = result.expression
        affinity = affinity_of(expression)
        type_name = None
        if isinstance(expression, Column):
            type_name = expression.source.columns[expression.position].type_name
        elif isinstance(expression, Rowid):
            type_name = "INTEGER"
        elif isinstance(expression, QueryValue):
            type_name = expression.query.columns[expression.position].type_name
        columns.append(SourceColumn(result.name, affinity, compound_collation(query, index), HOLDS_ANY, type_name))
    return columns


def compound_collation(query: Query, index: int) -> str:
    """The collation of a result column: the first core's that brings one."""
    for core in query.cores:
        found = collation_of(core.results[index].expression)
        if found is not None:
            return found[0]
    return "BINARY"


def nth(number: int) -> str:
    """1st, 2nd, 3rd, 4th ..., as sqlite3's messages count."""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"


__all__ = ["Binder", "CommonRows", "Entry", "UserFunctions", "nth", "split_and"]
