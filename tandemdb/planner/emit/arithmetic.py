"""Arithmetic, concatenation and their like as Python: operators on values of known classes.

    c.price * 2        price: REAL                  c_0[2] * 2.0
    c.size + c.rooms   both INT                     (x_1 if INT_MIN <= (x_1 := c_0[3] + c_0[4]) <= INT_MAX else ...)
    c.size / p0        both INT                     (c_0[3] // p0 if c_0[3] >= 0 < p0 else divide(c_0[3], p0))
    c.name || c.size   TEXT and INT                 (c_0[1] + str(c_0[3]))
    anything else                                   add(c_0[5], p0)                       a function of `runtime.values`

A result beyond 64 bits is computed once more, of reals. Where a real may be NaN, which is NULL, its code says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import (
    HOLDS_BLOB,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    Expr,
    whole,
)
from tandemdb.planner.emit.condition import PYTHON_COMPARISON, truth_value
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import helpers as runtime
from tandemdb.planner.runtime import values
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.expression import ExpressionEmitter

GENERIC_ARITHMETIC = {
    "+": values.add, "-": values.subtract, "*": values.multiply, "/": values.divide, "%": values.modulo,
    "||": values.concatenate, "&": values.bit_and, "|": values.bit_or,
    "<<": values.shift_left, ">>": values.shift_right,
}  # fmt: skip
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
DIGIT = 2**30
CHAIN_MAX = 24
"""A chain of the same operator longer than this is folded by a loop: Python's own parser refuses deep nesting."""
NAME_LENGTH_MAX = 40
"""What is longer is computed once, not written twice."""


def unary(emitter: ExpressionEmitter, node: ast.Unary) -> Code:
    if node.operator == "NOT":
        return truth_value(emitter, node)
    if node.operator == "+":
        return emitter.value(node.operand)
    operand = emitter.value(node.operand)
    if node.operator == "~":
        return Code(f"{emitter.use(values.bit_not)}({operand.text})", HOLDS_INT | operand.classes & HOLDS_NULL)
    if operand.classes == HOLDS_FLOAT:
        # Only a literal can be minus zero: SQLite subtracts everything else from zero.
        minus = "-" if isinstance(node.operand, ast.Literal) else "0.0 - "
        return Code(f"({minus}{operand.grouped})", HOLDS_FLOAT, True)
    literal = node.operand.value if isinstance(node.operand, ast.Literal) else None
    if type(literal) is int and literal >= 0:
        return Code(f"(-{operand.text})", HOLDS_INT, True)
    if not operand.classes & (HOLDS_TEXT | HOLDS_BLOB):
        return arithmetic(emitter, "-", Code("0", HOLDS_INT, True), operand)
    return Code(f"{emitter.use(values.negate)}({operand.text})", HOLDS_NUMBER | operand.classes & HOLDS_NULL)


def binary(emitter: ExpressionEmitter, node: ast.Binary) -> Code:
    operator = node.operator
    if operator in ("AND", "OR") or operator in PYTHON_COMPARISON or operator in ("IS", "IS NOT"):
        return truth_value(emitter, node)
    chain = spine_of(node)
    if len(chain) > CHAIN_MAX:
        return folded_chain(emitter, chain)
    left, right = emitter.raw_value(node.left), emitter.raw_value(node.right)
    if operator == "||":
        return concatenate(emitter, left, right)
    if operator in ("+", "-", "*") and not (left.classes | right.classes) & (HOLDS_TEXT | HOLDS_BLOB):
        return arithmetic(emitter, operator, left, right)
    if operator in ("/", "%"):
        return division(emitter, operator, left, right)
    if operator in ("&", "|") and left.classes == HOLDS_INT == right.classes:
        return Code(f"({left.grouped} {operator} {right.grouped})", HOLDS_INT, True)
    function = emitter.use(GENERIC_ARITHMETIC[operator])
    nullable = (left.classes | right.classes) & HOLDS_NULL
    result = HOLDS_INT if operator in ("&", "|", "<<", ">>") else HOLDS_NUMBER
    nan = HOLDS_NULL if operator in ("+", "-", "*") else 0
    return Code(f"{function}({left.text}, {right.text})", result | nullable | nan)


def arithmetic(emitter: ExpressionEmitter, operator: str, left: Code, right: Code) -> Code:
    """+ - * on numbers and NULLs: Python's own operator, with a look at 64 bits where both are integers."""
    nan = left.nan or right.nan or makes_nan(emitter, operator, left, right)
    left, left_test = emitter.guarded(left)
    right, right_test = emitter.guarded(right)
    left_classes, right_classes = left.classes & ~HOLDS_NULL, right.classes & ~HOLDS_NULL
    if left_classes == HOLDS_FLOAT:
        right = emitter.as_real(right)
    elif right_classes == HOLDS_FLOAT:
        left = emitter.as_real(left)
    if HOLDS_FLOAT in (left_classes, right_classes):
        text, classes = f"({left.grouped} {operator} {right.grouped})", HOLDS_FLOAT
    else:
        text, classes = checked_arithmetic(emitter, operator, left, right), HOLDS_NUMBER
    tests = [test for test in (left_test, right_test) if test]
    if tests:
        return Code(f"(None if {' or '.join(tests)} else {text})", classes | HOLDS_NULL, True, nan)
    return Code(text, classes, True, nan)


def makes_nan(emitter: ExpressionEmitter, operator: str, left: Code, right: Code) -> bool:
    """Whether numbers that are none may give NaN: infinity less infinity, or times zero."""
    reals = (left.classes & HOLDS_FLOAT, right.classes & HOLDS_FLOAT)
    if operator != "*":
        return all(reals)
    if all(reals):
        return True
    other = emitter.generator.bound.get((right if reals[0] else left).text)
    return any(reals) and not (type(other) is int and other != 0)


def checked_arithmetic(emitter: ExpressionEmitter, operator: str, left: Code, right: Code) -> str:
    """+ - * where integers may go beyond 64 bits: what does is computed once more, of reals, as SQLite does it.

    So is a real beyond them, or NaN, which comes out the same.
    """
    found = emitter.generator.name("x")
    texts, again = [], []
    for code in (left, right):
        named = "(" not in code.text
        name = code.text if named else emitter.generator.name("x")
        texts.append(name if named else f"({name} := {code.text})")
        again.append(f"float({name})")
    # Python compares with numbers of one digit, of 30 bits, in half the time.
    small = f"-{DIGIT} < ({found} := {texts[0]} {operator} {texts[1]}) < {DIGIT}"
    whole = f"{found} if {INT_MIN} <= {found} <= {INT_MAX} else {again[0]} {operator} {again[1]}"
    return f"({found} if {small} else {whole})"


def division(emitter: ExpressionEmitter, operator: str, left: Code, right: Code) -> Code:
    left, right = emitter.settled(left), emitter.settled(right)
    function = emitter.use(GENERIC_ARITHMETIC[operator])
    short = all(code.atomic and len(code.text) <= NAME_LENGTH_MAX for code in (left, right))
    if left.classes == HOLDS_INT and right.classes == HOLDS_INT and (operator == "%" or short):
        if not short:
            return Code(f"{function}({left.text}, {right.text})", HOLDS_INT | HOLDS_NULL)
        divisor = emitter.generator.bound.get(right.text)
        positive = type(divisor) is int and divisor > 0
        test = f"{left.text} >= 0" if positive else f"{left.text} >= 0 < {right.text}"
        sign = "%" if operator == "%" else "//"
        text = f"({left.text} {sign} {right.text} if {test} else {function}({left.text}, {right.text}))"
        # Only the least integer divided by -1 makes a real.
        classes = HOLDS_INT if operator == "%" or positive else HOLDS_NUMBER
        return Code(text, classes if positive else classes | HOLDS_NULL, True)
    if operator == "/" and short and HOLDS_FLOAT in (left.classes, right.classes):
        if not (left.classes | right.classes) & ~HOLDS_NUMBER:
            # What is divided by zero is NULL; infinity by infinity too.
            right = emitter.as_real(right)
            nan = bool(right.classes & HOLDS_FLOAT) and right.text not in emitter.generator.bound
            text = f"({left.text} / {right.text} if {right.text} else None)"
            return Code(text, HOLDS_FLOAT | HOLDS_NULL, True, nan)
    return Code(f"{function}({left.text}, {right.text})", HOLDS_NUMBER | HOLDS_NULL)


def concatenate(emitter: ExpressionEmitter, left: Code, right: Code) -> Code:
    if left.classes == HOLDS_TEXT and right.classes == HOLDS_TEXT:
        return Code(f"({left.text} + {right.text})", HOLDS_TEXT, True)
    kinds = [code.classes & ~HOLDS_NULL for code in (left, right)]
    if HOLDS_TEXT in kinds and all(kind in (HOLDS_TEXT, HOLDS_INT) for kind in kinds):
        (left, left_test), (right, right_test) = emitter.guarded(left), emitter.guarded(right)
        pairs = zip((left, right), kinds, strict=True)
        parts = [code.grouped if kind == HOLDS_TEXT else f"str({code.text})" for code, kind in pairs]
        tests = [test for test in (left_test, right_test) if test]
        if not tests:
            return Code(f"({' + '.join(parts)})", HOLDS_TEXT, True)
        return Code(f"(None if {' or '.join(tests)} else {' + '.join(parts)})", HOLDS_TEXT | HOLDS_NULL, True)
    function = emitter.use(values.concatenate)
    nullable = (left.classes | right.classes) & HOLDS_NULL
    return Code(f"{function}({emitter.settled(left).text}, {emitter.settled(right).text})", HOLDS_TEXT | nullable)


def folded_chain(emitter: ExpressionEmitter, chain: list[tuple[str, Expr]]) -> Code:
    """a + b - c ... with many terms, as a loop over (function, value) pairs."""
    parts = []
    for operator, operand in chain:
        function = emitter.use(GENERIC_ARITHMETIC[operator]) if operator else "None"
        parts.append(f"({function}, {emitter.value(operand).text})")
    last = chain[-1][0]
    result = HOLDS_TEXT if last == "||" else HOLDS_NUMBER
    return Code(f"{emitter.use(runtime.fold_chain)}(({', '.join(parts)}))", result | HOLDS_NULL)


def spine_of(node: ast.Binary) -> list[tuple[str, Expr]]:
    """The operands of a left-leaning chain of arithmetic, each with the operator before it."""
    chain: list[tuple[str, Expr]] = []
    current: Expr = node
    while isinstance(link := whole(current), ast.Binary) and link.operator in GENERIC_ARITHMETIC:
        chain.append((link.operator, link.right))
        current = link.left
    chain.append(("", current))
    chain.reverse()
    return chain
