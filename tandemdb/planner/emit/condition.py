"""Conditions as Python: whether an expression is true, whether it is false, and its truth value where that is kept.

    c.area > ?1 AND NOT c.name LIKE 'A%'       area: INT or NULL, name: TEXT, ?1 an int

    true:    c_0[2] is not None and c_0[2] > p0 and not like_1(c_0[1])
    false:   c_0[2] is not None and c_0[2] <= p0 or like_1(c_0[1])
    value:   logical_and(None if c_0[2] is None else +(c_0[2] > p0), negated_truth_number(like_1(c_0[1])))

SQL's third truth value needs no encoding in a filter: NULL is neither true nor false, and NOT swaps the two. Only where
a truth value is kept is it computed as 1, 0 or None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import (
    HOLDS_BLOB,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    Between,
    Column,
    Expr,
    Local,
    Part,
    QueryExists,
    QueryIn,
    children,
    whole,
)
from tandemdb.planner.bind.traits import affinity_of, collation_of
from tandemdb.planner.emit.membership import in_list_test, like_test
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import helpers as runtime
from tandemdb.planner.runtime import values
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.expression import ExpressionEmitter

INVERSE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
PYTHON_COMPARISON = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
GENERIC_COMPARISON = {
    "=": values.equal, "<>": values.not_equal, "<": values.less, "<=": values.less_equal,
    ">": values.greater, ">=": values.greater_equal,
}  # fmt: skip


def truth_value(emitter: ExpressionEmitter, node: Expr) -> Code:
    """1, 0 or None for a condition."""
    if isinstance(node, ast.Unary) and node.operator == "NOT":
        operand = truth_value(emitter, node.operand) if is_condition(node.operand) else emitter.value(node.operand)
        if not operand.nullable:
            return Code(f"+bool({emitter.false(node.operand)})", HOLDS_INT)
        return Code(f"{emitter.use(runtime.logical_not)}({operand.text})", HOLDS_INT | HOLDS_NULL)
    if isinstance(node, ast.Binary) and node.operator in ("AND", "OR"):
        left, right = emitter.value(node.left), emitter.value(node.right)
        if not left.nullable and not right.nullable:
            tests = truthiness(emitter, left, True), truthiness(emitter, right, True)
            if is_small(node):
                return Code(f"(1 if {emitter.true(node)} else 0)", HOLDS_INT, True)
            return Code(f"+bool({tests[0]} {node.operator.lower()} {tests[1]})", HOLDS_INT)
        if is_small(node):
            text = f"(1 if {emitter.true(node)} else 0 if {emitter.false(node)} else None)"
            return Code(text, HOLDS_INT | HOLDS_NULL, True)
        function = emitter.use(runtime.logical_and if node.operator == "AND" else runtime.logical_or)
        return Code(f"{function}({left.text}, {right.text})", HOLDS_INT | HOLDS_NULL)
    if isinstance(node, ast.Binary) and node.operator in PYTHON_COMPARISON:
        return comparison_value(emitter, node)
    return Code(f"+bool({emitter.true(node)})", HOLDS_INT)


def comparison_value(emitter: ExpressionEmitter, node: ast.Binary) -> Code:
    left, right = alike(emitter, *emitter.operands(node))
    native = comparable(left, right) or node.operator in ("=", "<>")
    if not native:
        function = emitter.use(GENERIC_COMPARISON[node.operator])
        nullable = (left.classes | right.classes) & HOLDS_NULL
        number = emitter.use(runtime.truth_number)
        return Code(f"{number}({function}({left.text}, {right.text}))", HOLDS_INT | nullable)
    left, left_test = emitter.guarded(left)
    right, right_test = emitter.guarded(right)
    text = f"(1 if {left.grouped} {PYTHON_COMPARISON[node.operator]} {right.grouped} else 0)"
    tests = [test for test in (left_test, right_test) if test]
    if tests:
        return Code(f"(None if {' or '.join(tests)} else {text})", HOLDS_INT | HOLDS_NULL, True)
    return Code(text, HOLDS_INT, True)


def is_small(node: Expr) -> bool:
    """Whether a condition is worth writing twice, once for true and once for false: a few comparisons of columns."""
    pending, count = [node], 0
    while pending:
        part = pending.pop()
        count += 1
        if count > SMALL_NODES or not isinstance(part, SMALL):
            return False
        pending.extend(children(part))
    return True


SMALL = (ast.Binary, ast.IsNull, ast.Literal, ast.Parameter, Column)
SMALL_NODES = 15


def condition(emitter: ExpressionEmitter, node: Expr, wanted: bool) -> str:
    """A Python condition that holds exactly when the expression is true (`wanted`), or false and not NULL."""
    while isinstance(node, ast.Unary) and node.operator == "NOT":
        node, wanted = node.operand, not wanted
    if isinstance(node, Part):
        plain = whole(node)
        if not (isinstance(plain, ast.Binary) and plain.operator in ("AND", "OR")):
            return truthiness(emitter, emitter.value(node), wanted)
        node = plain
    if isinstance(node, ast.Binary):
        if node.operator in ("AND", "OR"):
            return junction(emitter, node, wanted)
        if node.operator in PYTHON_COMPARISON:
            return comparison(emitter, node, wanted)
        if node.operator in ("IS", "IS NOT"):
            return identity(emitter, node, wanted == (node.operator == "IS"))
    if isinstance(node, ast.IsNull):
        operand = emitter.raw_value(node.operand)
        if operand.nan:
            operand = emitter.settled(operand)
        wants_null = wanted != node.negated
        if not operand.nullable:
            return "False" if wants_null else "True"
        return f"{operand.grouped} {'is' if wants_null else 'is not'} None"
    if isinstance(node, Between):
        named, both = between_parts(emitter, node)
        return f"([{named}] and {emitter.test(both, wanted)})"
    if isinstance(node, ast.Like):
        return like_test(emitter, node, wanted)
    if isinstance(node, ast.InList):
        return in_list_test(emitter, node, wanted)
    if isinstance(node, QueryExists):
        assert emitter.queries is not None
        text = emitter.queries.exists(node.query, emitter)
        return text if wanted else f"not {text}"
    if isinstance(node, QueryIn):
        assert emitter.queries is not None
        return emitter.queries.in_test(node, wanted, emitter)
    return truthiness(emitter, emitter.value(node), wanted)


def truthiness(emitter: ExpressionEmitter, code: Code, wanted: bool) -> str:
    if not code.classes & (HOLDS_TEXT | HOLDS_BLOB):
        return code.grouped if wanted else f"{code.grouped} == 0"
    return f"{emitter.use(values.truth)}({code.text}) is {wanted}"


def junction(emitter: ExpressionEmitter, node: ast.Binary, wanted: bool) -> str:
    """AND and OR: a long chain stays flat."""
    operator = node.operator
    terms = []
    current: Expr = node
    while isinstance(plain := whole(current), ast.Binary) and plain.operator == operator:
        terms.append(plain.right)
        current = plain.left
    terms.append(current)
    word = " and " if (operator == "AND") == wanted else " or "
    return "(" + word.join(emitter.test(term, wanted) for term in reversed(terms)) + ")"


def comparison(emitter: ExpressionEmitter, node: ast.Binary, wanted: bool) -> str:
    """A test of = <> < <= > >= by Python's own operator where both sides are of one class."""
    operator = node.operator if wanted else INVERSE[node.operator]
    left, right = emitter.operands(node)
    if left.nan and not wanted:
        left, right = emitter.settled(left), emitter.settled(right)
    elif right.nan and not wanted:
        right = emitter.settled(right)
    left, right = alike(emitter, left, right)
    if left.classes == HOLDS_NULL or right.classes == HOLDS_NULL:
        return "False"
    if operator in ("=", "<>"):
        return equality(emitter, operator, left, right)
    if not comparable(left, right):
        return f"{emitter.use(GENERIC_COMPARISON[operator])}({left.text}, {right.text})"
    left, left_test = emitter.guarded(left)
    right, right_test = emitter.guarded(right)
    tests = [f"{test[:-8]} is not None" for test in (left_test, right_test) if test]
    tests.append(f"{left.grouped} {PYTHON_COMPARISON[operator]} {right.grouped}")
    return tests[0] if len(tests) == 1 else f"({' and '.join(tests)})"


def alike(emitter: ExpressionEmitter, left: Code, right: Code) -> tuple[Code, Code]:
    """The operands of a comparison; a constant integer beside a real is made a real."""
    if left.classes & ~HOLDS_NULL == HOLDS_FLOAT:
        return left, emitter.as_real(right, compared=True)
    if right.classes & ~HOLDS_NULL == HOLDS_FLOAT:
        return emitter.as_real(left, compared=True), right
    return left, right


def equality(emitter: ExpressionEmitter, operator: str, left: Code, right: Code) -> str:
    """= and <> need no common class, and = no guard unless both sides may be NULL."""
    if operator == "=" and not (left.nullable and right.nullable):
        return f"{left.grouped} == {right.grouped}"
    left, left_test = emitter.guarded(left)
    # NULL on the right equals nothing that is left once the left side is known.
    right, right_test = (right, "") if operator == "=" else emitter.guarded(right)
    tests = [f"{test[:-8]} is not None" for test in (left_test, right_test) if test]
    tests.append(f"{left.grouped} {PYTHON_COMPARISON[operator]} {right.grouped}")
    return tests[0] if len(tests) == 1 else f"({' and '.join(tests)})"


def identity(emitter: ExpressionEmitter, node: ast.Binary, same: bool) -> str:
    """IS and IS NOT: NULL equals NULL, as Python's == has it."""
    left, right = emitter.operands(node)
    left, right = emitter.settled(left), emitter.settled(right)
    return f"{left.grouped} {'==' if same else '!='} {right.grouped}"


def between(emitter: ExpressionEmitter, node: Between) -> Code:
    """The truth value of x BETWEEN y AND z with x computed once."""
    named, both = between_parts(emitter, node)
    code = emitter.value(both)
    return Code(f"([{named}] and {code.text})", code.classes, True)


def between_parts(emitter: ExpressionEmitter, node: Between) -> tuple[str, Expr]:
    """The naming of the operand's value, and the two comparisons of that name."""
    local: Any
    local, named = named_value(emitter, node.operand, "x")
    return named, ast.Binary("AND", ast.Binary(">=", local, node.low), ast.Binary("<=", local, node.high))


def named_value(emitter: ExpressionEmitter, node: Expr, prefix: str) -> tuple[Local, str]:
    """A name for an expression's value that compares as the expression does, and what gives it that value."""
    code = emitter.value(node)
    name = emitter.generator.name(prefix)
    collation, explicit = collation_of(node) or (None, False)
    return Local(name, code.classes, affinity_of(node), collation, explicit), f"({name} := {code.text})"


def comparable(left: Code, right: Code) -> bool:
    """Whether Python's < may compare the two when neither is NULL."""
    both = (left.classes | right.classes) & ~HOLDS_NULL
    return both & ~HOLDS_NUMBER == 0 or both in (HOLDS_TEXT, HOLDS_BLOB)


def is_condition(node: Expr) -> bool:
    return isinstance(node, (ast.Unary, ast.Binary)) and (
        node.operator in ("NOT", "AND", "OR") or node.operator in PYTHON_COMPARISON
    )
