"""JSON functions and tables: known answers, and made-up documents and paths against the oracle."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tandemdb.errors import OperationalError
from tandemdb.planner.functions.registry import JsonText, find_aggregate, find_scalar, plain
from tandemdb.planner.functions.tables import JSON_COLUMNS, find_table_function

ATOMS = [
    *("1", "0", "-0", "1.50", "-1e5", "1E+3", "12345678901234567890", "9223372036854775807", "-9223372036854775808"),
    *("null", "true", "false", '"a"', '""', '"x\\u0041"', '"\\ud83d\\ude00"', '"\\n\\"q"', '"é"', '"a\\u0000b"', "0.1"),
    *("1e400", '"\\/"'),
]
LABELS = ['"a"', '"b"', '"c d"', '"x1"', '""', '"\\u0061"', '"é"', '"1a"']
STEPS = [
    *(".a", ".b", '."c d"', ".x1", "[0]", "[1]", "[2]", "[#-1]", "[#-2]", "[#]", '."a"', ".é", '.""', ".\\u0061"),
    *(".1a", "[3]", "[10]"),
]
BAD_PATHS: list[Any] = [
    *("", "a", "$a", "$.", "$.a.", "$[", "$[a]", "$[#", "$[#-]", '$."a', "$[1", "$[#-1a]", "$ ", None, 1, "$.'x"),
    *("$[-1]", "$[4294967296]"),
]
VALUES: list[Any] = [None, 1, 1.5, "x", "[1]", "", b"a", 'é"\n', 1e20, -0.0, float("inf"), "a\0b"]


def made_up(source: random.Random, depth: int = 0) -> str:
    """A document, sometimes with blanks."""

    def blank() -> str:
        return source.choice(["", "", "", " ", "\n\t"])

    choice = source.random()
    if depth > 3 or choice < 0.35:
        return f"{blank()}{source.choice(ATOMS)}{blank()}"
    count = source.randrange(4)
    if choice < 0.65:
        return f"{blank()}[{','.join(made_up(source, depth + 1) for _ in range(count))}{blank()}]{blank()}"
    members = [f"{blank()}{source.choice(LABELS)}{blank()}:{made_up(source, depth + 1)}" for _ in range(count)]
    return f"{blank()}{{{','.join(members)}{blank()}}}{blank()}"


def damaged(source: random.Random) -> str:
    """A document that may have a wrong character."""
    text = made_up(source)
    if source.random() < 0.3 and text:
        at = source.randrange(len(text))
        wrong = source.choice(["", "x", ",", "}", "]", '"', "\\", "1", ".", "-", "e", ":", "{", "\0"])
        text = text[:at] + wrong + text[at + source.randrange(2) :]
    return text


def path(source: random.Random) -> Any:
    if source.random() < 0.06:
        return source.choice(BAD_PATHS)
    return "$" + "".join(source.choice(STEPS) for _ in range(source.choice([0, 1, 1, 2, 2, 3])))


def made_up_call(source: random.Random) -> tuple[str, list[Any]]:
    """A JSON function and its arguments."""
    text: Any = damaged(source)
    if source.random() < 0.03:
        text = source.choice([None, 1, 1.5, b"[1]", ""])
    kind = source.randrange(8)
    if kind == 0:
        return source.choice(["json", "json_valid", "json_type", "json_array_length", "json_quote"]), [text]
    if kind == 1:
        return source.choice(["json_type", "json_array_length"]), [text, path(source)]
    if kind == 2:
        return "json_extract", [text, *[path(source) for _ in range(source.randrange(3))]]
    if kind == 3:
        short = source.choice([path(source), 0, 1, -1, "a", "[0]", "b", "[#-1]", "c d", "", None, "1a", 1.5])
        return source.choice(["->", "->>"]), [text, short]
    if kind == 4:
        return "json_remove", [text, *[path(source) for _ in range(source.randrange(4))]]
    if kind == 5:
        arguments = [text]
        for _ in range(source.randrange(1, 4)):
            arguments += [path(source), source.choice(VALUES)]
        return source.choice(["json_set", "json_insert", "json_replace"]), arguments
    if kind == 6:
        return "json_patch", [text, damaged(source)]
    name = source.choice(["json_object", "json_array"])
    return name, [source.choice([*VALUES, "a", "b", "c", "d"]) for _ in range(source.randrange(5))]


def call(name: str, arguments: list[Any]) -> Any:
    return find_scalar(name, len(arguments)).call(*arguments)


def test_made_up_calls(oracle: Any, comparison: Any, tools: Any) -> None:
    source = random.Random(13)
    for _ in range(10000):
        name, arguments = made_up_call(source)
        marks = ",".join("?" * len(arguments))
        sql = f"SELECT ? {name} ?" if name.startswith("-") else f"SELECT {name}({marks})"
        comparison.add(name, arguments, tools.ask(oracle, sql, arguments), tools.attempt(call, [name, arguments]))


def test_what_counts_as_json(oracle: Any, comparison: Any, tools: Any) -> None:
    """SQLite's subtype, which tells json_array whether to nest or to quote."""
    source = random.Random(14)
    for _ in range(3000):
        name, arguments = made_up_call(source)
        marks = ",".join("?" * len(arguments))
        nested = f"? {name} ?" if name.startswith("-") else f"{name}({marks})"
        expected = tools.ask(oracle, f"SELECT json_array({nested})", arguments)

        def found(name: str = name, arguments: list[Any] = arguments) -> Any:
            return call("json_array", [call(name, arguments)])

        comparison.add(f"json_array {name}", arguments, expected, tools.attempt(found))


@pytest.mark.parametrize("name", ["json_each", "json_tree"])
def test_made_up_tables(oracle: Any, comparison: Any, tools: Any, name: str) -> None:
    source = random.Random(15)
    for _ in range(2500):
        arguments = [damaged(source), *([path(source)] if source.random() < 0.5 else [])]
        sql = f"SELECT {','.join(JSON_COLUMNS)} FROM {name}({','.join('?' * len(arguments))})"

        def found(arguments: list[Any] = arguments) -> Any:
            return [tuple(map(plain, row)) for row in find_table_function(name).rows(*arguments)]

        comparison.add(name, arguments, tools.ask_rows(oracle, sql, arguments), tools.attempt(found))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("json", [' { "a" : [ 1.50 , null ] } '], '{"a":[1.50,null]}'),
        ("json_extract", ['{"a":[1,2,{"b":"x"}]}', "$.a[#-1].b"], "x"),
        ("json_extract", ['{"a":1.0}', "$.a"], 1.0),
        ("json_extract", ['{"a":1}', "$.a", "$.b"], "[1,null]"),
        ("->", ['{"a":"x"}', "a"], '"x"'),
        ("->>", ['{"a":"x"}', "a"], "x"),
        ("->>", ["[1,2]", 1], 2),
        ("json_set", ['{"a":1}', "$.b", JsonText("[1]")], '{"a":1,"b":[1]}'),
        ("json_set", ['{"a":1}', "$.b", "[1]"], '{"a":1,"b":"[1]"}'),
        ("json_insert", ["[1]", "$[#]", 2], "[1,2]"),
        ("json_patch", ['{"a":1,"b":2}', '{"b":null,"c":3}'], '{"a":1,"c":3}'),
        ("json_valid", [None], 0),
        ("json_error_position", ["[1,x]"], 4),
        ("json_error_position", ["[1]"], 0),
    ],
)
def test_known_answers(name: str, arguments: list[Any], expected: Any) -> None:
    found = plain(call(name, arguments))
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("json", ["{"], "malformed JSON"),
        ("json_extract", ["{}", "a'b"], "JSON path error near 'a''b'"),
        ("json_array", [b"x"], "JSON cannot hold BLOB values"),
        ("json_object", ["a"], "json_object() requires an even number of arguments"),
        ("json_object", [1, 2], "json_object() labels must be TEXT"),
        ("json_set", ["{}", "$.a"], "json_set() needs an odd number of arguments"),
    ],
)
def test_errors(name: str, arguments: list[Any], message: str) -> None:
    with pytest.raises(OperationalError) as error:
        call(name, arguments)
    assert str(error.value) == message


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth(opening: str, closing: str) -> None:
    inner = "1" if opening != "[" else ""
    deepest = opening * 2000 + inner + closing * 2000
    assert plain(call("json", [deepest])) == deepest
    assert call("json_valid", [opening + deepest + closing]) == 0


def test_open_strings_fail_at_once() -> None:
    for text in ('"' + "a" * 100_000, '["' + "\\n" * 50_000, '{"' + "a\\n" * 50_000 + "\n"):
        assert call("json_valid", [text]) == 0


def test_empty_groups() -> None:
    assert find_aggregate("json_group_array", 1).empty == "[]"
    assert find_aggregate("json_group_object", 2).empty == "{}"


def test_generate_series() -> None:
    rows = find_table_function("generate_series").rows
    assert list(rows(1, 3)) == [(1,), (2,), (3,)]
    assert list(rows(9, 0, -3)) == [(9,), (6,), (3,), (0,)]
    assert list(rows(1, None)) == []
    with pytest.raises(OperationalError, match="^no such table: nothing$"):
        find_table_function("nothing")
