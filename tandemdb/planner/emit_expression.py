"""Expressions as Python: a bound expression becomes a fragment that computes its value, or tests whether it is true.

    c.area > ?1 AND NOT c.name LIKE 'A%'       area: INT or NULL, name: TEXT, ?1 an int

    value:   +((c_0[2] is not None and c_0[2] > p0) and not like_1(c_0[1]))     with NULL kept where it may arise
    true:    c_0[2] is not None and c_0[2] > p0 and not like_1(c_0[1])
    false:   c_0[2] is not None and c_0[2] <= p0 or like_1(c_0[1])

SQL's third truth value needs no encoding in a filter: `true` asks whether the expression is true, `false` whether it is
false, and NULL is neither; NOT swaps the two. Only where a truth value is kept is it computed as 1, 0 or None. The storage
classes that an operand may have decide between Python's own operator and a function of `values`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner import ast, patterns, runtime, values
from tandemdb.planner.bound import (
    HOLDS_ANY,
    HOLDS_BLOB,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    AggregateRef,
    Column,
    Expr,
    FunctionCall,
    Local,
    QueryExists,
    QueryIn,
    QueryValue,
    Rowid,
    UserCall,
    WindowRef,
    walk,
)
from tandemdb.planner.emit_collation import collation_function
from tandemdb.planner.emit_function import emit_function, emit_user_call
from tandemdb.planner.functions.registry import plain
from tandemdb.planner.traits import affinity_of, comparison_affinity, comparison_collation, is_constant
from tandemdb.planner.writer import CLASS_OF_TYPE, Code, Frame, Generator

if TYPE_CHECKING:
    from tandemdb.planner.emit_query import QueryEmitter

INVERSE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
PYTHON_COMPARISON = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
GENERIC_COMPARISON = {
    "=": values.equal, "<>": values.not_equal, "<": values.less, "<=": values.less_equal,
    ">": values.greater, ">=": values.greater_equal,
}  # fmt: skip
GENERIC_ARITHMETIC = {
    "+": values.add, "-": values.subtract, "*": values.multiply, "/": values.divide, "%": values.modulo,
    "||": values.concatenate, "&": values.bit_and, "|": values.bit_or, "<<": values.shift_left, ">>": values.shift_right,
}  # fmt: skip
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
CHAIN_MAX = 24
"""A chain of the same operator longer than this is folded by a loop: Python's own parser refuses deep nesting."""
NAME_LENGTH_MAX = 40
"""What is longer is computed once, not written twice."""
NEST_MAX = 60
"""Expressions nested deeper than this are moved into local functions, for the same reason."""


class ExpressionEmitter:
    """Writes expressions for one frame. `queries` writes the subqueries found inside them."""

    __slots__ = ("generator", "frame", "queries", "aggregates", "known")

    def __init__(self, generator: Generator, frame: Frame, queries: QueryEmitter | None) -> None:
        self.generator = generator
        self.frame = frame
        self.queries = queries
        self.aggregates: dict[tuple[int, int], Code] = {}
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
        if type(node) in HOISTABLE and is_constant(node):
            return self.generator.hoist(EMITTERS[type(node)](self, node))
        return EMITTERS[type(node)](self, node)

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
        name = self.generator.name("value")
        self.generator.bound[name] = value
        self.generator.constants.add(name)
        return Code(name, CLASS_OF_TYPE[type(value)], True)

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

    def unary(self, node: ast.Unary) -> Code:
        if node.operator == "NOT":
            return self.truth_value(node)
        if node.operator == "+":
            return self.value(node.operand)
        operand = self.value(node.operand)
        if node.operator == "~":
            return Code(f"{self.use(values.bit_not)}({operand.text})", HOLDS_INT | operand.classes & HOLDS_NULL)
        if operand.classes == HOLDS_FLOAT:
            # Only a literal can be minus zero: SQLite subtracts everything else from zero.
            minus = "-" if isinstance(node.operand, ast.Literal) else "0.0 - "
            return Code(f"({minus}{operand.grouped})", HOLDS_FLOAT, True)
        return Code(f"{self.use(values.negate)}({operand.text})", HOLDS_NUMBER | operand.classes & HOLDS_NULL)

    def binary(self, node: ast.Binary) -> Code:
        operator = node.operator
        if operator in ("AND", "OR") or operator in PYTHON_COMPARISON or operator in ("IS", "IS NOT"):
            return self.truth_value(node)
        chain = spine_of(node)
        if len(chain) > CHAIN_MAX:
            return self.folded_chain(chain)
        left, right = self.raw_value(node.left), self.raw_value(node.right)
        if operator == "||":
            return self.concatenate(left, right)
        if operator in ("+", "-", "*") and not (left.classes | right.classes) & (HOLDS_TEXT | HOLDS_BLOB):
            return self.arithmetic(operator, left, right)
        if operator in ("/", "%"):
            return self.division(operator, left, right)
        function = self.use(GENERIC_ARITHMETIC[operator])
        nullable = (left.classes | right.classes) & HOLDS_NULL
        result = HOLDS_INT if operator in ("&", "|", "<<", ">>") else HOLDS_NUMBER
        nan = HOLDS_NULL if operator in ("+", "-", "*") else 0
        return Code(f"{function}({left.text}, {right.text})", result | nullable | nan)

    def arithmetic(self, operator: str, left: Code, right: Code) -> Code:
        """+ - * on numbers and NULLs: Python's own operator, with a look at 64 bits where both are integers."""
        left, left_test = self.guarded(left)
        right, right_test = self.guarded(right)
        left_classes, right_classes = left.classes & ~HOLDS_NULL, right.classes & ~HOLDS_NULL
        text = f"{left.grouped} {operator} {right.grouped}"
        if left_classes == HOLDS_INT and right_classes == HOLDS_INT:
            name = self.generator.name("x")
            text = f"({name} if {INT_MIN} <= ({name} := {text}) <= {INT_MAX} else float({name}))"
            classes, nan = HOLDS_NUMBER, False
        elif HOLDS_FLOAT in (left_classes, right_classes):
            classes, nan = HOLDS_FLOAT, True
        else:
            text = f"{self.use(values.integer_result)}({text})"
            classes, nan = HOLDS_NUMBER, True
        tests = [test for test in (left_test, right_test) if test]
        if tests:
            return Code(f"(None if {' or '.join(tests)} else {text})", classes | HOLDS_NULL, True, nan)
        return Code(f"({text})" if nan else text, classes, True, nan)

    def guarded(self, code: Code) -> tuple[Code, str]:
        """The operand, named if it must be tested for NULL first, and that test."""
        if not code.nullable:
            return code, ""
        if code.atomic and len(code.text) < 40 and "(" not in code.text:
            return code, f"{code.text} is None"
        name = self.generator.name("x")
        return Code(name, code.classes, True, code.nan), f"({name} := {code.text}) is None"

    def division(self, operator: str, left: Code, right: Code) -> Code:
        left, right = self.settled(left), self.settled(right)
        function = self.use(GENERIC_ARITHMETIC[operator])
        if left.classes == HOLDS_INT and right.classes == HOLDS_INT and operator == "%":
            if not (left.atomic and right.atomic) or len(left.text) > NAME_LENGTH_MAX:
                return Code(f"{function}({left.text}, {right.text})", HOLDS_INT | HOLDS_NULL)
            divisor = self.generator.bound.get(right.text)
            positive = type(divisor) is int and divisor > 0
            test = f"{left.text} >= 0" if positive else f"{left.text} >= 0 < {right.text}"
            text = f"({left.text} % {right.text} if {test} else {function}({left.text}, {right.text}))"
            return Code(text, HOLDS_INT if positive else HOLDS_INT | HOLDS_NULL, True)
        return Code(f"{function}({left.text}, {right.text})", HOLDS_NUMBER | HOLDS_NULL)

    def concatenate(self, left: Code, right: Code) -> Code:
        if left.classes == HOLDS_TEXT and right.classes == HOLDS_TEXT:
            return Code(f"({left.text} + {right.text})", HOLDS_TEXT, True)
        function = self.use(values.concatenate)
        nullable = (left.classes | right.classes) & HOLDS_NULL
        return Code(f"{function}({self.settled(left).text}, {self.settled(right).text})", HOLDS_TEXT | nullable)

    def settled(self, code: Code) -> Code:
        if not code.nan:
            return code
        name = self.generator.name("x")
        return Code(f"({name} if ({name} := {code.text}) == {name} else None)", code.classes | HOLDS_NULL, True)

    def folded_chain(self, chain: list[tuple[str, Expr]]) -> Code:
        """a + b - c ... with many terms, as a loop over (function, value) pairs."""
        parts = []
        for operator, operand in chain:
            function = self.use(GENERIC_ARITHMETIC[operator]) if operator else "None"
            parts.append(f"({function}, {self.value(operand).text})")
        last = chain[-1][0]
        result = HOLDS_TEXT if last == "||" else HOLDS_NUMBER
        return Code(f"{self.use(runtime.fold_chain)}(({', '.join(parts)}))", result | HOLDS_NULL)

    # ---- truth

    def truth_value(self, node: Expr) -> Code:
        """1, 0 or None for a condition."""
        if isinstance(node, ast.Unary) and node.operator == "NOT":
            operand = self.truth_value(node.operand) if is_condition(node.operand) else self.value(node.operand)
            if not operand.nullable:
                return Code(f"+({self.false(node.operand)})", HOLDS_INT)
            return Code(f"{self.use(runtime.logical_not)}({operand.text})", HOLDS_INT | HOLDS_NULL)
        if isinstance(node, ast.Binary) and node.operator in ("AND", "OR"):
            left, right = self.value(node.left), self.value(node.right)
            if not left.nullable and not right.nullable:
                return Code(f"+bool({self.true(node)})", HOLDS_INT)
            function = self.use(runtime.logical_and if node.operator == "AND" else runtime.logical_or)
            return Code(f"{function}({left.text}, {right.text})", HOLDS_INT | HOLDS_NULL)
        if isinstance(node, ast.Binary) and node.operator in PYTHON_COMPARISON:
            return self.comparison_value(node)
        return Code(f"+bool({self.true(node)})", HOLDS_INT)

    def comparison_value(self, node: ast.Binary) -> Code:
        left, right = self.operands(node)
        native = comparable(left, right) or node.operator in ("=", "<>")
        if not native:
            function = self.use(GENERIC_COMPARISON[node.operator])
            nullable = (left.classes | right.classes) & HOLDS_NULL
            number = self.use(runtime.truth_number)
            return Code(f"{number}({function}({left.text}, {right.text}))", HOLDS_INT | nullable)
        left, left_test = self.guarded(left)
        right, right_test = self.guarded(right)
        text = f"+({left.grouped} {PYTHON_COMPARISON[node.operator]} {right.grouped})"
        tests = [test for test in (left_test, right_test) if test]
        if tests:
            return Code(f"(None if {' or '.join(tests)} else {text})", HOLDS_INT | HOLDS_NULL, True)
        return Code(text, HOLDS_INT)

    def true(self, node: Expr) -> str:
        """A Python condition that holds exactly when the expression is true."""
        return self.test(node, True)

    def false(self, node: Expr) -> str:
        """A Python condition that holds exactly when the expression is false (and not NULL)."""
        return self.test(node, False)

    def test(self, node: Expr, wanted: bool) -> str:
        while isinstance(node, ast.Unary) and node.operator == "NOT":
            node, wanted = node.operand, not wanted
        if isinstance(node, ast.Binary):
            if node.operator in ("AND", "OR"):
                return self.junction(node, wanted)
            if node.operator in PYTHON_COMPARISON:
                return self.comparison(node, wanted)
            if node.operator in ("IS", "IS NOT"):
                return self.identity(node, wanted == (node.operator == "IS"))
        if isinstance(node, ast.IsNull):
            operand = self.raw_value(node.operand)
            if operand.nan:
                operand = self.settled(operand)
            wants_null = wanted != node.negated
            if not operand.nullable:
                return "False" if wants_null else "True"
            return f"{operand.grouped} {'is' if wants_null else 'is not'} None"
        if isinstance(node, ast.Like):
            return self.like_test(node, wanted)
        if isinstance(node, ast.InList):
            return self.in_list_test(node, wanted)
        if isinstance(node, QueryExists):
            assert self.queries is not None
            text = self.queries.exists(node.query, self)
            return text if wanted else f"not {text}"
        if isinstance(node, QueryIn):
            assert self.queries is not None
            return self.queries.in_test(node, wanted, self)
        return self.truthiness(self.value(node), wanted)

    def truthiness(self, code: Code, wanted: bool) -> str:
        if not code.classes & (HOLDS_TEXT | HOLDS_BLOB):
            return code.grouped if wanted else f"{code.grouped} == 0"
        return f"{self.use(values.truth)}({code.text}) is {wanted}"

    def junction(self, node: ast.Binary, wanted: bool) -> str:
        """AND and OR: a long chain stays flat."""
        operator = node.operator
        terms = []
        current: Expr = node
        while isinstance(current, ast.Binary) and current.operator == operator:
            terms.append(current.right)
            current = current.left
        terms.append(current)
        word = " and " if (operator == "AND") == wanted else " or "
        return "(" + word.join(self.test(term, wanted) for term in reversed(terms)) + ")"

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

    def comparison(self, node: ast.Binary, wanted: bool) -> str:
        operator = node.operator if wanted else INVERSE[node.operator]
        left, right = self.operands(node)
        if left.nan and not wanted:
            left, right = self.settled(left), self.settled(right)
        elif right.nan and not wanted:
            right = self.settled(right)
        if left.classes == HOLDS_NULL or right.classes == HOLDS_NULL:
            return "False"
        if operator in ("=", "<>"):
            return self.equality(operator, left, right)
        if not comparable(left, right):
            return f"{self.use(GENERIC_COMPARISON[operator])}({left.text}, {right.text})"
        left, left_test = self.guarded(left)
        right, right_test = self.guarded(right)
        tests = [f"{test[:-8]} is not None" for test in (left_test, right_test) if test]
        tests.append(f"{left.grouped} {PYTHON_COMPARISON[operator]} {right.grouped}")
        return tests[0] if len(tests) == 1 else f"({' and '.join(tests)})"

    def equality(self, operator: str, left: Code, right: Code) -> str:
        """= and <> need no common class, and = no guard unless both sides may be NULL."""
        if operator == "=" and not (left.nullable and right.nullable):
            return f"{left.grouped} == {right.grouped}"
        left, left_test = self.guarded(left)
        # NULL on the right equals nothing that is left once the left side is known.
        right, right_test = (right, "") if operator == "=" else self.guarded(right)
        tests = [f"{test[:-8]} is not None" for test in (left_test, right_test) if test]
        tests.append(f"{left.grouped} {PYTHON_COMPARISON[operator]} {right.grouped}")
        return tests[0] if len(tests) == 1 else f"({' and '.join(tests)})"

    def identity(self, node: ast.Binary, same: bool) -> str:
        """IS and IS NOT: NULL equals NULL, as Python's == has it."""
        left, right = self.operands(node)
        left, right = self.settled(left), self.settled(right)
        return f"{left.grouped} {'==' if same else '!='} {right.grouped}"

    # ---- LIKE and IN

    def like_test(self, node: ast.Like, wanted: bool) -> str:
        wanted = wanted != node.negated
        matcher = self.like_matcher(node)
        operand = self.value(node.operand)
        call = f"{matcher}({operand.text})"
        if operand.nullable or not self.generator_like_safe(node):
            return f"{call} is {wanted}"
        return call if wanted else f"not {call}"

    def generator_like_safe(self, node: ast.Like) -> bool:
        """Whether the pattern cannot be NULL, so that a non-NULL operand gets a plain answer."""
        return is_constant(node.pattern) and not self.value(node.pattern).nullable and node.escape is None

    def like_matcher(self, node: ast.Like) -> str:
        """The name of a matcher made once, or an expression that makes one for a pattern that varies."""
        maker = patterns.glob_function if node.operator == "GLOB" else patterns.like_function
        pattern = self.value(node.pattern)
        arguments = [pattern.text]
        constant = is_constant(node.pattern)
        if node.escape is not None:
            arguments.append(self.value(node.escape).text)
            constant = constant and is_constant(node.escape)
        if node.operator == "LIKE":
            self.generator.needs_context = True
            function = "context.like_function"
        else:
            function = self.use(maker)
        code = Code(f"{function}({', '.join(arguments)})", HOLDS_ANY)
        return self.generator.hoist(code, "like").text if constant else code.text

    def like(self, node: ast.Like) -> Code:
        matcher = self.like_matcher(node)
        operand = self.value(node.operand)
        function = self.use(runtime.truth_number if not node.negated else runtime.negated_truth_number)
        return Code(f"{function}({matcher}({operand.text}))", HOLDS_INT | HOLDS_NULL)

    def in_list_test(self, node: ast.InList, wanted: bool) -> str:
        wanted = wanted != node.negated
        if not node.items:
            return "False" if wanted else "True"
        if not all(is_constant(item) for item in node.items):
            either = self.expanded_in(node)
            return self.test(either, wanted)
        operand, members = self.in_operand(node), self.in_members(node)
        if wanted:
            return f"{operand.grouped} in {members}"
        operand, test = self.guarded(operand)
        tests = [f"{test[:-8]} is not None"] if test else []
        tests.append(f"not {members}_null")
        tests.append(f"{operand.grouped} not in {members}")
        return f"({' and '.join(tests)})"

    def in_list(self, node: ast.InList) -> Code:
        if not node.items:
            return Code("1" if node.negated else "0", HOLDS_INT, True)
        if not all(is_constant(item) for item in node.items):
            either = self.expanded_in(node)
            return self.truth_value(ast.Unary("NOT", either) if node.negated else either)
        operand, members = self.in_operand(node), self.in_members(node)
        function = self.use(runtime.not_member if node.negated else runtime.member)
        return Code(f"{function}({operand.text}, {members}, {members}_null)", HOLDS_INT | HOLDS_NULL)

    def expanded_in(self, node: ast.InList) -> Expr:
        either: Expr = None
        for item in node.items:
            equal = ast.Binary("=", node.operand, ast.Unary("+", item))
            either = equal if either is None else ast.Binary("OR", either, equal)
        return either

    def in_operand(self, node: ast.InList) -> Code:
        collation = comparison_collation(node.operand, ast.Literal(None))
        return self.collated(self.value(node.operand), collation)

    def in_members(self, node: ast.InList) -> str:
        """The name of the set of the list's values, made once; `name_null` tells that NULL was among them."""
        affinity = affinity_of(node.operand)
        collation = comparison_collation(node.operand, ast.Literal(None))
        listed = ", ".join(self.member_text(item) for item in node.items)
        arguments = [f"({listed},)", repr(affinity)]
        key = collation_function(self.generator, collation)
        if key is not None:
            arguments.append(key)
        name = self.generator.hoist(Code(f"{self.use(runtime.member_set)}({', '.join(arguments)})"), "members").text
        flag = f"{name}_null"
        if flag not in self.generator.hoisted:
            self.generator.hoisted[flag] = Code(flag)
            self.generator.main.emit_setup(f"{flag} = {name} is not ({name} := {self.use(runtime.without_null)}({name}))")
        return name

    def member_text(self, item: Expr) -> str:
        """An item of an IN list: its class doesn't matter, so that it makes the plan no more particular."""
        if isinstance(item, ast.Parameter):
            return self.generator.parameter(item.index)
        if isinstance(item, ast.Literal) and item.slot >= 0:
            base: int | None = self.generator.literal_base
            if base is not None:
                return f"params[{base + item.slot}]"
        return self.value(item).text

    # ---- CASE, CAST and the rest

    def case(self, node: ast.Case) -> Code:
        operand: Expr = node.operand
        if operand is not None:
            code = self.raw_value(operand)
            name = self.generator.name("case")
            operand = Local(name, code.classes, affinity_of(operand), comparison_collation(operand, ast.Literal(None)))
            first = f"({name} := {code.text})"
        otherwise = Code("None", HOLDS_NULL, True) if node.otherwise is None else self.value(node.otherwise)
        text, classes = "", otherwise.classes
        for number, (when, then) in enumerate(node.whens):
            if operand is None:
                test = self.true(when)
            else:
                test = self.comparison(ast.Binary("=", operand, when), True)
                if number == 0:
                    test = f"[{first}] and {test}"
            result = self.value(then)
            classes |= result.classes
            text += f"{result.text} if {test} else "
        return Code(f"({text}{otherwise.text})", classes, True)

    def cast(self, node: ast.Cast) -> Code:
        affinity = affinity_of(node)
        operand = self.value(node.operand)
        function, classes = CASTS[affinity or "BLOB"]
        if operand.classes == classes:
            return operand
        return Code(f"{self.use(function)}({operand.text})", classes | operand.classes & HOLDS_NULL)

    def collate(self, node: ast.Collate) -> Code:
        return self.raw_value(node.operand)

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
        from tandemdb.planner.triggers import raise_from_trigger

        message = "None" if node.message is None else self.value(node.message).text
        return Code(f"{self.use(raise_from_trigger)}({node.action!r}, {message})", HOLDS_NULL)

    def use(self, function: Callable[..., Any]) -> str:
        return self.generator.helper(function)


def comparable(left: Code, right: Code) -> bool:
    """Whether Python's < may compare the two when neither is NULL."""
    both = (left.classes | right.classes) & ~HOLDS_NULL
    return both & ~HOLDS_NUMBER == 0 or both in (HOLDS_TEXT, HOLDS_BLOB)


def spine_of(node: ast.Binary) -> list[tuple[str, Expr]]:
    """The operands of a left-leaning chain of arithmetic, each with the operator before it."""
    chain: list[tuple[str, Expr]] = []
    current: Expr = node
    while isinstance(current, ast.Binary) and current.operator in GENERIC_ARITHMETIC:
        chain.append((current.operator, current.right))
        current = current.left
    chain.append(("", current))
    chain.reverse()
    return chain


def is_condition(node: Expr) -> bool:
    return isinstance(node, (ast.Unary, ast.Binary)) and (
        node.operator in ("NOT", "AND", "OR") or node.operator in PYTHON_COMPARISON
    )


CASTS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "INTEGER": (values.cast_integer, HOLDS_INT),
    "REAL": (values.cast_real, HOLDS_FLOAT),
    "TEXT": (values.cast_text, HOLDS_TEXT),
    "BLOB": (values.cast_blob, HOLDS_BLOB),
    "NUMERIC": (values.cast_numeric, HOLDS_NUMBER),
}

EMITTERS: dict[type, Callable[[ExpressionEmitter, Any], Code]] = {
    ast.Literal: ExpressionEmitter.literal,
    ast.Parameter: ExpressionEmitter.parameter,
    Column: ExpressionEmitter.column,
    Rowid: ExpressionEmitter.rowid,
    Local: ExpressionEmitter.local,
    AggregateRef: ExpressionEmitter.aggregate_ref,
    WindowRef: ExpressionEmitter.window_ref,
    ast.Unary: ExpressionEmitter.unary,
    ast.Binary: ExpressionEmitter.binary,
    ast.IsNull: ExpressionEmitter.is_null,
    ast.Like: ExpressionEmitter.like,
    ast.InList: ExpressionEmitter.in_list,
    ast.Case: ExpressionEmitter.case,
    ast.Cast: ExpressionEmitter.cast,
    ast.Collate: ExpressionEmitter.collate,
    ast.Raise: ExpressionEmitter.raise_,
    FunctionCall: ExpressionEmitter.call,
    UserCall: ExpressionEmitter.user_call,
    QueryValue: ExpressionEmitter.query_value,
    QueryExists: ExpressionEmitter.query_exists,
    QueryIn: ExpressionEmitter.query_in,
}
HOISTABLE = frozenset({ast.Unary, ast.Binary, ast.Cast, FunctionCall})
__all__ = ["ExpressionEmitter", "walk"]
