"""JSON as SQLite 3.40 keeps it: a tree whose atoms are the very characters of the source.

    {"a": [1.50, "x\\u0041"], "a": null}

    object  labels ["a"  "a"]           repeated labels stay, in their order
            items  [array, null]
    array   items  [real 1.50, text "x\\u0041"]     numbers keep their zeros, texts their escapes

Writing a tree drops the blanks and nothing else. Changes are marks on the nodes: `removed`, and `replacement`, the SQL
value that stands there now. Labels are compared as they are spelt, so "\\u0061" is not "a".

Trees can be 2,000 levels deep, more than Python's own stack would take: nothing here that walks a whole tree recurses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from tandemdb.errors import OperationalError
from tandemdb.planner.functions.registry import JsonText
from tandemdb.planner.runtime.reals import text_to_real
from tandemdb.planner.runtime.values import INTEGER_MAX, INTEGER_MIN, decode, to_text, until_nul
from tandemdb.storage.values import Value

DEPTH_MAX = 2000
NOTHING: Final = object()
"""Stands for the lack of a replacement: None is one, the SQL NULL."""

# Possessive (*+): a string that does not end must not be tried over and over, cut at every place.
TOKEN = re.compile(
    r"[ \t\n\r]*(?:"
    r'(?P<text>"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+")'
    r"|(?P<real>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))"
    r"|(?P<integer>-?(?:0|[1-9][0-9]*))"
    r"|(?P<mark>[][{},:])"
    r"|(?P<word>null|true|false)(?![0-9A-Za-z])"
    r"|(?P<end>\Z))"
)


class Node:
    """A JSON value. `text` is the source of an atom; `labels` and `items` are those of an object, in parallel."""

    __slots__ = ("kind", "text", "labels", "items", "appended", "removed", "replacement")

    def __init__(self, kind: str, text: str = "") -> None:
        self.kind = kind
        self.text = text
        self.labels: list[Label] = []
        self.items: list[Node] = []
        self.appended = False
        self.removed = False
        self.replacement: Any = NOTHING


class Label(str):
    """A label as it is compared; `source` is how it is written."""

    source: str


def make_label(key: str, source: str) -> Label:
    """Make a label."""
    label = Label(key)
    label.source = source
    return label


def malformed() -> OperationalError:
    """The error of a text that is not JSON."""
    return OperationalError("malformed JSON", code="SQLITE_ERROR")


def parse(value: Value) -> Node:
    """Read JSON from a value that is not NULL, for changing.

    Raises:
        OperationalError: malformed JSON.
    """
    found = read(until_nul(to_text(value)))
    if isinstance(found, int):
        raise malformed()
    return found


def parse_shared(value: Value) -> Node:
    """Read JSON for looking only: one text asked for several paths is read once."""
    found = read_shared(until_nul(to_text(value)))
    if isinstance(found, int):
        raise malformed()
    return found


def read(text: str) -> Node | int:
    """Read JSON; if it is malformed, return the position of the error."""
    containers: list[Node] = []
    position = 0
    expect_label = False
    match_token = TOKEN.match
    while True:
        match = match_token(text, position)
        if match is None:
            return position
        kind = match.lastgroup
        token = match[kind]  # type: ignore[index]
        start = match.end() - len(token)
        position = match.end()
        if expect_label:
            # A brace closes an empty object only; after a comma there must be a label.
            if token == "}" and not containers[-1].labels:
                done: Node = containers.pop()
                expect_label = False
            elif kind == "text" and (colon := match_token(text, position)) is not None and colon["mark"] == ":":
                containers[-1].labels.append(make_label(token[1:-1], token))
                position = colon.end()
                expect_label = False
                continue
            else:
                return start
        elif kind == "mark":
            if token == "[" or token == "{":
                if len(containers) == DEPTH_MAX:
                    return start
                containers.append(Node("array" if token == "[" else "object"))
                expect_label = token == "{"
                continue
            if token == "]" and containers and containers[-1].kind == "array" and not containers[-1].items:
                done = containers.pop()
            else:
                return start
        elif kind == "end":
            return start
        else:
            done = Node(WORD_KINDS.get(token, kind or ""), token)
        # A value is complete: it may complete those around it.
        while containers:
            around = containers[-1]
            around.items.append(done)
            match = match_token(text, position)
            token = match["mark"] if match is not None else None
            if token == ",":
                position = match.end()  # type: ignore[union-attr]
                expect_label = around.kind == "object"
                break
            if token != ("}" if around.kind == "object" else "]"):
                return position
            position = match.end()  # type: ignore[union-attr]
            done = containers.pop()
        else:
            match = match_token(text, position)
            return done if match is not None and match.lastgroup == "end" else position


WORD_KINDS = {"null": "null", "true": "true", "false": "false"}
read_shared = lru_cache(maxsize=8)(read)


# ---- writing ----


def write(node: Node) -> str:
    """Write a node and all in it, without blanks, replacements in place.

    Raises:
        OperationalError: a replacement is a blob.
    """
    pieces: list[str] = []
    pending: list[Node | str] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            pieces.append(item)
        elif item.replacement is not NOTHING:
            pieces.append(json_of(item.replacement))
        elif item.kind == "array":
            pieces.append("[")
            pending.append("]")
            pending.extend(with_commas([[child] for child in item.items if not child.removed]))
        elif item.kind == "object":
            pieces.append("{")
            pending.append("}")
            members = zip(item.labels, item.items, strict=True)
            pending.extend(with_commas([[label.source + ":", child] for label, child in members if not child.removed]))
        else:
            pieces.append(item.text)
    return "".join(pieces)


def with_commas(groups: Sequence[Sequence[Node | str]]) -> list[Node | str]:
    """Return groups of pieces with commas between them, last piece first."""
    flat: list[Node | str] = []
    for group in groups:
        if flat:
            flat.append(",")
        flat.extend(group)
    flat.reverse()
    return flat


def json_of(value: Value) -> str:
    """Write an SQL value as JSON.

    Raises:
        OperationalError: the value is a blob.
    """
    kind = type(value)
    if kind is int:
        return int.__repr__(value)
    if value is None:
        return "null"
    if kind is JsonText:
        return str(value)
    if isinstance(value, str):
        return quote_text(value)
    if isinstance(value, bytes):
        raise OperationalError("JSON cannot hold BLOB values", code="SQLITE_ERROR")
    return to_text(value)


def quote_text(text: str) -> str:
    """Write a text as a JSON string; of characters, only control characters, quotes and backslashes are escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{text.translate(ESCAPES)}"'


ESCAPES: dict[int, str] = {code: f"\\u{code:04x}" for code in range(32)} | {
    ord(character): escape
    for character, escape in zip('"\\\b\t\n\f\r', ('\\"', "\\\\", "\\b", "\\t", "\\n", "\\f", "\\r"), strict=True)
}


# ---- values ----


def value_of(node: Node) -> Value:
    """Return a node as an SQL value; arrays and objects as JsonText."""
    kind = node.kind
    if kind == "text":
        return unescape(node.text)
    if kind == "integer":
        number = int(node.text) if len(node.text) < 21 else INTEGER_MAX + 1
        return number if INTEGER_MIN <= number <= INTEGER_MAX else text_to_real(node.text)
    if kind == "real":
        return text_to_real(node.text)
    if kind in ("array", "object"):
        return JsonText(write(node))
    return None if kind == "null" else int(kind == "true")


def unescape(source: str) -> str:
    """Return what a JSON string stands for, up to an escaped NUL."""
    inner = source[1:-1]
    if "\\" not in inner:
        return inner
    text = until_nul(ESCAPE.sub(unescape_one, inner))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: SQLite writes its three bytes, which are no UTF-8
        return decode(text.encode("utf-8", "surrogatepass"))
    return text


ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")
SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def unescape_one(match: re.Match[str]) -> str:
    """Return the character of an escape."""
    high, low, code, short = match.groups()
    if high:
        return chr(((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF) + 0x10000)
    return chr(int(code, 16)) if code else SHORT_ESCAPES.get(short, short)


# ---- paths ----


def look_up(root: Node, path: str, append: bool = False) -> tuple[Node | None, bool]:
    """Find the node at a path such as `$.a[0]."b c"[#-1]`.

    Args:
        append: make the node, and what lacks on the way to it, if its place is right behind what is there.
    Returns:
        The node or None, and whether it was made.
    Raises:
        OperationalError: the path is malformed, as far as it was followed.
    """
    path = until_nul(path)
    if not path.startswith("$"):
        raise path_error(path)
    node, rest = root, path[1:]
    made: list[tuple[Node, Label | None, Node]] = []
    while rest:
        if node.replacement is not NOTHING:
            return None, False
        if made and not (rest[0] == "." or rest.startswith("[0]")):
            return None, False
        if made:
            node.kind = "object" if rest[0] == "." else "array"
        if rest[0] == ".":
            found, label, rest = step_to_label(node, rest[1:])
        elif rest[0] == "[":
            found, rest = step_to_index(node, rest)
            label = None
        else:
            raise path_error(rest)
        if found is MISSING and append:
            found = Node("null", "null")
            made.append((node, label, found))
        if not isinstance(found, Node):
            return None, False
        node = found
    for parent, label, child in made:
        parent.items.append(child)
        parent.appended = True
        if label is not None:
            parent.labels.append(label)
    return node, bool(made)


MISSING: Final = object()
"""Stands for a node that is not there but could be appended."""


def step_to_label(node: Node, rest: str) -> tuple[Any, Label | None, str]:
    """Follow `.label`; return the node, MISSING or None, the label, and the path behind it."""
    if node.kind != "object":
        return None, None, ""
    if rest.startswith('"'):
        end = rest.find('"', 1)
        if end < 0:
            raise path_error(rest)
        key, rest = rest[1:end], rest[end + 1 :]
    else:
        match = PLAIN_LABEL.match(rest)
        if match is None:
            raise path_error(rest)
        key, rest = match[0], rest[match.end() :]
    if key in node.labels:
        return node.items[node.labels.index(key)], None, rest  # type: ignore[arg-type]
    return MISSING, make_label(key, quote_text(key)), rest


PLAIN_LABEL = re.compile(r"[^.\[]+", re.DOTALL)
INDEX = re.compile(r"\[([0-9]+)\]|\[#(?:-([0-9]+))?")


def step_to_index(node: Node, rest: str) -> tuple[Any, str]:
    """Follow `[index]` or `[#-index]`; return the node, MISSING or None, and the path behind it."""
    match = INDEX.match(rest)
    if match is None:
        raise path_error(rest)
    items = [item for item in node.items if not item.removed]
    end = match.end()
    if match[1] is not None:
        index = int(match[1]) & 0xFFFFFFFF
        if node.kind != "array":
            return None, ""
    else:
        if node.kind != "array":
            return None, ""
        back = int(match[2] or "0") & 0xFFFFFFFF
        if back > len(items):
            return None, ""
        if rest[end : end + 1] != "]":
            raise path_error(rest)
        end += 1
        index = len(items) - back
    if node.appended:
        # Once this call has appended, SQLite looks no further than the last node for indexes before it.
        index = max(index, len(items) - 1)
    if index < len(items):
        return items[index], rest[end:]
    return (MISSING if index == len(items) else None), rest[end:]


def path_error(rest: str) -> OperationalError:
    """The error of a malformed path."""
    quoted = rest.replace("'", "''")
    return OperationalError(f"JSON path error near '{quoted}'", code="SQLITE_ERROR")
