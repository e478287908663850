"""Binding expressions: the parser's tree with names resolved, calls looked up and row values taken apart.

    Name('name', 'c')       -> Column(Source 0 (city as c), 1)
    Call('upper', [x])      -> FunctionCall(upper, [x])
    Call('count', star)     -> AggregateRef(core, 0), with the aggregate registered in the core that owns it
    Subquery(select)        -> QueryValue(query), the query bound in a scope of its own
    (a, b) < (c, d)         -> a < c OR (a = c AND b < d)

Chains such as `a AND b AND ...` lean to the left and may be a thousand long: their spine is walked in a loop, and cut
into
parts that the generated code computes one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.errors import NotSupportedError, OperationalError, did_you_mean
from tandemdb.planner.bind.bound import (
    Aggregate,
    AggregateRef,
    Between,
    Column,
    Expr,
    FunctionCall,
    Local,
    OrderKey,
    Query,
    QueryExists,
    QueryIn,
    QueryValue,
    Rowid,
    UserCall,
    sources_of,
    walk,
)
from tandemdb.planner.bind.scope import Scope
from tandemdb.planner.bind.traits import collation_of, comparison_collation, part_of
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import Binder

PART_DEPTH = 16
"""Levels of operators that one generated expression may have below another on the left."""
COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT"})
NULL = ast.Literal(None)


class Bound(NamedTuple):
    """In place of a parsed operand: its bound form."""

    expression: Expr


class ExpressionBinder:
    """Binds the expressions of one scope."""

    __slots__ = ("binder", "scope")

    def __init__(self, binder: Binder, scope: Scope) -> None:
        self.binder = binder
        self.scope = scope

    def bind(self, node: Any) -> Expr:
        """The bound form of one expression.

        Raises:
            OperationalError: unknown or ambiguous names, wrong argument counts, misuse of aggregates.
        """
        kind = type(node)
        if kind in LEFT_PLACES:
            spine, current = [], node
            while type(current) in LEFT_PLACES:
                spine.append(current)
                current = current[LEFT_PLACES[type(current)]]
            if len(spine) > PART_DEPTH:
                return self.bind_spine(spine, current)
        return BINDERS[kind](self, node)

    def bind_spine(self, spine: Sequence[Any], leaf: Any) -> Expr:
        """A chain that leans to the left, from its leaf upwards, in parts."""
        bound = self.bind(leaf)
        for number, link in enumerate(reversed(spine), 1):
            place = LEFT_PLACES[type(link)]
            bound = BINDERS[type(link)](self, type(link)._make((*link[:place], Bound(bound), *link[place + 1 :])))
            if number % PART_DEPTH == 0 and row_items(bound) is None:
                bound = part_of(bound)
        return bound

    def bind_bound(self, node: Bound) -> Expr:
        return node.expression

    def bind_scalar(self, node: Any) -> Expr:
        """As bind, for a place where a row value is not allowed."""
        return self.scalar(self.bind(node))

    def scalar(self, bound: Expr) -> Expr:
        if isinstance(bound, ast.RowValue):
            raise OperationalError("row value misused", code="SQLITE_ERROR")
        if isinstance(bound, QueryValue) and len(bound.query.columns) != 1:
            count = len(bound.query.columns)
            raise OperationalError(f"sub-select returns {count} columns - expected 1", code="SQLITE_ERROR")
        return bound

    # ---- leaves

    def bind_literal(self, node: ast.Literal) -> Expr:
        return node

    def bind_name(self, node: ast.Name) -> Expr:
        found = self.scope.resolve(node.column, node.table, node.schema)
        if found is not None:
            authority = self.binder.authority
            return self.checked_use(found if authority is None else authority.read(found))
        if node.table is not None and self.binder.locals is not None:
            local = self.binder.locals(node)
            if local is not None:
                return local
        if node.table is None:
            lowered = node.column.lower()
            if node.quoted:
                return ast.Literal(node.column)
            if lowered == "true":
                return ast.Literal(1)
            if lowered == "false":
                return ast.Literal(0)
        shown = ".".join(part for part in (node.schema, node.table, node.column) if part)
        hint = did_you_mean(node.column, self.scope.column_names(node.table))
        raise OperationalError(f"no such column: {shown}", code="SQLITE_ERROR", hint=hint)

    def checked_use(self, found: Expr) -> Expr:
        """Refuse an alias of an aggregate or window function where none may stand."""
        if not self.scope.windows_allowed and self.scope.core.windows and alias_of(self.scope, found):
            from tandemdb.planner.bind.window import misuse_of_alias

            misuse_of_alias(self.scope, alias_of(self.scope, found), walk(found))
        if not self.scope.aggregates or self.scope.place:
            for part in walk(found):
                if isinstance(part, AggregateRef) and part.core is self.scope.core:
                    if not self.scope.aggregates:
                        alias = alias_of(self.scope, found)
                        raise OperationalError(f"misuse of aliased aggregate {alias}", code="SQLITE_ERROR")
                    misplaced_aggregate(self.scope, part.core.aggregates[part.index].name)
        return found

    def bind_star(self, node: ast.Star) -> Expr:
        raise OperationalError('near "*": syntax error', code="SQLITE_ERROR")

    # ---- operators

    def bind_unary(self, node: ast.Unary) -> Expr:
        return ast.Unary(node.operator, self.bind_scalar(node.operand))

    def bind_binary(self, node: ast.Binary) -> Expr:
        if node.operator in COMPARISONS:
            if node.operator in ("IS", "IS NOT") and self.is_truth_word(node.right):
                return self.bind_truth(node)
            return self.bind_comparison(node.operator, self.bind(node.left), self.bind(node.right))
        return self.bind_operator(node.operator, self.bind_scalar(node.left), node.right)

    def bind_operator(self, operator: str, left: Expr, right: Any) -> Expr:
        if operator in ("->", "->>"):
            if self.binder.authority is not None and not self.binder.authority.function(operator):
                return NULL
            function = self.binder.scalar_function(operator, 2)
            return FunctionCall(function, operator, (left, self.bind_scalar(right)))
        return ast.Binary(operator, left, self.bind_scalar(right))

    def is_truth_word(self, node: Any) -> bool:
        """Whether an operand is the word TRUE or FALSE, and no column of that name."""
        while isinstance(node, ast.Collate):
            node = node.operand
        if not isinstance(node, ast.Name) or node.table is not None or node.quoted:
            return False
        return node.column.lower() in ("true", "false") and self.scope.resolve(node.column, None, None) is None

    def bind_truth(self, node: ast.Binary) -> Expr:
        """x IS [NOT] TRUE or FALSE: a test of x as a condition, never NULL."""
        word: Any = node.right
        while isinstance(word, ast.Collate):
            word = word.operand
        operand = self.bind_scalar(node.left)
        condition = operand if word.column.lower() == "true" else ast.Unary("NOT", operand)
        holds = node.operator == "IS"
        return ast.Case(None, [(condition, ast.Literal(int(holds)))], ast.Literal(int(not holds)))

    def bind_comparison(self, operator: str, left: Expr, right: Expr) -> Expr:
        left_items, right_items = row_items(left), row_items(right)
        if left_items is None and right_items is None:
            self.binder.check_collation(comparison_collation(left, right))
            return ast.Binary(operator, left, right)
        if left_items is None or right_items is None or len(left_items) != len(right_items):
            raise OperationalError("row value misused", code="SQLITE_ERROR")
        return compare_rows(operator, left_items, right_items)

    def bind_is_null(self, node: ast.IsNull) -> Expr:
        return ast.IsNull(self.bind_scalar(node.operand), node.negated)

    def bind_between(self, node: ast.Between) -> Expr:
        operand, low, high = self.bind(node.operand), self.bind(node.low), self.bind(node.high)
        if not isinstance(operand, CHEAP) and row_items(operand) is None:
            between: Any = Between(self.scalar(operand), self.scalar(low), self.scalar(high))
            return ast.Unary("NOT", between) if node.negated else between
        both = ast.Binary(
            "AND", self.bind_comparison(">=", operand, low), self.bind_comparison("<=", operand, high)
        )
        return ast.Unary("NOT", both) if node.negated else both

    def bind_like(self, node: ast.Like) -> Expr:
        if self.binder.authority is not None and not self.binder.authority.function(node.operator.lower()):
            return NULL
        operand, pattern = self.bind_scalar(node.operand), self.bind_scalar(node.pattern)
        escape = None if node.escape is None else self.bind_scalar(node.escape)
        name = node.operator.lower()
        arguments = [pattern, operand] if escape is None else [pattern, operand, escape]
        user = self.binder.user_function(name, len(arguments))
        if user is not None:
            bound: Expr = UserCall(name, arguments, user)
            return ast.Unary("NOT", bound) if node.negated else bound
        if name in ("regexp", "match"):
            if name == "match":
                raise OperationalError("unable to use function MATCH in the requested context", code="SQLITE_ERROR")
            raise OperationalError(f"no such function: {node.operator}", code="SQLITE_ERROR")
        return ast.Like(node.operator, operand, pattern, escape, node.negated)

    def bind_in_list(self, node: ast.InList) -> Expr:
        operand = self.bind(node.operand)
        items = row_items(operand)
        if items is None:
            bound = [self.bind_scalar(item) for item in node.items]
            if len(bound) == 1 and isinstance(bound[0], ast.Collate):
                # SQLite makes `x = +y` of a list of one constant, whose COLLATE then counts.
                equal = ast.Binary("=", operand, ast.Unary("+", bound[0]))
                return ast.Unary("NOT", equal) if node.negated else equal
            return ast.InList(operand, bound, node.negated)
        if not node.items:
            return ast.Literal(1 if node.negated else 0)
        equals = []
        for item in node.items:
            other = self.bind(item)
            found = row_items(other) or [other]
            if len(found) != len(items):
                counted = "1 term" if len(found) == 1 else f"{len(found)} terms"
                raise OperationalError(f"IN(...) element has {counted} - expected {len(items)}", code="SQLITE_ERROR")
            equals.append(self.bind_comparison("=", operand, other))
        either = joined("OR", equals)
        return ast.Unary("NOT", either) if node.negated else either

    def bind_in_select(self, node: ast.InSelect) -> Expr:
        query = self.binder.bind_subquery(node.select, self.scope)  # SQLite, too, finds the faults in it first.
        query.unordered = True
        operand = self.bind(node.operand)
        items = row_items(operand) or [operand]
        if len(query.columns) != len(items):
            if len(items) == 1:
                text = f"sub-select returns {len(query.columns)} columns - expected 1"
            else:
                text = f"sub-select returns {len(query.columns)} columns - expected {len(items)}"
            raise OperationalError(text, code="SQLITE_ERROR")
        return QueryIn(tuple(items), query, node.negated)

    def bind_exists(self, node: ast.Exists) -> Expr:
        query = self.binder.bind_subquery(node.select, self.scope)
        query.unordered = True
        return QueryExists(query)

    def bind_subquery(self, node: ast.Subquery) -> Expr:
        return QueryValue(self.binder.bind_subquery(node.select, self.scope))

    def bind_case(self, node: ast.Case) -> Expr:
        operand = None if node.operand is None else self.bind(node.operand)
        if operand is not None and row_items(operand) is not None:
            whens = [
                (self.bind_comparison("=", operand, self.bind(when)), self.bind_scalar(then))
                for when, then in node.whens
            ]
            operand = None
        else:
            whens = [(self.bind_scalar(when), self.bind_scalar(then)) for when, then in node.whens]
        otherwise = None if node.otherwise is None else self.bind_scalar(node.otherwise)
        return ast.Case(operand, whens, otherwise)

    def bind_cast(self, node: ast.Cast) -> Expr:
        return ast.Cast(self.bind_scalar(node.operand), node.type_name)

    def bind_collate(self, node: ast.Collate) -> Expr:
        self.binder.check_collation(node.collation)
        return ast.Collate(self.bind_scalar(node.operand), node.collation)

    def bind_row_value(self, node: ast.RowValue) -> Expr:
        return ast.RowValue([self.bind_scalar(item) for item in node.items])

    def bind_raise(self, node: ast.Raise) -> Expr:
        if not self.binder.in_trigger:
            raise OperationalError("RAISE() may only be used within a trigger-program", code="SQLITE_ERROR")
        return ast.Raise(node.action, None if node.message is None else self.bind_scalar(node.message))

    # ---- calls

    def bind_call(self, node: ast.Call) -> Expr:
        if self.binder.authority is not None and not self.binder.authority.function(node.name.lower()):
            return NULL
        if node.over is not None:
            from tandemdb.planner.bind.window import bind_window_call

            return bind_window_call(self, node)
        name = node.name.lower()
        count = 0 if node.star else len(node.arguments)
        if name in WINDOW_ONLY and not self.binder.users.aggregate(name, count):
            from tandemdb.planner.bind.window import check_misuse

            check_misuse(self.binder, node, count)
        aggregate = self.binder.aggregate_function(name, count, node.star)
        if aggregate is not None:
            return self.bind_aggregate(node, name, aggregate[0])
        if node.filter is not None:
            raise OperationalError(f"FILTER may not be used with non-aggregate {node.name}()", code="SQLITE_ERROR")
        user = self.binder.user_function(name, count)
        if user is not None:
            return UserCall(name, [self.bind_scalar(item) for item in node.arguments], user)
        function = self.binder.scalar_function(node.name, count)
        return FunctionCall(function, name, [self.bind_scalar(item) for item in node.arguments])

    def bind_aggregate(self, node: ast.Call, name: str, function: Any) -> Expr:
        scope = self.scope
        if not scope.aggregates or scope.in_aggregate:
            raise OperationalError(f"misuse of aggregate function {node.name}()", code="SQLITE_ERROR")
        owner = self.owner_of(node)
        if owner.place:
            misplaced_aggregate(owner, node.name)
        was, owner.in_aggregate = owner.in_aggregate, name
        inner = self if owner is scope else ExpressionBinder(self.binder, owner)
        try:
            arguments = [inner.bind_scalar(item) for item in node.arguments]
            filter_ = None if node.filter is None else inner.bind_scalar(node.filter)
            order_by = [inner.bind_order_term(term) for term in node.order_by]
        finally:
            owner.in_aggregate = was
        if node.distinct and len(arguments) != 1:
            raise OperationalError("DISTINCT aggregates must have exactly one argument", code="SQLITE_ERROR")
        call = Aggregate(name, function, arguments, node.distinct, order_by, filter_, node.star)
        core = owner.core
        core.is_aggregate = True
        if call not in core.aggregates:
            core.aggregates.append(call)
        found = AggregateRef(core, core.aggregates.index(call))
        if owner is not scope:
            self.mark_crossing(owner, found)
        return found

    def owner_of(self, node: ast.Call) -> Scope:
        """The scope whose rows an aggregate sums up: the innermost one whose columns its arguments read."""
        scope = self.scope
        if scope.parent is None or not node.arguments or (scope.aggregates and not self.reads_only_outside(node)):
            return scope
        if not self.reads_only_outside(node):
            return scope
        outer: Scope | None = scope.parent
        while outer is not None:
            if outer.place == "WHERE" or (outer.aggregates and not outer.in_aggregate):
                return outer
            outer = outer.parent
        return scope

    def reads_only_outside(self, node: ast.Call) -> bool:
        """Whether the arguments read columns, and only columns of queries around this one."""
        probe = Scope(self.scope.parent, self.scope.core, Query())
        if self.scope.parent is None or not node.arguments:
            return False
        binder = ExpressionBinder(self.binder, probe)
        try:
            read = [sources_of(binder.bind(item)) for item in node.arguments]
        except OperationalError:
            return False
        for item in node.arguments:
            for name in walk(item):
                if isinstance(name, ast.Name) and self.scope.find_here(name.column, name.table, name.schema):
                    return False
        return any(read)

    def mark_crossing(self, owner: Scope, found: AggregateRef) -> None:
        scope: Scope | None = self.scope
        while scope is not None and scope is not owner:
            scope.query.outer.update(found.core.sources)
            scope = scope.parent

    def bind_order_term(self, term: ast.OrderTerm) -> OrderKey:
        """An ORDER BY term that is always an expression (in aggregates and windows)."""
        expression = self.bind_scalar(term.expression)
        return order_key(expression, -1, term)


WINDOW_ONLY = frozenset({
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value",
    "last_value",
    "nth_value",
})  # fmt: skip
"""Functions that need OVER."""


def misplaced_aggregate(scope: Scope, name: str) -> None:
    """Refuse an aggregate in a clause that is computed before there are groups."""
    if scope.place == "GROUP BY":
        raise OperationalError("aggregate functions are not allowed in the GROUP BY clause", code="SQLITE_ERROR")
    if scope.place == "WHERE" or (not scope.core.is_aggregate and scope.core.sources):
        raise OperationalError(f"misuse of aggregate: {name}()", code="SQLITE_ERROR")


def alias_of(scope: Scope, expression: Expr) -> str:
    for alias, target in scope.aliases.items():
        if target is expression:
            return alias
    return ""


def order_key(expression: Expr | None, position: int, term: ast.OrderTerm, collation: str | None = None) -> OrderKey:
    """The sort key of a term: NULLs come first ascending and last descending unless NULLS says otherwise."""
    nulls_first = not term.descending if term.nulls is None else term.nulls == "FIRST"
    if collation is None:
        found = None if expression is None else collation_of(expression)
        collation = found[0] if found else "BINARY"
    return OrderKey(expression, position, term.descending, nulls_first, collation)


def row_items(expression: Expr) -> list[Expr] | None:
    """The items of a row value or of a subquery with several columns; None for a scalar."""
    if isinstance(expression, ast.RowValue):
        return list(expression.items)
    if isinstance(expression, QueryValue) and len(expression.query.columns) > 1:
        return [QueryValue(expression.query, position) for position in range(len(expression.query.columns))]
    return None


def compare_rows(operator: str, left: Sequence[Expr], right: Sequence[Expr]) -> Expr:
    """A comparison of row values as comparisons of their items (https://www.sqlite.org/rowvalue.html)."""
    if operator in ("=", "IS"):
        return joined("AND", [ast.Binary(operator, a, b) for a, b in zip(left, right, strict=True)])
    if operator in ("<>", "IS NOT"):
        return joined("OR", [ast.Binary(operator, a, b) for a, b in zip(left, right, strict=True)])
    strict = operator[0]
    bound: Expr = ast.Binary(operator, left[-1], right[-1])
    for number, (a, b) in enumerate(reversed(list(zip(left[:-1], right[:-1], strict=True))), 1):
        bound = ast.Binary("OR", ast.Binary(strict, a, b), ast.Binary("AND", ast.Binary("=", a, b), bound))
        if number % PART_DEPTH == 0:
            bound = part_of(bound)
    return bound


def joined(operator: str, terms: Sequence[Expr]) -> Expr:
    bound = terms[0]
    for number, term in enumerate(terms[1:], 1):
        bound = ast.Binary(operator, bound, term)
        if number % PART_DEPTH == 0:
            bound = part_of(bound)
    return bound


def refuse(feature: str) -> NotSupportedError:
    return NotSupportedError(f"tandemdb does not support {feature} yet")


CHEAP = (Column, Rowid, Local, ast.Literal, ast.Parameter, QueryValue)
"""What may be computed twice."""

LEFT_PLACES: dict[type, int] = {
    ast.Binary: 1, ast.Like: 1, ast.Between: 0, ast.IsNull: 0, ast.Collate: 0, ast.InList: 0, ast.InSelect: 0,
}  # fmt: skip
"""Nodes that a chain to the left is made of, and the place of their left operand."""

BINDERS: dict[type, Callable[[ExpressionBinder, Any], Expr]] = {
    ast.Literal: ExpressionBinder.bind_literal,
    ast.Parameter: ExpressionBinder.bind_literal,
    ast.Name: ExpressionBinder.bind_name,
    ast.Star: ExpressionBinder.bind_star,
    ast.Unary: ExpressionBinder.bind_unary,
    ast.Binary: ExpressionBinder.bind_binary,
    ast.IsNull: ExpressionBinder.bind_is_null,
    ast.Like: ExpressionBinder.bind_like,
    ast.Between: ExpressionBinder.bind_between,
    ast.InList: ExpressionBinder.bind_in_list,
    ast.InSelect: ExpressionBinder.bind_in_select,
    ast.Exists: ExpressionBinder.bind_exists,
    ast.Subquery: ExpressionBinder.bind_subquery,
    ast.Case: ExpressionBinder.bind_case,
    ast.Cast: ExpressionBinder.bind_cast,
    ast.Collate: ExpressionBinder.bind_collate,
    ast.Call: ExpressionBinder.bind_call,
    ast.RowValue: ExpressionBinder.bind_row_value,
    ast.Raise: ExpressionBinder.bind_raise,
    Bound: ExpressionBinder.bind_bound,
    # Already bound: a result alias used inside another expression.
    Column: ExpressionBinder.bind_literal,
    Rowid: ExpressionBinder.bind_literal,
    FunctionCall: ExpressionBinder.bind_literal,
    UserCall: ExpressionBinder.bind_literal,
}
