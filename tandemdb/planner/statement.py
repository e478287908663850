"""Statements: SQL text to a shape with its plans, in one dictionary look-up when the text was seen before.

    text ----------------> namespace.plans[text]          the Statement, made once per schema and process
      | not seen
    template, literals --> namespace.templates[template]  the Shape: one parse and its plans for all texts
      | not seen                                          that differ only in their numbers and strings
    parse

    Statement "SELECT a FROM t WHERE b = 5"   literals (5,)
         shape  SELECT a FROM t WHERE b = 5    -> Plan for an int, Plan for a text ...

Where a literal means more than its value (ORDER BY 1, the name of an unaliased column), a shape belongs to the texts
that are the same there (`Pinned`); where an index has literals of its own that the query may repeat, to one text alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.planner.access.computed import rests_on_literals
from tandemdb.planner.namespace import Namespace
from tandemdb.planner.syntax import ast
from tandemdb.planner.syntax.tree import walk

if TYPE_CHECKING:
    from tandemdb.planner.insert_reader import InsertValues

STATEMENTS_MAX = 4096
"""Texts kept per namespace; the oldest is forgotten."""
PINNED_MAX = 256
"""Shapes kept per template that differ in literals which mean more than their value."""
PLANS_MAX = 16
"""Plans kept per shape, for different classes of columns and values."""

KINDS: dict[type, str] = {
    ast.Select: "select", ast.Insert: "insert", ast.Update: "update", ast.Delete: "delete",
    ast.Begin: "begin", ast.Commit: "commit", ast.Rollback: "rollback", ast.Savepoint: "savepoint",
    ast.Release: "release", ast.Pragma: "pragma", ast.Explain: "explain", ast.Attach: "attach", ast.Detach: "detach",
    ast.Vacuum: "vacuum", ast.Reindex: "reindex", ast.Analyze: "analyze", type(None): "empty",
}  # fmt: skip
BULK_INSERT = re.compile(r"\s*(?:INSERT|REPLACE)\b", re.IGNORECASE)
BULK_CHARACTERS_MIN = 1000
"""A longer INSERT is looked at by `insert_reader` first; a shorter one is no slower by its template."""
LIFTED = frozenset({"select", "insert", "replace", "update", "delete"})


class Shape:
    """What statements of one template share: the parse and the plans."""

    __slots__ = ("node", "kind", "parameters", "literal_base", "plans")

    authority: Any = None

    def __init__(self, node: Any, kind: str, parameters: Sequence[str | None], literal_base: int | None) -> None:
        self.node = node
        self.kind = kind
        self.parameters = tuple(parameters)
        self.literal_base = literal_base
        self.plans: list[Any] = []

    def run_plan(self, roots: Sequence[Any], params: Sequence[Any], context: Any, settings: Any) -> Any:
        """(plan, batches) of the first plan that takes these tables and values; it moves to the front."""
        for place, plan in enumerate(self.plans):
            if plan.settings is settings or plan.suits(settings):
                batches = plan.run(roots, params, context)
                if batches is not None:
                    if place:
                        self.plans.insert(0, self.plans.pop(place))
                    return plan, batches
        return None

    def find_plan(self, roots: Sequence[Any], params: Sequence[Any], settings: Any) -> Any:
        """A plan that fits, moved to the front; None if there is none."""
        for place, plan in enumerate(self.plans):
            if plan.suits(settings) and plan.fits(roots, params):
                if place:
                    self.plans.insert(0, self.plans.pop(place))
                return plan
        return None

    def add_plan(self, plan: Any) -> None:
        self.plans.insert(0, plan)
        del self.plans[PLANS_MAX:]


class Statement:
    """One SQL text ready to run in one namespace."""

    __slots__ = ("sql", "namespace", "shape", "kind", "is_dml", "is_read_only", "parameters", "literals", "has_tail",
                 "columns", "column_types", "bulk")  # fmt: skip

    def __init__(self, sql: str, namespace: Namespace, shape: Shape, literals: Sequence[Any], has_tail: bool) -> None:
        self.sql = sql
        self.namespace = namespace
        self.shape = shape
        self.kind = shape.kind
        self.is_dml = shape.kind in ("insert", "replace", "update", "delete")
        self.is_read_only = shape.kind in ("select", "explain", "empty")
        self.parameters = shape.parameters
        self.literals = tuple(literals)
        self.has_tail = has_tail
        self.columns: tuple[str, ...] | None = None
        self.column_types: tuple[str | None, ...] | None = None
        self.bulk: InsertValues | None = None

    def shared_by(self, template: str) -> dict[int, str] | None:
        """The literals in whose writing those texts of a template agree that share this shape; None if none do."""
        found: Any = self.namespace.templates.get(template)
        pinned: dict[int, str] = {}
        if type(found) is Pinned:
            pinned = dict(zip(found.slots, found.key(self.sql), strict=True))
            found = found.find(self.sql)
        return pinned if type(found) is tuple and found[0] is self.shape and not found[1] else None


def prepare(sql: str, namespace: Namespace) -> Statement:
    """The statement of a text; parsed if neither it nor its template was seen with this schema.

    Raises:
        OperationalError: a syntax error, as sqlite3 words it.
    """
    from tandemdb.planner.syntax.lexer import lift_literals

    if len(sql) >= BULK_CHARACTERS_MIN and BULK_INSERT.match(sql):
        bulk = prepare_bulk(sql, namespace)
        if bulk is not None:
            return bulk
    template, literals = lift_literals(sql)
    shape = namespace.templates.get(template)
    if type(shape) is Pinned:
        shape = shape.find(sql)
    if shape is None or shape == "exact":
        statement = parse_statement(sql, namespace, template, shape == "exact")
    else:
        statement = Statement(sql, namespace, shape[0], literals, shape[1])
    namespace.plans[sql] = statement
    if len(namespace.plans) > STATEMENTS_MAX:
        namespace.plans.popitem(last=False)
    return statement


def prepare_bulk(sql: str, namespace: Namespace) -> Statement | None:
    """A long INSERT of nothing but literals: read in one pass, run as one statement for all its rows, kept by
    nobody."""
    from tandemdb.planner.insert_reader import read_insert_values

    bulk = read_insert_values(sql)
    if bulk is None:
        return None
    text = f"{bulk.prefix} ({', '.join('?' * len(bulk.rows[0]))})"
    one = namespace.plans.get(text) or prepare(text, namespace)
    statement = Statement(text, namespace, one.shape, one.literals, rest_has_statement(sql, bulk.end))
    statement.parameters = ()
    statement.bulk = bulk
    return statement


def parse_statement(sql: str, namespace: Namespace, template: str, exact: bool) -> Statement:
    from tandemdb.planner.parser import parse

    parsed = parse(sql)
    kind = kind_of(parsed.node)
    has_tail = parsed.end < len(sql) and rest_has_statement(sql, parsed.end)
    lift = kind in LIFTED and not (exact or has_tail)
    pinned: set[int] = set()
    if lift:
        parts = list(walk(parsed.node))
        lift = not rests_on_literals(parts, namespace)
        pinned = {*parsed.structural, *literals_that_matter(parts, unnamed_results(parsed.node))}
    shape = Shape(parsed.node, kind, parsed.parameters, len(parsed.parameters) if lift else None)
    if lift:
        keep_template(namespace, template, sql, pinned, (shape, has_tail))
        return Statement(sql, namespace, shape, parsed.literals, has_tail)
    if kind in LIFTED:
        namespace.templates[template] = "exact"
    return Statement(sql, namespace, shape, (), has_tail)


def keep_template(
    namespace: Namespace, template: str, sql: str, pinned: set[int], found: tuple[Shape, bool]
) -> None:
    """Remember a shape for all texts of its template, or for those with the same texts in the pinned places."""
    kept: Any = found
    if pinned:
        kept = namespace.templates.get(template)
        if type(kept) is not Pinned or not pinned <= {*kept.slots}:
            kept = Pinned(sorted(pinned))
        kept.add(sql, found)
    namespace.templates[template] = kept
    if len(namespace.templates) > STATEMENTS_MAX:
        namespace.templates.popitem(last=False)


class Pinned:
    """The shapes of a template in which some literals mean more than their value: one for each writing of those.

        SELECT a + 1 FROM t WHERE b = 5 ORDER BY 1        slots 0 (it names the column) and 2 (an ordinal): ("1", "1")
    """

    __slots__ = ("slots", "shapes")

    def __init__(self, slots: Sequence[int]) -> None:
        self.slots = slots
        self.shapes: dict[tuple[str, ...], tuple[Shape, bool]] = {}

    def key(self, sql: str) -> tuple[str, ...]:
        from tandemdb.planner.syntax.lexer import literal_texts

        texts = literal_texts(sql)
        return tuple([texts[slot] for slot in self.slots])

    def find(self, sql: str) -> tuple[Shape, bool] | None:
        return self.shapes.get(self.key(sql))

    def add(self, sql: str, found: tuple[Shape, bool]) -> None:
        if len(self.shapes) >= PINNED_MAX:
            del self.shapes[next(iter(self.shapes))]
        self.shapes[self.key(sql)] = found


def kind_of(node: Any) -> str:
    if isinstance(node, ast.Insert) and node.action == "REPLACE":
        return "replace" if node.action == "REPLACE" else "insert"
    return KINDS.get(type(node), "ddl")


def rest_has_statement(sql: str, start: int) -> bool:
    """Whether anything but white space, comments and semicolons follows."""
    from tandemdb.planner.syntax.lexer import split_script

    return next(split_script(sql[start:]), None) is not None


def unnamed_results(node: Any) -> set[int]:
    """The result columns, by identity, of what an INSERT inserts: nobody reads their names."""
    if type(node) is not ast.Insert or node.source is None:
        return set()
    cores = [core for core in node.source.cores if type(core) is ast.SelectCore]
    return {id(column) for core in cores for column in core.columns}


def literals_that_matter(parts: Sequence[Any], unnamed: set[int]) -> set[int]:
    """The slots of literals that decide something besides their value: a column's name, an ordinal, a frame's bound."""
    found: set[int] = set()
    for part in parts:
        kind = type(part)
        if kind is ast.ResultColumn:
            if part.alias is None and type(part.expression) not in PLAIN_RESULTS and id(part) not in unnamed:
                found |= slots_in(part.expression)
        elif kind is ast.OrderTerm:
            if is_ordinal(part.expression):
                found |= slots_in(part.expression)
        elif kind is ast.Select:
            # ORDER BY of a compound finds its column by being the same expression.
            if len(part.cores) > 1 and slots_in(part.order_by):
                found |= slots_in(part)
        elif kind is ast.SelectCore:
            for term in part.group_by:
                if is_ordinal(term):
                    found |= slots_in(term)
        elif kind is ast.Frame or kind is ast.Window:
            found |= slots_in(part)
    return found


def slots_in(node: Any) -> set[int]:
    return {part.slot for part in walk(node) if type(part) is ast.Literal and part.slot >= 0}


PLAIN_RESULTS = frozenset({ast.Name, ast.Star})


def is_ordinal(expression: Any) -> bool:
    while isinstance(expression, (ast.Collate, ast.Unary)):
        expression = expression.operand
    return isinstance(expression, ast.Literal)
