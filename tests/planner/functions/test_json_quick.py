"""What `json_quick` reads by itself, and what it leaves to `json_document`, is as in sqlite3."""

from __future__ import annotations

import itertools
import sqlite3
from typing import Any

import tandemdb

TEXTS = [
    "1",
    "-0",
    '"x"',
    ' [1,2,{"a":3}] ',
    '{"a":1,"a":2}',
    '{"a":{"x":1},"a":{"y":2}}',
    "NaN",
    "-Infinity",
    '{"a":1',
    '{"a":1}x',
    '{"a":[1.50,1e5,1E400,-1e-400,0.1,123456789012345678901,9223372036854775807,-9223372036854775808,9223372036854775808]}',
    '{"a":{"b":null,"c":true,"d":false}}',
    '{"a\\u0062":1,"ab":2}',
    "[1,]",
    "{a:1}",
    '["a\tb"]',
    "[01]",
    "[1.]",
    "nullx",
    "",
    "[" * 900 + "]" * 900,
    "1" * 5000,
    "[1]\0x",
    "[1\x0b]",
    "\ufeff1",
    '{"a_1":7,"a b":8}',
    "[0.1e1,2.5E+3,1e-2,-0.0,-0]",
]
PATHS = [
    "$",
    "$.a",
    "$.a[0]",
    "$.a[1]",
    "$.a[2]",
    "$.a[3]",
    "$.a[4]",
    "$.a[5]",
    "$.a[6]",
    "$.a[7]",
    "$.a[8]",
    "$[0]",
    "$.ab",
    "$.a.b",
    "$.a.c",
    "$.a.d",
    "$.a.y",
    '$."a"',
    "$.",
    "a",
    "$[#-1]",
    "$[4294967296]",
    "$.a_1",
    "$.a b",
    "$[3]",
    "$[2].a",
    "",
    "$.a[",
    "$[00]",
    "$[0",
]
QUERY = "SELECT json_extract(?1, ?2), typeof(json_extract(?1, ?2)), ?1 ->> ?2, json_array(json_extract(?1, ?2))"


def answer(connection: Any, values: tuple[str, str]) -> Any:
    try:
        return repr(connection.execute(QUERY, values).fetchall())
    except Exception as error:
        return type(error).__name__, str(error)


def test_texts_and_paths() -> None:
    reference, candidate = sqlite3.connect(":memory:"), tandemdb.connect(":memory:")
    for values in itertools.product(TEXTS, PATHS):
        assert answer(candidate, values) == answer(reference, values), values
