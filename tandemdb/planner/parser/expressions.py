"""Expressions, by precedence climbing.

    a + b * c = d      level   operators, from the loosest to the tightest binding
    |   |   |   |        1     OR
    |   `-8-'   |        2     AND
    `-7-'       |        3     NOT before an expression
      `----4----'        4     = <> IS IN LIKE GLOB MATCH REGEXP BETWEEN ISNULL NOTNULL NOT NULL
                         5     < <= > >=
                         6     & | << >>
                         7     + -
                         8     * / %
                         9     || -> ->>
                        10     COLLATE
                        11     - + ~ before an expression

`expression(floor, depth)` reads an operand, then operators of level `floor` or above in a loop, so that chains of one
level cost no recursion; a right operand is read with the floor one above its operator's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tandemdb.errors import OperationalError
from tandemdb.planner.parser.core import TokenStream
from tandemdb.planner.parser.limits import (
    EXPRESSION_DEPTH_MAX,
    FUNCTION_ARGUMENTS_MAX,
    STACK_DEPTH_MAX,
    VARIABLE_NUMBER_MAX,
    fail_height,
)
from tandemdb.planner.syntax.ast import (
    Between,
    Binary,
    Call,
    Case,
    Cast,
    Collate,
    Exists,
    Expression,
    Frame,
    FrameBound,
    InList,
    InSelect,
    IsNull,
    Like,
    Literal,
    Name,
    OrderTerm,
    Parameter,
    Raise,
    ResultColumn,
    RowValue,
    Select,
    SelectCore,
    Star,
    Subquery,
    TableSource,
    Unary,
    Window,
)
from tandemdb.planner.syntax.keywords import FALLBACK, JOIN_WORDS, NAMES, TIME_WORDS
from tandemdb.planner.syntax.lexer import dequote

LOOSEST = 1
BINARY_LEVELS: dict[str, int] = {
    "OR": 1,
    "AND": 2,
    **dict.fromkeys(["=", "<>"], 4),
    **dict.fromkeys(["<", "<=", ">", ">="], 5),
    **dict.fromkeys(["&", "|", "<<", ">>"], 6),
    **dict.fromkeys(["+", "-"], 7),
    **dict.fromkeys(["*", "/", "%"], 8),
    **dict.fromkeys(["||", "->", "->>"], 9),
}
EQUALITY_WORDS = ["IS", "IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "ISNULL", "NOTNULL", "NOT"]
LEVELS: dict[str, int] = {**BINARY_LEVELS, **dict.fromkeys(EQUALITY_WORDS, 4), "COLLATE": 10}
PREFIX_LEVELS: dict[str, int] = {"NOT": 3, "-": 11, "+": 11, "~": 11}


class ExpressionParser(TokenStream):
    """Reads expressions; SELECTs inside them are read by `select`, which a subclass gives."""

    def select(self, depth: int) -> Select:
        """Read a SELECT; `SelectParser` does."""
        raise NotImplementedError  # Not to do: an expression may hold a SELECT, which is made of expressions.

    def expression(self, floor: int = LOOSEST, depth: int = 0) -> Expression:
        """Read an expression whose operators are of level `floor` or above."""
        if depth >= STACK_DEPTH_MAX:
            self.check_depth(depth + 1)
        kind = self.kind
        left: Expression
        if kind == "id":
            left = self.name_expression(depth)
        elif kind == "number":
            left = self.literal()
        else:
            left = OPERANDS.get(kind, _no_operand)(self, depth)
        length = 1
        while True:
            kind = self.kind
            level = LEVELS.get(kind, 0)
            if level < floor:
                return left
            if kind in BINARY_LEVELS:
                self.position = position = self.position + 1
                self.kind = self.kinds[position]
                left = Binary(kind, left, self.expression(level + 1, depth + 2))
            elif kind == "COLLATE":
                self.advance()
                # Of several only the last counts; SQLite sets no limit to their number.
                left = Collate(left.operand if isinstance(left, Collate) else left, self.identifier_or_string())
                continue
            else:
                left = self.equality(left, depth)
            length += 1
            if length > EXPRESSION_DEPTH_MAX:
                fail_height()

    def expressions(self, depth: int) -> tuple[Expression, ...]:
        """Read one expression or more, separated by commas."""
        items = [self.expression(LOOSEST, depth)]
        while self.kind == ",":
            self.advance()
            items.append(self.expression(LOOSEST, depth + 2))
        return tuple(items)

    # ---- operators of the equality level

    def equality(self, left: Expression, depth: int) -> Expression:
        """Read the operator at the position, which is one of EQUALITY_WORDS, and what follows it."""
        word = self.kind
        self.advance()
        if word == "IS":
            return self.identity(left, depth)
        if word == "ISNULL":
            return IsNull(left, False)
        if word == "NOTNULL":
            return IsNull(left, True)
        negated = word == "NOT"
        if negated:
            word = self.kind
            if word == "NULL":
                self.advance()
                return IsNull(left, True)
            if word not in ("IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN"):
                self.fail()
            self.advance()
        if word == "IN":
            return self.membership(left, negated, depth)
        if word == "BETWEEN":
            return self.range(left, negated, depth)
        pattern = self.expression(5, depth + 2)
        escape = self.expression(5, depth + 4) if self.accept("ESCAPE") else None
        return Like(word, left, pattern, escape, negated)

    def identity(self, left: Expression, depth: int) -> Expression:
        negated = self.accept("NOT")
        if self.kind == "DISTINCT":
            self.advance()
            self.expect("FROM")
            negated = not negated
        right = self.expression(5, depth + 3)
        if right == NULL:
            return IsNull(left, negated)
        return Binary("IS NOT" if negated else "IS", left, right)

    def range(self, left: Expression, negated: bool, depth: int) -> Expression:
        low = self.expression(3, depth + 2)
        if self.kind == "OR":
            # SQLite's grammar lets OR in here, and then takes every AND for the right side of the OR.
            self.advance()
            self.expression(2, depth + 4)
        self.expect("AND")
        return Between(left, low, self.expression(5, depth + 4), negated)

    def membership(self, left: Expression, negated: bool, depth: int) -> Expression:
        if self.kind != "(":
            name, schema = self.qualified_name()
            arguments: Sequence[Expression] | None = None
            if self.accept("("):
                arguments = () if self.kind == ")" else self.expressions(depth + 5)
                self.expect(")")
            source = TableSource(name, schema, arguments=arguments)
            every = SelectCore((ResultColumn(Star(), None, "*"),), source=source)
            return InSelect(left, Select((every,)), negated)
        self.advance()
        if self.kind in SELECT_STARTS:
            select = self.select(depth + 3)
            self.expect(")")
            return InSelect(left, select, negated)
        items = () if self.kind == ")" else self.expressions(depth + 3)
        self.expect(")")
        if len(items) == 1 and isinstance(items[0], Subquery):
            return InSelect(left, items[0].select, negated)
        return InList(left, items, negated)

    # ---- operands

    def name_expression(self, depth: int) -> Expression:
        """Read a column reference or a function call; the position is at an identifier."""
        position = self.position
        text = self.texts[position]
        self.position = after = position + 1
        kind = self.kind = self.kinds[after]
        if kind == ".":
            return self.dotted_name(text, depth)
        if kind == "(" and self.kinds[position] not in JOIN_WORDS:
            return self.call(dequote(text), depth)
        if text[0] in '"`[':
            return Name(dequote(text), quoted=text[0] == '"')
        return Name(text)

    def dotted_name(self, first_text: str, depth: int) -> Expression:
        self.check_depth(depth + 3)
        parts = [dequote(first_text)]
        while self.kind == "." and len(parts) < 3:
            self.advance()
            quoted = self.texts[self.position][:1] == '"'
            parts.append(self.name())
        column = parts.pop()
        return Name(column, parts[-1], parts[0] if len(parts) == 2 else None, quoted)

    def string_operand(self, depth: int) -> Expression:
        """A string, unless a dot follows: then it names a table."""
        if self.following() != ".":
            return self.literal()
        text = self.texts[self.position]
        self.name()
        return self.dotted_name(text, depth)

    def variable(self, depth: int) -> Expression:
        """Number a parameter: ? takes the next number, ?5 is number 5, a name keeps the number it got first."""
        text = self.texts[self.position]
        if text[0] == "#" and text[1:2].isdigit():
            self.fail()
        self.advance()
        if text[0] == "?" and len(text) > 1:
            number = int(text[1:]) if len(text) < 12 else 0
            if not 1 <= number <= VARIABLE_NUMBER_MAX:
                if self.kind in NEVER_BEHIND_OPERAND:
                    self.fail()  # SQLite finds both errors at this token and reports the second.
                raise OperationalError(f"variable number must be between ?1 and ?{VARIABLE_NUMBER_MAX}")
            missing = number - len(self.parameters)
            if missing > 0:
                self.parameters += [None] * missing
            if self.parameters[number - 1] is None:
                self.parameters[number - 1] = text
            return Parameter(number - 1)
        if text == "?":
            self.parameters.append(None)
        else:
            known = self.parameter_indexes.get(text)
            if known is not None:
                return Parameter(known)
            self.parameter_indexes[text] = len(self.parameters)
            self.parameters.append(text)
        if len(self.parameters) > VARIABLE_NUMBER_MAX:
            raise OperationalError("too many SQL variables")
        return Parameter(len(self.parameters) - 1)

    def prefix(self, depth: int) -> Expression:
        operator = self.kind
        self.check_depth(depth + 2)
        self.advance()
        operand = self.expression(PREFIX_LEVELS[operator], depth + 1)
        if operator == "-" and operand == MINUS_ONLY:
            return Literal(-(2**63))
        return Unary(operator, operand)

    def parenthesis(self, depth: int) -> Expression:
        """A subquery, a row value, or an expression in parentheses."""
        self.advance()
        if self.kind in SELECT_STARTS:
            self.check_depth(depth + 3)
            select = self.select(depth + 1)
            self.expect(")")
            return Subquery(select)
        first = self.expression(LOOSEST, depth + 1)
        if self.kind == ",":
            items = [first]
            while self.accept(","):
                items.append(self.expression(LOOSEST, depth + 3))
            self.expect(")")
            return RowValue(tuple(items))
        self.check_depth(depth + 3)
        self.expect(")")
        return first

    def null(self, depth: int) -> Expression:
        self.advance()
        return NULL

    def blob(self, depth: int) -> Expression:
        return self.literal()

    def time_word(self, depth: int) -> Expression:
        text = self.texts[self.position]
        self.advance()
        return Call(text, ())

    def exists(self, depth: int) -> Expression:
        self.advance()
        self.expect("(")
        if self.kind not in SELECT_STARTS:
            self.fail()
        select = self.select(depth + 2)
        self.expect(")")
        return Exists(select)

    def cast(self, depth: int) -> Expression:
        self.advance()
        self.expect("(")
        operand = self.expression(LOOSEST, depth + 2)
        self.expect("AS")
        type_name = self.type_name()
        self.check_depth(depth + 6)
        self.expect(")")
        return Cast(operand, type_name)

    def case(self, depth: int) -> Expression:
        self.advance()
        operand = None if self.kind == "WHEN" else self.expression(LOOSEST, depth + 1)
        whens: list[tuple[Expression, Expression]] = []
        deeper = 3
        self.expect("WHEN")
        while True:
            condition = self.expression(LOOSEST, depth + deeper)
            self.expect("THEN")
            whens.append((condition, self.expression(LOOSEST, depth + deeper + 2)))
            deeper = 4
            if not self.accept("WHEN"):
                break
        otherwise = self.expression(LOOSEST, depth + 4) if self.accept("ELSE") else None
        self.expect("END")
        return Case(operand, tuple(whens), otherwise)

    def raise_(self, depth: int) -> Expression:
        self.advance()
        self.expect("(")
        action = self.choose("IGNORE", "ROLLBACK", "ABORT", "FAIL")
        message: Expression | None = None
        if action != "IGNORE":
            self.expect(",")
            message = self.literal() if self.kind == "string" else Literal(self.name())
        self.expect(")")
        return Raise(action, message)

    def type_name(self) -> str:
        """Read a type's words and numbers, if any, and return their source text as SQLite keeps it."""
        first = self.position
        if self.kind not in TYPE_WORDS:
            return ""
        while self.kind in TYPE_WORDS:
            self.name()
        if self.accept("("):
            self.signed_number()
            if self.accept(","):
                self.signed_number()
            self.expect(")")
        text = self.texts[first]
        if text[0] in "\"'`[":
            return dequote(text)  # SQLite drops all behind a quoted first word.
        return text if self.position == first + 1 else self.text_from(first)

    # ---- function calls and windows

    def call(self, name: str, depth: int) -> Expression:
        """Read the arguments of a call; the position is at its parenthesis."""
        self.advance()
        arguments: Sequence[Expression] = ()
        order_by: Sequence[OrderTerm] = ()
        distinct = star = False
        if self.kind == "*":
            self.advance()
            star = True
        else:
            if self.kind == "DISTINCT" or self.kind == "ALL":
                distinct = self.kind == "DISTINCT"
                self.advance()
            if self.kind != ")" and self.kind != "ORDER":
                arguments = self.expressions(depth + 3)
            if self.kind == "ORDER":
                order_by = self.order_by(depth + 4)
            self.check_depth(depth + 5)
        self.expect(")")
        if len(arguments) > FUNCTION_ARGUMENTS_MAX:
            raise OperationalError(f"too many arguments on function {name}")
        condition: Expression | None = None
        over: Window | str | None = None
        if self.kind == "FILTER":
            self.advance()
            self.expect_all("(", "WHERE")
            condition = self.expression(LOOSEST, depth + 8)
            self.expect(")")
        if self.kind == "OVER":
            self.advance()
            over = self.window(depth + 7) if self.accept("(") else self.name()
        return Call(name, arguments, star, distinct, order_by, condition, over)

    def window(self, depth: int) -> Window:
        """Read a window definition; the position is behind its opening parenthesis."""
        base = self.name() if self.kind in NAMES and self.kind not in WINDOW_STARTS else None
        partition_by: Sequence[Expression] = ()
        if self.kind == "PARTITION":
            self.advance()
            self.expect("BY")
            partition_by = self.expressions(depth + 3)
        order_by = self.order_by(depth + 2) if self.kind == "ORDER" else ()
        frame = self.frame(depth + 3) if self.kind in ("RANGE", "ROWS", "GROUPS") else None
        self.expect(")")
        return Window(base, partition_by, order_by, frame)

    def frame(self, depth: int) -> Frame:
        unit = self.choose("RANGE", "ROWS", "GROUPS")
        end = FrameBound("CURRENT ROW")
        if self.accept("BETWEEN"):
            start = self.frame_bound("PRECEDING", depth + 2)
            self.expect("AND")
            end = self.frame_bound("FOLLOWING", depth + 4)
        else:
            start = self.frame_bound("PRECEDING", depth + 1)
        exclude = "NO OTHERS"
        if self.accept("EXCLUDE"):
            exclude = self.choose("NO", "CURRENT", "GROUP", "TIES")
            if exclude in ("NO", "CURRENT"):
                second = "OTHERS" if exclude == "NO" else "ROW"
                self.expect(second)
                exclude = "EXPLICITLY NONE" if exclude == "NO" else "CURRENT ROW"
        return Frame(unit, start, end, exclude)

    def frame_bound(self, unbounded: str, depth: int) -> FrameBound:
        """Read a bound; `unbounded` is the direction that UNBOUNDED may take at this place."""
        if self.accept("UNBOUNDED"):
            self.expect(unbounded)
            return FrameBound(f"UNBOUNDED {unbounded}")
        if self.accept("CURRENT"):
            self.expect("ROW")
            return FrameBound("CURRENT ROW")
        offset = self.expression(LOOSEST, depth)
        return FrameBound(self.choose("PRECEDING", "FOLLOWING"), offset)

    def order_by(self, depth: int) -> tuple[OrderTerm, ...]:
        """Read ORDER BY and its terms; the position is at ORDER."""
        self.advance()
        self.expect("BY")
        return self.order_terms(depth + 2)

    def order_terms(self, depth: int) -> tuple[OrderTerm, ...]:
        terms = []
        while True:
            expression = self.expression(LOOSEST, depth)
            descending = False
            if self.kind == "ASC" or self.kind == "DESC":
                descending = self.kind == "DESC"
                self.advance()
            nulls = None
            if self.accept("NULLS"):
                nulls = self.choose("FIRST", "LAST")
            terms.append(OrderTerm(expression, descending, nulls))
            if not self.accept(","):
                return tuple(terms)


NULL = Literal(None)
MINUS_ONLY = Literal(float(2**63))
SELECT_STARTS = frozenset(["SELECT", "VALUES", "WITH"])
NEVER_BEHIND_OPERAND = SELECT_STARTS | set("variable number blob illegal ( ~ . NULL CASE EXISTS".split()) - {"WITH"}
TYPE_WORDS = FALLBACK | {"id", "string"}
WINDOW_STARTS = frozenset(["PARTITION", "RANGE", "ROWS", "GROUPS"])


def _no_operand(parser: ExpressionParser, depth: int) -> Expression:
    parser.fail()


OPERANDS: dict[str, Callable[[ExpressionParser, int], Expression]] = {
    **dict.fromkeys(FALLBACK | JOIN_WORDS | {"id", "INDEXED"}, ExpressionParser.name_expression),
    **dict.fromkeys(TIME_WORDS, ExpressionParser.time_word),
    **dict.fromkeys(PREFIX_LEVELS, ExpressionParser.prefix),
    "string": ExpressionParser.string_operand,
    "blob": ExpressionParser.blob,
    "variable": ExpressionParser.variable,
    "NULL": ExpressionParser.null,
    "(": ExpressionParser.parenthesis,
    "CASE": ExpressionParser.case,
    "CAST": ExpressionParser.cast,
    "EXISTS": ExpressionParser.exists,
    "RAISE": ExpressionParser.raise_,
}
