"""Expressions as Python: a bound expression becomes a fragment that computes its value.

    c.price * 2 || ' EUR'       price: INT or NULL

    concatenate(None if c_0[2] is None else (x_1 if INT_MIN <= (x_1 := c_0[2] * p0) <= INT_MAX else float(x_1)), p1)

The storage classes that an operand may have decide between Python's own operator and a function of `runtime.values`.
What is constant is computed once, before any row is read. Operators are written by `emit.arithmetic`, conditions by
`emit.condition`, LIKE and IN by `emit.membership`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import (
    HOLDS_BLOB,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    AggregateRef,
    Between,
    Column,
    Expr,
    FunctionCall,
    Local,
    Part,
    QueryExists,
    QueryIn,
    QueryValue,
    Rowid,
    UserCall,
    WindowRef,
    children,
    walk,
)
from tandemdb.planner.bind.traits import affinity_of, comparison_affinity, comparison_collation, is_constant
from tandemdb.planner.emit.arithmetic import binary, unary
from tandemdb.planner.emit.collation import collation_function
from tandemdb.planner.emit.condition import between, comparison, condition, named_value
from tandemdb.planner.emit.function import emit_function, emit_user_call
from tandemdb.planner.emit.membership import in_list, in_members, like
from tandemdb.planner.emit.writer import CLASS_OF_TYPE, Code, Frame, Generator, own_function
from tandemdb.planner.functions.registry import plain
from tandemdb.planner.runtime import values
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

EXACT_MAX = 2**53
"""Reals hold all integers up to here."""
ARMS_MAX = 30
"""A CASE with more arms than this becomes a function, for the same reason."""


class ExpressionEmitter:
    """Writes expressions for one frame. `queries` writes the subqueries found inside them."""

    __slots__ = ("generator", "frame", "queries", "aggregates", "known", "codes", "tests")

    def __init__(self, generator: Generator, frame: Frame, queries: QueryEmitter | None) -> None:
        self.generator = generator
        self.frame = frame
        self.queries = queries
        self.aggregates: dict[tuple[int, int], Code] = {}
        self.codes: dict[int, tuple[Expr, Code]] = {}
        self.tests: dict[tuple[int, bool], tuple[Expr, str]] = {}
        """What was written for an expression: asked for again on every level, deep ones would take for ever."""
        self.known: list[tuple[Expr, Code]] = []
        """Expressions whose values are there already: what is grouped by, where only a group's key is at hand."""

    # ---- values

    def value(self, node: Expr) -> Code:
        """A fragment for the expression's value: one of SQLite's classes, never a bool, never NaN."""
        code = self.raw_value(node)
        if code.nan:
            name = self.generator.name("x")
            return Code(f"({name} if ({name} := {code.text}) == {name} else None)", code.classes | HOLDS_NULL, True)
        return code

    def raw_value(self, node: Expr) -> Code:
        """As `value`, but NaN may still stand for NULL, which comparisons don't mind."""
        for expression, code in self.known:
            if type(expression) is type(node) and expression == node:
                return code
        kind = type(node)
        if kind in LEAVES:
            return EMITTERS[kind](self, node)
        found = self.codes.get(id(node))
        if found is None:
            code = EMITTERS[kind](self, node)
            if kind in HOISTABLE and is_constant(node):
                code = self.generator.hoist(code)
            found = self.codes[id(node)] = node, code
        return found[1]

    def know(self, known: list[tuple[Expr, Code]]) -> None:
        """Take these as the values of the expressions from now on."""
        self.known = known
        self.forget()

    def forget(self) -> None:
        """Write expressions anew: what a source's columns may hold has changed."""
        self.codes.clear()
        self.tests.clear()

    def literal(self, node: ast.Literal) -> Code:
        if node.slot >= 0:
            index = self.generator_literal(node.slot)
            if index is not None:
                return Code(self.generator.parameter(index), CLASS_OF_TYPE[type(node.value)], True)
        value = node.value
        if value is None:
            return Code("None", HOLDS_NULL, True)
        if type(value) is int and 0 <= value <= 1:
            return Code(str(value), HOLDS_INT, True)
        return Code(self.generator.constant(value), CLASS_OF_TYPE[type(value)], True)

    def generator_literal(self, slot: int) -> int | None:
        """The place of a lifted literal among the bound values."""
        base: int | None = self.generator.literal_base
        if base is None:
            return None
        self.generator.sensitive.add(base + slot)
        return base + slot

    def parameter(self, node: ast.Parameter) -> Code:
        return Code(self.generator.parameter(node.index), self.generator.parameter_classes(node.index), True)

    def column(self, node: Column) -> Code:
        source = node.source
        classes = source.columns[node.position].classes
        if source.nullable:
            classes |= HOLDS_NULL
        if source.places is not None:
            return Code(f"{source.variable}{source.places[node.position]}", classes, True)
        return Code(f"{source.variable}[{node.position}]", classes, True)

    def rowid(self, node: Rowid) -> Code:
        classes = HOLDS_INT | (HOLDS_NULL if node.source.nullable else 0)
        return Code(node.source.key_variable, classes, True)

    def local(self, node: Local) -> Code:
        return Code(node.text, node.classes, True)

    def aggregate_ref(self, node: AggregateRef, *, keep_json: bool = False) -> Code:
        found = self.aggregates.get((id(node.core), node.index))
        if found is None and self.queries is not None:
            found = self.queries.aggregate_code(node)
        if found is None:
            raise OperationalError(f"misuse of aggregate: {node.core.aggregates[node.index].name}()",
                                   code="SQLITE_ERROR")  # fmt: skip
        function = node.core.aggregates[node.index].function
        if function is not None and function.makes_json and not keep_json:
            return Code(f"{self.use(plain)}({found.text})", found.classes)
        return found

    def window_ref(self, node: WindowRef) -> Code:
        assert self.queries is not None
        return self.queries.window_code(node)

    # ---- operators

    def as_real(self, code: Code, *, compared: bool = False) -> Code:
        """A constant integer beside a real, as a real: Python's operators are half again as fast on two reals.

        The operators make the same of it. A comparison would not beyond 53 bits: there the integer stays.
        """
        if code.classes != HOLDS_INT:
            return code
        if code.text in ("0", "1"):
            return Code(f"{code.text}.0", HOLDS_FLOAT, True)
        if code.text not in self.generator.constants:
            return code
        value = self.generator.bound.get(code.text)
        if type(value) is int and (not compared or abs(value) <= EXACT_MAX):
            return Code(self.generator.constant(float(value)), HOLDS_FLOAT, True)
        text = f"float({code.text})"
        if compared:
            text += f" if {-EXACT_MAX} <= {code.text} <= {EXACT_MAX} else {code.text}"
        return self.generator.hoist(Code(text, HOLDS_NUMBER if compared else HOLDS_FLOAT), "real")

    def guarded(self, code: Code) -> tuple[Code, str]:
        """The operand, named if it must be tested for NULL first, and that test."""
        if not code.nullable:
            return code, ""
        if code.atomic and len(code.text) < 40 and "(" not in code.text:
            return code, f"{code.text} is None"
        name = self.generator.name("x")
        return Code(name, code.classes, True, code.nan), f"({name} := {code.text}) is None"

    def settled(self, code: Code) -> Code:
        if not code.nan:
            return code
        name = self.generator.name("x")
        return Code(f"({name} if ({name} := {code.text}) == {name} else None)", code.classes | HOLDS_NULL, True)

    # ---- truth

    def true(self, node: Expr) -> str:
        """A Python condition that holds exactly when the expression is true."""
        return self.test(node, True)

    def false(self, node: Expr) -> str:
        """A Python condition that holds exactly when the expression is false (and not NULL)."""
        return self.test(node, False)

    def test(self, node: Expr, wanted: bool) -> str:
        """The condition for true or false, written once for each expression."""
        found = self.tests.get((id(node), wanted))
        if found is None:
            found = self.tests[(id(node), wanted)] = node, condition(self, node, wanted)
        return found[1]

    def operands(self, node: ast.Binary) -> tuple[Code, Code]:
        """Both sides of a comparison, with affinity and collation applied."""
        left_affinity, right_affinity = comparison_affinity(node.left, node.right)
        collation = comparison_collation(node.left, node.right)
        return (
            self.collated(self.with_affinity(node.left, left_affinity), collation),
            self.collated(self.with_affinity(node.right, right_affinity), collation),
        )

    def with_affinity(self, node: Expr, affinity: str | None) -> Code:
        code = self.raw_value(node)
        if affinity is None:
            return code
        if affinity == "TEXT":
            if not code.classes & HOLDS_NUMBER:
                return code
            function, classes = values.affinity_text, HOLDS_TEXT | code.classes & (HOLDS_NULL | HOLDS_BLOB)
        else:
            if not code.classes & HOLDS_TEXT:
                return code
            function, classes = values.affinity_numeric, code.classes | HOLDS_NUMBER
        converted = Code(f"{self.use(function)}({self.settled(code).text})", classes)
        return self.generator.hoist(converted) if is_constant(node) else converted

    def collated(self, code: Code, collation: str) -> Code:
        """The value as the collation compares it; only text is affected."""
        if collation == "BINARY" or not code.classes & HOLDS_TEXT:
            return code
        collated = Code(f"{collation_function(self.generator, collation)}({code.text})", code.classes)
        return self.generator.hoist(collated) if code.text in self.generator.constants else collated

    # ---- CASE, CAST and the rest

    def case(self, node: ast.Case) -> Code:
        operand: Expr = node.operand
        named = ""
        if operand is not None:
            operand, named = named_value(self, operand, "case")
        otherwise = Code("None", HOLDS_NULL, True) if node.otherwise is None else self.value(node.otherwise)
        classes = otherwise.classes
        arms: list[tuple[str, str]] = []
        for number, (when, then) in enumerate(node.whens):
            test = self.true(when) if operand is None else comparison(self, ast.Binary("=", operand, when), True)
            if named and number == 0:
                test = f"[{named}] and {test}"
            result = self.value(then)
            classes |= result.classes
            arms.append((test, result.text))
        if len(arms) > ARMS_MAX:
            lines = [line for test, text in arms for line in (f"if {test}:", f"    return {text}")]
            return own_function(self.generator, [*lines, f"return {otherwise.text}"], classes)
        text = "".join(f"{text} if {test} else " for test, text in arms)
        return Code(f"({text}{otherwise.text})", classes, True)

    def part(self, node: Part) -> Code:
        """A call of the function that computes a part; parts inside it come first, so that nothing nests deeply."""
        pending, parts = [node], []
        while pending:
            current = pending.pop()
            parts.append(current)
            inside = [current.expression]
            while inside:
                found = inside.pop()
                if isinstance(found, Part):
                    if id(found) not in self.codes:
                        pending.append(found)
                else:
                    inside.extend(children(found))
        for current in reversed(parts):
            code = self.value(current.expression)
            made = own_function(self.generator, [f"return {code.text}"], code.classes)
            self.codes[id(current)] = current, made
        return self.codes[id(node)][1]

    def cast(self, node: ast.Cast) -> Code:
        affinity = affinity_of(node)
        operand = self.value(node.operand)
        function, classes = CASTS[affinity or "BLOB"]
        if operand.classes == classes:
            return operand
        native = NATIVE_CASTS.get((operand.classes & ~HOLDS_NULL, classes))
        if native is not None:
            operand, test = self.guarded(operand)
            first = x = operand.text
            if "(" in x:
                x = self.generator.name("x")
                first = f"({x} := {operand.text})"
            text = native.format(first=first, x=x, otherwise=self.use(function))
            if test:
                return Code(f"(None if {test} else {text})", classes | HOLDS_NULL, True)
            return Code(text, classes)
        return Code(f"{self.use(function)}({operand.text})", classes | operand.classes & HOLDS_NULL)

    def collate(self, node: ast.Collate) -> Code:
        return self.raw_value(node.operand)

    def between(self, node: Between) -> Code:
        return between(self, node)

    def like(self, node: ast.Like) -> Code:
        return like(self, node)

    def in_list(self, node: ast.InList) -> Code:
        return in_list(self, node)

    def in_members(self, node: ast.InList) -> str:
        return in_members(self, node)

    def is_null(self, node: ast.IsNull) -> Code:
        return Code(f"+({self.true(node)})", HOLDS_INT)

    def call(self, node: FunctionCall) -> Code:
        return emit_function(self, node)

    def user_call(self, node: UserCall) -> Code:
        return emit_user_call(self, node)

    def query_value(self, node: QueryValue) -> Code:
        assert self.queries is not None
        return self.queries.scalar(node, self)

    def query_exists(self, node: QueryExists) -> Code:
        return Code(f"+bool({self.true(node)})", HOLDS_INT)

    def query_in(self, node: QueryIn) -> Code:
        assert self.queries is not None
        return self.queries.in_value(node, self)

    def raise_(self, node: ast.Raise) -> Code:
        from tandemdb.planner.change.triggers import raise_from_trigger

        message = "None" if node.message is None else self.value(node.message).text
        return Code(f"{self.use(raise_from_trigger)}({node.action!r}, {message})", HOLDS_NULL)

    def use(self, function: Callable[..., Any]) -> str:
        return self.generator.helper(function)


CASTS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "INTEGER": (values.cast_integer, HOLDS_INT),
    "REAL": (values.cast_real, HOLDS_FLOAT),
    "TEXT": (values.cast_text, HOLDS_TEXT),
    "BLOB": (values.cast_blob, HOLDS_BLOB),
    "NUMERIC": (values.cast_numeric, HOLDS_NUMBER),
}

NATIVE_CASTS = {
    (HOLDS_INT, HOLDS_TEXT): "str({first})",
    (HOLDS_INT, HOLDS_FLOAT): "float({first})",
    (HOLDS_FLOAT, HOLDS_INT): "(int({x}) if -9e18 < {first} < 9e18 else {otherwise}({x}))",
}
"""Casts that Python's own functions make: from class, to class."""

EMITTERS: dict[type, Callable[[ExpressionEmitter, Any], Code]] = {
    ast.Literal: ExpressionEmitter.literal,
    ast.Parameter: ExpressionEmitter.parameter,
    Column: ExpressionEmitter.column,
    Rowid: ExpressionEmitter.rowid,
    Local: ExpressionEmitter.local,
    AggregateRef: ExpressionEmitter.aggregate_ref,
    WindowRef: ExpressionEmitter.window_ref,
    ast.Unary: unary,
    ast.Binary: binary,
    ast.IsNull: ExpressionEmitter.is_null,
    ast.Like: ExpressionEmitter.like,
    ast.InList: ExpressionEmitter.in_list,
    ast.Case: ExpressionEmitter.case,
    ast.Cast: ExpressionEmitter.cast,
    ast.Collate: ExpressionEmitter.collate,
    Between: ExpressionEmitter.between,
    Part: ExpressionEmitter.part,
    ast.Raise: ExpressionEmitter.raise_,
    FunctionCall: ExpressionEmitter.call,
    UserCall: ExpressionEmitter.user_call,
    QueryValue: ExpressionEmitter.query_value,
    QueryExists: ExpressionEmitter.query_exists,
    QueryIn: ExpressionEmitter.query_in,
}
HOISTABLE = frozenset({ast.Unary, ast.Binary, ast.Cast, FunctionCall})
LEAVES = frozenset({ast.Literal, ast.Parameter, Column, Rowid, Local, AggregateRef, WindowRef})
__all__ = ["ExpressionEmitter", "walk"]
