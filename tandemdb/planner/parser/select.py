"""SELECT, VALUES, compounds, FROM and WITH.

    WITH c AS (...) SELECT ... UNION VALUES (...) ORDER BY 1 LIMIT 2
    |               |      core    |  core     |
    with_           cores and operators        order_by, limit of the whole

ORDER BY and LIMIT are read behind each core, as SQLite's grammar has them, and refused afterwards behind all but
the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.parser.expressions import LOOSEST, SELECT_STARTS, ExpressionParser
from tandemdb.planner.parser.limits import COMPOUND_TERMS_MAX, SOURCES_MAX, STACK_DEPTH_MAX
from tandemdb.planner.syntax.ast import (
    CommonTable,
    Expression,
    Join,
    OrderTerm,
    ResultColumn,
    Select,
    SelectCore,
    Source,
    Star,
    SubquerySource,
    TableSource,
    Values,
    Window,
    With,
)
from tandemdb.planner.syntax.keywords import IDENTIFIERS_OR_STRING, JOIN_WORDS, NAMES

COMPOUND_WORDS = frozenset(["UNION", "EXCEPT", "INTERSECT"])
JOIN_STARTS = JOIN_WORDS | {",", "JOIN"}
BEHIND_SOURCE = JOIN_STARTS | COMPOUND_WORDS | set("WHERE GROUP HAVING WINDOW ORDER LIMIT RETURNING ON ) ; end".split())


class Tail(NamedTuple):
    """ORDER BY, LIMIT and OFFSET behind a core."""

    order_by: Sequence[OrderTerm] = ()
    limit: Expression | None = None
    offset: Expression | None = None


NO_TAIL = Tail()


class SelectParser(ExpressionParser):
    """Reads queries."""

    def select(self, depth: int) -> Select:
        """Read a whole query, WITH included; the position is at SELECT, VALUES or WITH."""
        with_ = None
        if self.kind == "WITH":
            with_ = self.with_clause(depth)
            depth += 2
        return self.select_without_with(with_, depth)

    def select_without_with(self, with_: With | None, depth: int) -> Select:
        core, tail = self.core(depth)
        if self.kind not in COMPOUND_WORDS:
            return Select((core,), (), tail.order_by, tail.limit, tail.offset, with_)
        cores = [core]
        tails = [tail]
        operators = []
        while self.kind in COMPOUND_WORDS:
            operator = self.kind
            self.advance()
            if operator == "UNION" and self.accept("ALL"):
                operator = "UNION ALL"
            operators.append(operator)
            core, tail = self.core(depth + 2)
            cores.append(core)
            tails.append(tail)
        check_compound(tails, operators)
        return Select(tuple(cores), tuple(operators), tail.order_by, tail.limit, tail.offset, with_)

    def core(self, depth: int) -> tuple[SelectCore | Values, Tail]:
        if self.kind == "VALUES":
            return self.values(depth), NO_TAIL
        if self.kind != "SELECT":
            self.fail()
        self.check_depth(depth + 9)
        self.advance()
        distinct = False
        if self.kind == "DISTINCT" or self.kind == "ALL":
            distinct = self.kind == "DISTINCT"
            self.advance()
        columns = self.result_columns(depth + 2)
        source = None
        if self.kind == "FROM":
            self.advance()
            source = self.source(depth + 4)
        where = None
        if self.kind == "WHERE":
            self.advance()
            where = self.expression(LOOSEST, depth + 5)
        group_by: Sequence[Expression] = ()
        if self.kind == "GROUP":
            self.advance()
            self.expect("BY")
            group_by = self.expressions(depth + 7)
        having = None
        if self.kind == "HAVING":
            self.advance()
            having = self.expression(LOOSEST, depth + 7)
        windows: Sequence[tuple[str, Window]] = ()
        if self.kind == "WINDOW":
            windows = self.windows(depth + 8)
        tail = NO_TAIL
        if self.kind == "ORDER" or self.kind == "LIMIT":
            tail = self.tail(depth + 7)
        return SelectCore(columns, distinct, source, where, group_by, having, windows), tail

    def values(self, depth: int) -> Values:
        self.check_depth(depth + 4)
        self.advance()
        rows: list[Sequence[Expression]] = []
        while True:
            self.expect("(")
            rows.append(self.expressions(depth + 3 if rows else depth + 2))
            self.expect(")")
            if not self.accept(","):
                return Values(tuple(rows))

    def tail(self, depth: int) -> Tail:
        """Read ORDER BY and LIMIT, each if it is there."""
        order_by = self.order_by(depth) if self.kind == "ORDER" else ()
        limit = offset = None
        if self.kind == "LIMIT":
            self.advance()
            limit = self.expression(LOOSEST, depth + 2)
            if self.accept("OFFSET"):
                offset = self.expression(LOOSEST, depth + 4)
            elif self.accept(","):
                offset = limit
                limit = self.expression(LOOSEST, depth + 4)
        return Tail(order_by, limit, offset)

    def windows(self, depth: int) -> tuple[tuple[str, Window], ...]:
        """Read the WINDOW clause."""
        self.advance()
        windows = []
        while True:
            name = self.name()
            self.expect_all("AS", "(")
            windows.append((name, self.window(depth + 3)))
            if not self.accept(","):
                return tuple(windows)

    # ---- result columns

    def result_columns(self, depth: int) -> tuple[ResultColumn, ...]:
        """Read the columns of SELECT or RETURNING."""
        columns = []
        if depth + 2 > STACK_DEPTH_MAX:
            self.check_depth(depth + 2)
        while True:
            columns.append(self.result_column(depth + 2))
            if self.kind != ",":
                return tuple(columns)
            self.advance()

    def result_column(self, depth: int) -> ResultColumn:
        first = self.position
        if self.kind == "*":
            self.advance()
            return ResultColumn(Star(), None, "*")
        if self.following() == "." and self.is_table_star():
            name = self.name()
            self.expect_all(".", "*")
            return ResultColumn(Star(name), None, self.text_between(first, self.position))
        expression = self.expression(LOOSEST, depth)
        text = self.text_between(first, self.position)
        kind = self.kind
        if kind == "," or kind == "FROM":
            return ResultColumn(expression, None, text)
        return ResultColumn(expression, self.alias(), text)

    def is_table_star(self) -> bool:
        return self.kind in NAMES and self.kinds[self.position + 2 : self.position + 3] == ["*"]

    def alias(self) -> str | None:
        """Read `AS name` or a name that may stand without AS, if there is one."""
        if self.kind == "AS":
            self.advance()
            return self.name()
        return self.name() if self.kind in IDENTIFIERS_OR_STRING else None

    # ---- FROM

    def source(self, depth: int) -> Source:
        """Read tables and joins, from left to right."""
        left = self.joined_source(None, None, depth)
        count = 1
        while self.kind in JOIN_STARTS:
            kind, natural = self.join_operator()
            count += 1
            if count > SOURCES_MAX:
                raise OperationalError(f"too many FROM clause terms, max: {SOURCES_MAX}")
            left = self.joined_source(left, (kind, natural), depth)
        return left

    def joined_source(self, left: Source | None, operator: tuple[str, bool] | None, depth: int) -> Source:
        """Read one source with its ON or USING, and join it to what stands to the left of it."""
        right = self.single_source(depth, first=left is None)
        on = None
        using = None
        if self.kind == "ON":
            self.advance()
            on = self.expression(LOOSEST, depth + 6)
        elif self.kind == "USING":
            self.advance()
            using = self.names_in_parentheses()
        if left is None or operator is None:
            if on is not None or using is not None:
                if self.kind not in BEHIND_SOURCE:
                    self.fail()
                raise OperationalError(f"a JOIN clause is required before {'USING' if on is None else 'ON'}")
            return right
        return Join(left, right, operator[0], operator[1], on, using)

    def single_source(self, depth: int, *, first: bool) -> Source:
        if self.kind == "(":
            return self.source_in_parentheses(depth, first=first)
        if self.kind not in NAMES:
            self.fail()
        name = self.name()
        schema = None
        if self.kind == ".":
            self.advance()
            schema, name = name, self.name()
        arguments: Sequence[Expression] | None = None
        if self.kind == "(":
            self.advance()
            arguments = () if self.kind == ")" else self.expressions(depth + 4)
            self.expect(")")
        alias = self.alias()
        index = self.index_choice() if arguments is None else None
        return TableSource(name, schema, alias, index, arguments)

    def source_in_parentheses(self, depth: int, *, first: bool) -> Source:
        self.check_depth(depth + 4)
        self.advance()
        if self.kind in SELECT_STARTS:
            select = self.select(depth + 2)
            self.expect(")")
            return SubquerySource(select, self.alias())
        inner = self.source(depth + 2)
        self.expect(")")
        alias = self.alias()
        if alias is None and (first or isinstance(inner, Join)):
            return inner
        if isinstance(inner, Join):
            every = SelectCore((ResultColumn(Star(), None, "*"),), source=inner)
            return SubquerySource(Select((every,)), alias)
        return inner._replace(alias=alias)  # As in SQLite, an alias inside the parentheses is lost.

    def index_choice(self) -> str | None:
        """Read INDEXED BY name or NOT INDEXED, if it is there."""
        if self.kind == "INDEXED":
            self.advance()
            self.expect("BY")
            return self.name()
        if self.kind == "NOT":
            self.advance()
            self.expect("INDEXED")
            return ""
        return None

    def join_operator(self) -> tuple[str, bool]:
        """Read a comma or up to three words and JOIN; return the kind of join and whether it is NATURAL."""
        if self.accept(","):
            return "COMMA", False
        if self.accept("JOIN"):
            return "INNER", False
        first = self.position
        self.advance()
        while self.kind != "JOIN" and self.position < first + 3:
            self.name()
        self.expect("JOIN")
        if self.kind not in NAMES and self.kind != "(":
            self.fail()
        return join_kind(self.texts[first : self.position - 1])

    # ---- WITH

    def with_clause(self, depth: int) -> With:
        self.check_depth(depth + 6)
        self.advance()
        recursive = self.accept("RECURSIVE")
        tables: list[CommonTable] = []
        known: set[str] = set()
        while True:
            table = self.common_table(depth + 2 if recursive or tables else depth + 1)
            if table.name.lower() in known:
                raise OperationalError(f"duplicate WITH table name: {table.name}")
            known.add(table.name.lower())
            tables.append(table)
            if not self.accept(","):
                return With(recursive, tuple(tables))

    def common_table(self, depth: int) -> CommonTable:
        name = self.name()
        columns = self.column_list() if self.kind == "(" else ()
        self.expect("AS")
        materialized = None
        if self.accept("MATERIALIZED"):
            materialized = True
        elif self.accept("NOT"):
            self.expect("MATERIALIZED")
            materialized = False
        self.expect("(")
        if self.kind not in SELECT_STARTS:
            self.fail()
        select = self.select(depth + 4)
        self.expect(")")
        return CommonTable(name, columns, select, materialized)

    def column_list(self) -> tuple[str, ...]:
        """Read `(name, ...)`; SQLite's grammar takes COLLATE and ASC here only to refuse them."""
        self.expect("(")
        names: list[str] = []
        while True:
            text = self.texts[self.position]
            names.append(self.name())
            decorated = False
            if self.accept("COLLATE"):
                self.identifier_or_string()
                decorated = True
            if self.kind == "ASC" or self.kind == "DESC":
                self.advance()
                decorated = True
            if decorated:
                raise OperationalError(f'syntax error after column name "{text}"')
            if not self.accept(","):
                self.expect(")")
                return tuple(names)


def check_compound(tails: list[Tail], operators: list[str]) -> None:
    """Refuse ORDER BY or LIMIT behind any core but the last, and too many cores."""
    for position in range(len(operators) - 1, -1, -1):
        tail = tails[position]
        if tail.order_by or tail.limit is not None:
            clause = "ORDER BY" if tail.order_by else "LIMIT"
            raise OperationalError(f"{clause} clause should come after {operators[position]} not before")
    if len(tails) > COMPOUND_TERMS_MAX:
        raise OperationalError("too many terms in compound SELECT")


JOIN_BITS = {"INNER": 1, "CROSS": 3, "NATURAL": 4, "LEFT": 8 + 32, "RIGHT": 16 + 32, "FULL": 8 + 16 + 32, "OUTER": 32}


def join_kind(texts: list[str]) -> tuple[str, bool]:
    """Return the kind of join that the words before JOIN make, and whether it is NATURAL."""
    bits = 0
    for text in texts:
        known = JOIN_BITS.get(text.upper())
        if known is None:
            bits = -1
            break
        bits |= known
    outer = bits & 32
    if bits < 0 or (outer and bits & 1) or (outer and not bits & 24):
        raise OperationalError(f"unknown join type: {' '.join(texts)}")
    if bits & 8:
        kind = "FULL" if bits & 16 else "LEFT"
    elif bits & 16:
        kind = "RIGHT"
    else:
        kind = "CROSS" if bits & 2 else "INNER"
    return kind, bool(bits & 4)
