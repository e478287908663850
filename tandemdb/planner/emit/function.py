"""Function calls as Python: the ones worth it inline, the others as calls of `functions`.

    coalesce(a, b)     a if a is not None else b            (evaluated lazily, as SQLite does)
    length(t)          len(t) if "\\0" not in t else ...     where t is text
    min(a, b)          generic, by the collation of its arguments
    round(x, 2)        round_(x, 2)                         the registry's function
    rev(a)             user_rev_1(a)                        one that the connection registered
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    AggregateRef,
    Column,
    Expr,
    FunctionCall,
    UserCall,
)
from tandemdb.planner.bind.traits import collation_of, is_constant
from tandemdb.planner.emit.collation import collated_call
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.functions.registry import plain
from tandemdb.planner.functions.text import INT32_MAX
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.expression import ExpressionEmitter


def emit_function(emitter: ExpressionEmitter, node: FunctionCall, *, keep_json: bool = False) -> Code:
    """The fragment of a built-in function's call; `keep_json` leaves the mark of JSON on it for another JSON
    function.
    """
    inline = INLINE.get(node.name)
    if inline is not None:
        found = inline(emitter, node)
        if found is not None:
            return found
    if node.name in REMEMBERED and not keep_json and len(node.arguments) == 2 and is_constant(node.arguments[1]):
        return remembered(emitter, node)
    if node.name in ASKED_AGAIN and (answered := answers(emitter, node)) is not None:
        return answered
    function = node.function
    collation = "BINARY"
    if function.make_collated is not None:
        collation = next((found[0] for found in map(collation_of, node.arguments) if found), "BINARY")
    takes_json = function.makes_json or node.name.startswith("json") or node.name in JSON_CARRIERS
    arguments = [json_argument(emitter, item) if takes_json else emitter.value(item) for item in node.arguments]
    texts = [argument.text for argument in arguments]
    if function.needs_context:
        emitter.generator.needs_context = True
        texts.insert(0, "context")
    classes = function.result_classes
    if function.null_if_null and any(argument.nullable for argument in arguments):
        classes |= HOLDS_NULL
    name = collated_call(emitter.generator, function, collation, f"sql_{name_of(node.name)}")
    text = f"{name}({', '.join(texts)})"
    if (function.makes_json or node.name in JSON_CARRIERS) and not keep_json:
        text = f"{emitter.generator.helper(plain)}({text})"
    return Code(text, classes)


def remembered(emitter: ExpressionEmitter, node: FunctionCall) -> Code:
    """A JSON function at a path that is the same for all rows: a look-up of what it has found before."""
    from tandemdb.planner.functions.json_found import found_at

    value, path = json_argument(emitter, node.arguments[0]), emitter.value(node.arguments[1])
    maker = emitter.generator.helper(found_at)
    found = emitter.generator.hoist(Code(f"{maker}({node.name!r}, {path.text})"), "found")
    classes = node.function.result_classes
    if node.function.null_if_null and (value.nullable or path.nullable):
        classes |= HOLDS_NULL
    return Code(f"{found.grouped}[{value.text}]", classes)


def answers(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    """A function of dates as a look-up of what it has answered before: only its time value differs between rows."""
    from tandemdb.planner.functions.answers import Answers

    place = 1 if node.name == "strftime" else 0
    others = [item for at, item in enumerate(node.arguments) if at != place]
    if len(node.arguments) <= place or is_constant(node.arguments[place]) or not all(map(is_constant, others)):
        return None
    codes = [emitter.value(item) for item in node.arguments]
    before = "".join(f"{code.text}, " for code in codes[:place])
    behind = "".join(f"{code.text}, " for code in codes[place + 1 :])
    generator = emitter.generator
    generator.needs_context = True
    function = generator.helper(node.function.call, f"sql_{node.name}")
    made = Code(f"{generator.helper(Answers, 'answers')}(context, {function}, ({before}), ({behind}))")
    found = generator.hoist(made, "answers")
    if not found.text.isidentifier():
        return None
    classes = node.function.result_classes
    if any(code.nullable for code in codes):
        classes |= HOLDS_NULL
    return Code(f"{found.text}[{codes[place].text}]", classes)


def json_argument(emitter: ExpressionEmitter, node: Expr) -> Code:
    """An argument of a JSON function: what another JSON function made stays marked as JSON."""
    if isinstance(node, FunctionCall) and (node.function.makes_json or node.name in JSON_CARRIERS):
        return emit_function(emitter, node, keep_json=True)
    if isinstance(node, Column) and getattr(node.source.function, "json_column", -1) == node.position:
        return Code(f"{node.source.variable}[-1]", HOLDS_ANY, True)
    if isinstance(node, AggregateRef):
        return emitter.aggregate_ref(node, keep_json=True)
    return emitter.value(node)


def name_of(name: str) -> str:
    return {"->": "arrow", "->>": "double_arrow"}.get(name, name)


def emit_user_call(emitter: ExpressionEmitter, node: UserCall) -> Code:
    arguments = ", ".join(emitter.value(item).text for item in node.arguments)
    emitter.generator.needs_context = True
    found = Code(f"context.user_function({node.name!r}, {len(node.arguments)})")
    function = emitter.generator.hoist(found, f"user_{name_of(node.name)}" if node.name.isidentifier() else "user")
    return Code(f"{function.text}({arguments})", HOLDS_ANY)


def coalesce(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    codes = [emitter.value(item) for item in node.arguments]
    text, classes = "", 0
    for code in codes[:-1]:
        if not code.nullable:
            classes |= code.classes
            return Code(f"({text}{code.text})" if text else code.text, classes, bool(text) or code.atomic)
        named, test = emitter.guarded(code)
        text += f"{named.text} if {test[:-8]} is not None else "
        classes |= code.classes & ~HOLDS_NULL
    last = codes[-1]
    return Code(f"({text}{last.text})", classes | last.classes, True)


def iif(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    if len(node.arguments) < 2:
        return None
    otherwise = node.arguments[2] if len(node.arguments) > 2 else None
    return emitter.value(ast.Case(None, [(node.arguments[0], node.arguments[1])], otherwise))


def typeof(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    value = emitter.value(node.arguments[0])
    names = emitter.generator.helper(TYPE_NAMES, "type_names")
    return Code(f"{names}[type({value.text})]", HOLDS_TEXT, True)


# ---- functions of texts: what nearly every text asks for is written out, the rest is left to the registry's function


def length(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    """SQLite counts the characters before the first NUL."""
    return of_text(emitter, node, lambda first, x: f"len({x}) if {NUL} not in {first}", HOLDS_INT)


def upper(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    return of_text(emitter, node, lambda first, x: f"{x}.upper() if {first}.isascii()", HOLDS_TEXT)


def lower(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    return of_text(emitter, node, lambda first, x: f"{x}.lower() if {first}.isascii()", HOLDS_TEXT)


def instr(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    sought = emitter.value(node.arguments[1])
    if sought.classes != HOLDS_TEXT or not is_constant(node.arguments[1]):
        return None
    return of_text(emitter, node, lambda first, x: f"{x}.find({sought.text}) + 1 if {first}.isascii()", HOLDS_INT)


def substring(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    """A slice of the text, unless it holds a NUL or the numbers are not those of a slice."""
    if not all(map(is_constant, node.arguments[1:])):
        return None
    numbers = [emitter.value(item) for item in node.arguments[1:]]
    if any(number.classes != HOLDS_INT for number in numbers):
        return None
    maker = emitter.generator.helper(slice_of)
    cut = emitter.generator.hoist(Code(f"{maker}({', '.join(number.text for number in numbers)})"), "cut").text
    if not cut.isidentifier():
        return None
    return of_text(emitter, node, lambda first, x: f"{x}[{cut}] if {NUL} not in {first} and {cut}", HOLDS_TEXT)


def slice_of(start: int, count: int = INT32_MAX) -> slice | None:
    """The slice that substr takes, None if it depends on the text's length, or a number goes beyond 32 bits."""
    if not (-INT32_MAX < start <= INT32_MAX and 0 <= count <= INT32_MAX) or start == 0:
        return None
    if start < 0:
        return slice(start, None) if count >= -start else None
    return slice(start - 1, start - 1 + count)


def of_text(
    emitter: ExpressionEmitter, node: FunctionCall, usual: Callable[[str, str], str], classes: int
) -> Code | None:
    """A function whose first argument is a text: `usual` writes the value and its condition, which is computed first.

    It is given the text as it is written first, and as it is then known.
    """
    code = emitter.value(node.arguments[0])
    if code.classes & ~HOLDS_NULL != HOLDS_TEXT:
        return None
    named, test = emitter.guarded(code)
    first = x = named.text
    if not test and "(" in x:
        x = emitter.generator.name("x")
        first = f"({x} := {code.text})"
    function = emitter.generator.helper(node.function.call, f"sql_{node.name}")
    rest = [emitter.value(item).text for item in node.arguments[1:]]
    text = f"{usual(first, x)} else {function}({', '.join([x, *rest])})"
    if test:
        return Code(f"(None if {test} else {text})", classes | HOLDS_NULL, True)
    return Code(f"({text})", classes, True)


NUL = '"\\0"'


def trim(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    """Of blanks alone."""
    if len(node.arguments) != 1:
        return None
    method = {"trim": "strip", "ltrim": "lstrip", "rtrim": "rstrip"}[node.name]
    return of_text(emitter, node, lambda first, x: f'{x}.{method}(" ") if {first}', HOLDS_TEXT)


# ---- others


def least_or_greatest(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    """min(a, b) and max(a, b) of numbers; of equal ones min takes the second, max the first."""
    codes = [emitter.value(item) for item in node.arguments]
    if len(codes) != 2 or any(code.classes & ~(HOLDS_NUMBER | HOLDS_NULL) for code in codes):
        return None
    named, tests, first = [], [], []
    for code in codes:
        code, test = emitter.guarded(code)
        x = code.text
        if "(" in x:
            x = emitter.generator.name("x")
            first.append(f"({x} := {code.text})")
        else:
            first.append(x)
        named.append(x)
        tests += [test] if test else []
    a, b = named
    # What is compared first names both.
    text = f"{a if node.name == 'min' else b} if {first[0]} < {first[1]} else {b if node.name == 'min' else a}"
    classes = (codes[0].classes | codes[1].classes) & ~HOLDS_NULL
    if tests:
        return Code(f"(None if {' or '.join(tests)} else {text})", classes | HOLDS_NULL, True)
    return Code(f"({text})", classes, True)


def likelihood(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    return emitter.value(node.arguments[0])


def absolute(emitter: ExpressionEmitter, node: FunctionCall) -> Code | None:
    value = emitter.value(node.arguments[0])
    if value.classes == HOLDS_INT and value.atomic and "(" not in value.text:
        # The least integer has no positive counterpart: an error, which the function raises.
        function = emitter.generator.helper(node.function.call, "sql_abs")
        return Code(f"({value.text} if {value.text} >= 0 else {function}({value.text}))", HOLDS_INT, True)
    return Code(f"abs({value.text})", value.classes, True) if value.classes == HOLDS_NUMBER & ~HOLDS_INT else None


REMEMBERED = frozenset({"json_extract", "->", "->>", "json_type", "json_array_length"})
"""JSON functions of a text and a path."""
ASKED_AGAIN = frozenset({"date", "time", "datetime", "julianday", "unixepoch", "strftime"})
"""Functions that cost far more than a look-up, and of which a column asks the same many times."""
JSON_CARRIERS: frozenset[str] = frozenset()
"""Functions that hand on the JSON mark of an argument."""

INLINE: dict[str, Callable[[ExpressionEmitter, FunctionCall], Code | None]] = {
    "coalesce": coalesce,
    "ifnull": coalesce,
    "iif": iif,
    "typeof": typeof,
    "length": length,
    "upper": upper,
    "lower": lower,
    "instr": instr,
    "trim": trim,
    "ltrim": trim,
    "rtrim": trim,
    "min": least_or_greatest,
    "max": least_or_greatest,
    "substr": substring,
    "substring": substring,
    "likely": likelihood,
    "unlikely": likelihood,
    "abs": absolute,
}
TYPE_NAMES = {type(None): "null", int: "integer", float: "real", str: "text", bytes: "blob"}
