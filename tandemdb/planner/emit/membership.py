"""LIKE, GLOB and IN with a list as Python: what can be made once is made before any row is read.

    name LIKE 'A%'         like_1(c_0[1])              like_1 = context.like_function(p0)
    size IN (1, 2, NULL)   c_0[2] in members_1         members_1 = member_set((p0, p1, p2), 'INTEGER') without its NULL
    size IN (a, b)         c_0[2] == c_0[3] or ...     the list varies from row to row
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_BLOB, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Expr
from tandemdb.planner.bind.expression import joined
from tandemdb.planner.bind.traits import affinity_of, comparison_collation, is_constant
from tandemdb.planner.emit.collation import collation_function
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import helpers as runtime
from tandemdb.planner.runtime import patterns
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.expression import ExpressionEmitter


def like_test(emitter: ExpressionEmitter, node: ast.Like, wanted: bool) -> str:
    wanted = wanted != node.negated
    matcher = like_matcher(emitter, node)
    operand = emitter.value(node.operand)
    call = f"{matcher}({operand.text})"
    if tests_texts(emitter, node, operand, matcher):
        return text_like_test(emitter, node, operand, matcher, wanted)
    if operand.nullable or node.escape is not None or not has_pattern(emitter, node):
        return f"{call} is {wanted}"
    return call if wanted else f"not {call}"


def tests_texts(emitter: ExpressionEmitter, node: ast.Like, operand: Code, matcher: str) -> bool:
    """Whether a matcher made once is asked for texts alone."""
    if operand.classes & ~HOLDS_NULL != HOLDS_TEXT or not matcher.isidentifier() or node.escape is not None:
        return False
    return has_pattern(emitter, node) and not emitter.value(node.pattern).classes & HOLDS_BLOB


def text_like_test(emitter: ExpressionEmitter, node: ast.Like, operand: Code, matcher: str, wanted: bool) -> str:
    """LIKE and GLOB of texts: only one that has the longest pieces of the pattern in it is looked at any closer."""
    generator = emitter.generator
    maker = emitter.use(patterns.glob_pieces if node.operator == "GLOB" else patterns.like_pieces)
    piece = generator.hoist(Code(f"{maker}({emitter.value(node.pattern).text})"), "pieces").text
    text, more, as_it_is = f"{piece}_text", f"{piece}_more", f"{piece}_as_it_is"
    if text not in generator.hoisted:
        generator.hoisted[text] = Code(text)
        generator.main.emit_setup(f"{text}, {more}, {as_it_is} = {piece}")
    tests = []
    if operand.nullable or not operand.atomic or "(" in operand.text:
        name = generator.name("x")
        tests.append(f"({name} := {operand.text}) is not None")
        operand = Code(name, operand.classes, True)
    x = operand.text
    looked_in = f"({x} if {as_it_is} else {x}.lower())"
    matches = f"{text} in {looked_in} and {more} in {looked_in} and {matcher}({x})"
    tests.append(matches if wanted else f"not ({matches})")
    return f"({' and '.join(tests)})"


def has_pattern(emitter: ExpressionEmitter, node: ast.Like) -> bool:
    """Whether the pattern cannot be NULL, so that a non-NULL operand gets a plain answer."""
    return is_constant(node.pattern) and not emitter.value(node.pattern).nullable


def like_matcher(emitter: ExpressionEmitter, node: ast.Like) -> str:
    """The name of a matcher made once, or an expression that makes one for a pattern that varies."""
    maker = patterns.glob_function if node.operator == "GLOB" else patterns.like_function
    pattern = emitter.value(node.pattern)
    arguments = [pattern.text]
    constant = is_constant(node.pattern)
    if node.escape is not None:
        arguments.append(emitter.value(node.escape).text)
        constant = constant and is_constant(node.escape)
    if node.operator == "LIKE":
        emitter.generator.needs_context = True
        function = "context.like_function"
    else:
        function = emitter.use(maker)
    code = Code(f"{function}({', '.join(arguments)})", HOLDS_ANY)
    return emitter.generator.hoist(code, "like").text if constant else code.text


def like(emitter: ExpressionEmitter, node: ast.Like) -> Code:
    matcher = like_matcher(emitter, node)
    operand = emitter.value(node.operand)
    if tests_texts(emitter, node, operand, matcher):
        named, missing = emitter.guarded(operand)
        test = text_like_test(emitter, node, named._replace(classes=HOLDS_TEXT), matcher, not node.negated)
        if missing:
            return Code(f"(None if {missing} else 1 if {test} else 0)", HOLDS_INT | HOLDS_NULL, True)
        return Code(f"(1 if {test} else 0)", HOLDS_INT, True)
    function = emitter.use(runtime.truth_number if not node.negated else runtime.negated_truth_number)
    return Code(f"{function}({matcher}({operand.text}))", HOLDS_INT | HOLDS_NULL)


def in_list_test(emitter: ExpressionEmitter, node: ast.InList, wanted: bool) -> str:
    wanted = wanted != node.negated
    if not node.items:
        return "False" if wanted else "True"
    if not all(is_constant(item) for item in node.items):
        return emitter.test(expanded_in(node), wanted)
    operand, members = in_operand(emitter, node), in_members(emitter, node)
    if wanted:
        return f"{operand.grouped} in {members}"
    operand, test = emitter.guarded(operand)
    tests = [f"{test[:-8]} is not None"] if test else []
    tests.append(f"not {members}_null")
    tests.append(f"{operand.grouped} not in {members}")
    return f"({' and '.join(tests)})"


def in_list(emitter: ExpressionEmitter, node: ast.InList) -> Code:
    if not node.items:
        return Code("1" if node.negated else "0", HOLDS_INT, True)
    if not all(is_constant(item) for item in node.items):
        either = expanded_in(node)
        return emitter.value(ast.Unary("NOT", either) if node.negated else either)
    operand, members = in_operand(emitter, node), in_members(emitter, node)
    function = emitter.use(runtime.not_member if node.negated else runtime.member)
    return Code(f"{function}({operand.text}, {members}, {members}_null)", HOLDS_INT | HOLDS_NULL)


def in_operand(emitter: ExpressionEmitter, node: ast.InList) -> Code:
    collation = comparison_collation(node.operand, ast.Literal(None))
    return emitter.collated(emitter.value(node.operand), collation)


def in_members(emitter: ExpressionEmitter, node: ast.InList) -> str:
    """The name of the set of the list's values, made once; `name_null` tells that NULL was among them."""
    affinity = affinity_of(node.operand)
    collation = comparison_collation(node.operand, ast.Literal(None))
    listed = ", ".join(member_text(emitter, item) for item in node.items)
    arguments = [f"({listed},)", repr(affinity)]
    key = collation_function(emitter.generator, collation)
    if key is not None:
        arguments.append(key)
    name = emitter.generator.hoist(Code(f"{emitter.use(runtime.member_set)}({', '.join(arguments)})"), "members").text
    flag = f"{name}_null"
    if flag not in emitter.generator.hoisted:
        emitter.generator.hoisted[flag] = Code(flag)
        clean = emitter.use(runtime.without_null)
        emitter.generator.main.emit_setup(f"{flag} = {name} is not ({name} := {clean}({name}))")
    return name


def member_text(emitter: ExpressionEmitter, item: Expr) -> str:
    """An item of an IN list: its class doesn't matter, so that it makes the plan no more particular."""
    if isinstance(item, ast.Parameter):
        return emitter.generator.parameter(item.index)
    if isinstance(item, ast.Literal) and item.slot >= 0:
        base: int | None = emitter.generator.literal_base
        if base is not None:
            return f"params[{base + item.slot}]"
    return emitter.value(item).text


def expanded_in(node: ast.InList) -> Expr:
    """An IN list that varies as comparisons: the operand's affinity and collation count, the items' don't."""
    operand = ast.Collate(node.operand, comparison_collation(node.operand, ast.Literal(None)))
    return joined("OR", [ast.Binary("=", operand, ast.Unary("+", item)) for item in node.items])
