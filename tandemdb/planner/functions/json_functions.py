"""The JSON functions and the operators -> and ->>.

    json_set('{"a":1}', '$.b', 2)     parse --> look up, mark --> write --> JsonText '{"a":1,"b":2}'

Results that are JSON are `JsonText`, so that json_array(json('[1]')) nests rather than quotes. NULL for JSON gives
NULL.
"""

from __future__ import annotations

from tandemdb.errors import OperationalError
from tandemdb.planner.functions.json_document import (
    NOTHING,
    Label,
    Node,
    json_of,
    look_up,
    parse,
    parse_shared,
    quote_text,
    read_shared,
    value_of,
    write,
)
from tandemdb.planner.functions.json_quick import OTHERWISE, quick_value
from tandemdb.planner.functions.registry import JsonText, ScalarFunction, plain
from tandemdb.planner.runtime.values import to_text, until_nul
from tandemdb.storage.values import HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Value


def json(value: Value) -> JsonText | None:
    """json(X): X without blanks."""
    return None if value is None else JsonText(write(parse_shared(value)))


def json_array(*values: Value) -> JsonText:
    """json_array(X, ...)."""
    return JsonText(f"[{','.join(map(json_of, values))}]")


def json_object(*arguments: Value) -> JsonText:
    """json_object(LABEL, X, ...)."""
    if len(arguments) % 2:
        raise OperationalError("json_object() requires an even number of arguments", code="SQLITE_ERROR")
    if not all(map(is_text, arguments[::2])):
        raise OperationalError("json_object() labels must be TEXT", code="SQLITE_ERROR")
    members = zip(arguments[::2], arguments[1::2], strict=True)
    return JsonText("{" + ",".join([f"{quote_text(label)}:{json_of(value)}" for label, value in members]) + "}")  # type: ignore[arg-type]


def is_text(value: Value) -> bool:
    return isinstance(value, str)


def json_quote(value: Value) -> JsonText:
    """json_quote(X): X as JSON."""
    return JsonText(json_of(value))


def json_valid(value: Value) -> int:
    """json_valid(X): 1 or 0, also of NULL."""
    return 0 if value is None else int(isinstance(read_shared(until_nul(to_text(value))), Node))


def json_error_position(value: Value) -> int | None:
    """json_error_position(X): where X stops being JSON, counted from 1; 0 if it is JSON (SQLite 3.42)."""
    if value is None:
        return None
    found = read_shared(until_nul(to_text(value)))
    return found + 1 if isinstance(found, int) else 0


def json_type(value: Value, path: Value = "$") -> str | None:
    """json_type(X, PATH)."""
    node = node_at(value, path)
    return None if node is None else node.kind


def json_array_length(value: Value, path: Value = "$") -> int | None:
    """json_array_length(X, PATH): 0 of what is no array."""
    node = node_at(value, path)
    if node is None:
        return None
    return len(node.items) if node.kind == "array" else 0


def node_at(value: Value, path: Value) -> Node | None:
    """Find the node at a path; None if there is none or an argument is NULL."""
    if value is None:
        return None
    root = parse_shared(value)
    return None if path is None else look_up(root, to_text(path))[0]


def json_extract(*arguments: Value) -> Value:
    """json_extract(X, PATH, ...): one value, or of several paths a JSON array."""
    if len(arguments) < 2 or arguments[0] is None:
        return None
    if len(arguments) == 2:
        value, path = arguments
        if type(value) is str and type(path) is str:
            found = quick_value(value, path)
            if found is not OTHERWISE:
                return found  # type: ignore[return-value]
        node = node_at(value, path)
        return None if node is None else value_of(node)
    pieces = []
    for path in arguments[1:]:
        node = node_at(arguments[0], path)
        pieces.append("null" if node is None else write(node))
    return JsonText(f"[{','.join(pieces)}]")


def arrow(value: Value, path: Value) -> JsonText | None:
    """X -> PATH: as JSON."""
    node = node_at(value, full_path(path))
    return None if node is None else JsonText(write(node))


def double_arrow(value: Value, path: Value) -> Value:
    """X ->> PATH: as an SQL value."""
    path = full_path(path)
    if type(value) is str and type(path) is str:
        found = quick_value(value, path)
        if found is not OTHERWISE:
            return found  # type: ignore[return-value]
    node = node_at(value, path)
    return None if node is None else plain(value_of(node))


def full_path(path: Value) -> Value:
    """Complete the short paths of the arrows: 2 is $[2], [2] is $[2], a label is $.label."""
    if path is None:
        return None
    text = until_nul(to_text(path))
    if text.startswith("$"):
        return text
    if text[:1] in tuple("0123456789"):
        return f"$[{text}]"
    return f"${text}" if text.startswith("[") else f"$.{text}"


def json_remove(*arguments: Value) -> JsonText | None:
    """json_remove(X, PATH, ...): NULL if X itself is removed or a path is NULL."""
    if not arguments or arguments[0] is None:
        return None
    root = parse(arguments[0])
    for path in arguments[1:]:
        if path is None:
            return None
        node, _ = look_up(root, to_text(path))
        if node is not None:
            node.removed = True
    return None if root.removed else JsonText(write(root))


def json_replace(*arguments: Value) -> Value:
    """json_replace(X, PATH, VALUE, ...): only what is there."""
    return change("replace", arguments, append=False, overwrite=True)


def json_insert(*arguments: Value) -> Value:
    """json_insert(X, PATH, VALUE, ...): only what is not there."""
    return change("insert", arguments, append=True, overwrite=False)


def json_set(*arguments: Value) -> Value:
    """json_set(X, PATH, VALUE, ...)."""
    return change("set", arguments, append=True, overwrite=True)


def change(name: str, arguments: tuple[Value, ...], *, append: bool, overwrite: bool) -> Value:
    """Put values at paths; if that replaces the root, the result is that value."""
    if not arguments:
        return None
    if len(arguments) % 2 == 0:
        raise OperationalError(f"json_{name}() needs an odd number of arguments", code="SQLITE_ERROR")
    if arguments[0] is None:
        return None
    root = parse(arguments[0])
    for path, value in zip(arguments[1::2], arguments[2::2], strict=True):
        if path is None:
            continue
        node, made = look_up(root, to_text(path), append)
        if node is not None and (made or overwrite):
            node.replacement = value
    return JsonText(write(root)) if root.replacement is NOTHING else root.replacement


def json_patch(value: Value, patch: Value) -> JsonText | None:
    """json_patch(X, PATCH): RFC 7396."""
    if value is None:
        return None
    root = parse(value)
    return None if patch is None else JsonText(write(merge(root, parse(patch))))


def merge(target: Node, patch: Node) -> Node:
    """Return the target with the patch applied; labels that occur twice as SQLite treats them."""
    if patch.kind != "object":
        return patch
    if target.kind != "object":
        remove_nulls(patch)
        return patch
    known = len(target.labels)
    patched: set[int] = set()
    for label, item in zip(patch.labels, patch.items, strict=True):
        position = find_label(target.labels, label, known)
        if position is None:
            if item.kind != "null":
                remove_nulls(patch)
                target.labels.append(label)
                target.items.append(item)
        elif position not in patched and not target.items[position].removed:
            if item.kind == "null":
                target.items[position].removed = True
            else:
                merged = merge(target.items[position], item)
                if merged is not target.items[position]:
                    target.items[position] = merged
                    patched.add(position)
    return target


def find_label(labels: list[Label], label: Label, count: int) -> int | None:
    """Return the first position of a label among the first `count`."""
    try:
        return labels.index(label, 0, count)
    except ValueError:
        return None


def remove_nulls(node: Node) -> None:
    """Mark the nulls of an object, and of objects in it, as removed."""
    pending = [node]
    while pending:
        for item in pending.pop().items:
            if item.kind == "null":
                item.removed = True
            elif item.kind == "object":
                pending.append(item)


INTEGER, TEXT, NULL = HOLDS_INT, HOLDS_TEXT, HOLDS_NULL
SCALAR_FUNCTIONS = {
    function.name: function
    for function in (
        ScalarFunction("->", arrow, 2, 2, null_if_null=True, result_classes=TEXT | NULL, makes_json=True),
        ScalarFunction("->>", double_arrow, 2, 2, null_if_null=True),
        ScalarFunction("json", json, 1, 1, null_if_null=True, result_classes=TEXT, makes_json=True),
        ScalarFunction("json_array", json_array, 0, -1, result_classes=TEXT, makes_json=True),
        ScalarFunction("json_array_length", json_array_length, 1, 2, null_if_null=False, result_classes=INTEGER | NULL),
        ScalarFunction("json_error_position", json_error_position, 1, 1, null_if_null=True, result_classes=INTEGER),
        ScalarFunction("json_extract", json_extract, 0, -1, makes_json=True),
        ScalarFunction("json_insert", json_insert, 0, -1, makes_json=True),
        ScalarFunction("json_object", json_object, 0, -1, result_classes=TEXT, makes_json=True),
        ScalarFunction("json_patch", json_patch, 2, 2, result_classes=TEXT | NULL, makes_json=True),
        ScalarFunction("json_quote", json_quote, 1, 1, result_classes=TEXT, makes_json=True),
        ScalarFunction("json_remove", json_remove, 0, -1, result_classes=TEXT | NULL, makes_json=True),
        ScalarFunction("json_replace", json_replace, 0, -1, makes_json=True),
        ScalarFunction("json_set", json_set, 0, -1, makes_json=True),
        ScalarFunction("json_type", json_type, 1, 2, result_classes=TEXT | NULL),
        ScalarFunction("json_valid", json_valid, 1, 1, result_classes=INTEGER),
    )
}
