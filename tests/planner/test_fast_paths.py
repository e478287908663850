"""What the planner writes for columns of one class, beside sqlite3: each query over tables that hold the odd values.

    values          ints up to 64 bits, reals with infinities, NULLs, classes mixed, texts with NUL, none at all
    parameters      of each class, small and beyond 53 bits
"""

from __future__ import annotations

import math
import random
import sqlite3
from typing import Any

import pytest

import tandemdb

BIG = 2**63 - 1
COLUMNS: dict[str, list[Any]] = {
    "none": [],
    "null": [None, None],
    "one": [7],
    "ints": [5, -3, 0, 12, 5, 7, -3],
    "ints and NULL": [5, None, 0, 12, None, 7],
    "wide ints": [2**53 + 1, 2**53, -(2**53) - 1, 3],
    "great ints": [BIG, 1, -5, BIG],
    "ints that cancel": [BIG, -BIG, BIG, -BIG, 4],
    "partial sum too great": [BIG, 1, -BIG],
    "least int": [-(2**63), -1, 3],
    "reals": [0.1, 2.5, -7.25, 1e-9, 0.1, 0.2, 0.3],
    "reals and NULL": [0.1, None, -7.25, None],
    "exact reals": [2.0**53, 2.0**53 + 2, -(2.0**53), 0.0],
    "infinity": [1.5, math.inf, 2.5],
    "infinities": [math.inf, -math.inf, 1.0],
    "great reals": [1.7e308, 1.7e308, -1.7e308],
    "minus zero": [-0.0, -0.0],
    "numbers": [1, 2.5, BIG, -3.75, 2],
    "numbers, real first": [2.5, BIG, BIG, 1],
    "numbers, too great": [BIG, BIG, 2.5],
    "all classes": [1, 2.5, "3", "x", b"4", None, "1e3"],
    "texts": ["b", "a", "B", "", "ab\0c", "é"],
    "texts and NULL": ["b", None, "a"],
    "blobs": [b"\0", b"ab", b""],
}
PARAMETERS: list[Any] = [2, 0, -1, 2**53 + 1, BIG, 2.5, math.inf, -0.0, "3", "a", b"a", None]


def databases(column: list[Any]) -> list[Any]:
    """Both engines with a table `t (id, k, x, y)`: x the column, y the same backwards."""
    found = []
    for module in (sqlite3, tandemdb):
        connection = module.connect(":memory:")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, x, y)")
        rows = [(n % 3, x, y) for n, (x, y) in enumerate(zip(column, reversed(column), strict=True))]
        connection.executemany("INSERT INTO t (k, x, y) VALUES (?, ?, ?)", rows)
        found.append(connection)
    return found


def outcome(connection: Any, text: str, values: tuple[Any, ...], *, ordered: bool = True) -> Any:
    """The rows to the last digit and class, or the error."""
    try:
        rows = list(map(repr, connection.execute(text, values).fetchall()))
        return rows if ordered else sorted(rows)
    except Exception as error:
        return type(error).__name__, str(error)


def check(column: list[Any], queries: list[tuple[str, tuple[Any, ...]]]) -> None:
    real, ours = databases(column)
    for text, values in queries:
        assert outcome(ours, text, values) == outcome(real, text, values), (text, values)


AGGREGATES = [
    "SELECT count(*), sum(x), min(x), max(y) FROM t",
    "SELECT sum(x), avg(x), total(x), count(x) FROM t",
    "SELECT sum(x), sum(y), count(*) FROM t WHERE x IS NOT NULL",
    "SELECT sum(x), avg(y) FROM t WHERE x > 1",
    "SELECT sum(x * 2 + k), avg(x), count(y) FROM t",
    "SELECT sum(x - y), sum(y - x), total(x * y) FROM t",
    "SELECT min(x), max(x), min(y), max(y), count(*) FROM t WHERE k <> 1",
    "SELECT sum(k), sum(x), avg(k), total(k), min(k) FROM t",
    "SELECT sum(k), sum(k + 1), sum(k * 3) FROM t WHERE y IS NOT NULL",
    "SELECT max(k), count(*), sum(x) FROM t WHERE id = 2",
    "SELECT count(DISTINCT x), sum(y) FROM t",
    "SELECT count(DISTINCT x) FROM t",
    "SELECT count(DISTINCT k) FROM t WHERE x > 0",
    "SELECT k, count(*), sum(x), max(y) FROM t GROUP BY k ORDER BY k",
    "SELECT k, sum(x), sum(y), avg(x), count(y) FROM t GROUP BY k ORDER BY k",
    "SELECT k, min(x), max(x), total(y) FROM t GROUP BY k HAVING count(*) > 1 ORDER BY k",
    "SELECT k % 2, id % 2, sum(x), min(k) FROM t GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT a.k, sum(a.x), sum(b.k), count(b.y) FROM t a JOIN t b ON b.id = a.id GROUP BY a.k ORDER BY a.k",
    "SELECT sum(a.x), sum(b.k), count(*) FROM t a JOIN t b ON b.k = a.k",
    "SELECT sum(CASE WHEN x > 1 THEN 1 ELSE 0 END), sum(CASE WHEN x > 1 THEN 2 END) FROM t",
    "SELECT sum(CASE WHEN x > 1 THEN 1 WHEN x < 0 THEN -5 ELSE 9 END) FROM t",
    "SELECT sum(CASE WHEN k < 1 THEN 9223372036854775807 ELSE 3 END) FROM t",
    "SELECT count(*), sum(1), count(1), min('a') FROM t",
    "SELECT k, max(id), sum(x), min(id) FROM t GROUP BY k ORDER BY k",
    "SELECT k, max(id), count(*) FROM t WHERE id > 1 GROUP BY k ORDER BY k",
    "SELECT x, max(id), count(*) FROM t GROUP BY x ORDER BY 1, 2",
    "SELECT a.k, max(a.id), min(b.id), count(*) FROM t a JOIN t b ON b.k = a.k GROUP BY a.k ORDER BY a.k",
    "SELECT a.k, max(b.id), min(b.id), count(*) FROM t a JOIN t b ON b.id = 7 - a.id GROUP BY a.k ORDER BY a.k",
    "SELECT k, max(id), min(id), count(*) FROM (SELECT * FROM t ORDER BY id DESC) GROUP BY k ORDER BY k",
]
WITH_VALUES = [
    "SELECT id FROM t WHERE x > ?",
    "SELECT id FROM t WHERE x <= ? AND k >= 0",
    "SELECT id FROM t WHERE x = ?",
    "SELECT id FROM t WHERE x <> ?",
    "SELECT id FROM t WHERE NOT x < ?",
    "SELECT id FROM t WHERE ? >= x",
    "SELECT id, x > ?, x = 3 FROM t",
    "SELECT x + ?, x - 2, 1 - x, 0 - x FROM t",
    "SELECT x * ?, 2 * x FROM t",
    "SELECT ? - x, x * 0 FROM t",
    "SELECT x BETWEEN ? AND 5 FROM t",
    "SELECT sum(x * ?), count(*), avg(y) FROM t",
    "SELECT CASE WHEN x < ? THEN 'less' WHEN x < 5 THEN 'five' END FROM t",
    "SELECT sum(CASE WHEN x > 1 THEN ? ELSE 2 END) FROM t",
]


@pytest.mark.parametrize("name", COLUMNS)
def test_aggregates(name: str) -> None:
    check(COLUMNS[name], [(text, ()) for text in AGGREGATES])


ORDERS = [
    "SELECT id FROM t ORDER BY x, id",
    "SELECT id, k FROM t ORDER BY x DESC, y, id",
    "SELECT k FROM t WHERE id > 1 ORDER BY x NULLS LAST, id DESC",
    "SELECT k, id FROM t ORDER BY k, x DESC NULLS FIRST, id",
    "SELECT id FROM t ORDER BY x COLLATE NOCASE, y COLLATE RTRIM DESC, id",
    "SELECT id FROM t ORDER BY x, id LIMIT 3 OFFSET 1",
    "SELECT 1, id FROM t ORDER BY y, x, id",
    "SELECT x + 1 FROM t ORDER BY y, id",
    "SELECT id FROM t ORDER BY x + 1, id",
    "SELECT a.id FROM t a JOIN t b ON b.id = a.id ORDER BY b.x, a.id",
    "SELECT rowid FROM t ORDER BY x, rowid DESC",
    "SELECT n FROM (SELECT id AS n, x, k FROM t ORDER BY x, id LIMIT 5) ORDER BY k, n",
    "SELECT sum(n) FROM (SELECT DISTINCT k AS n, x FROM t) ORDER BY 1",
    "SELECT length(x) FROM t ORDER BY y, id",
]


@pytest.mark.parametrize("name", COLUMNS)
def test_orders(name: str) -> None:
    check(COLUMNS[name], [(text, ()) for text in ORDERS])


@pytest.mark.parametrize("name", COLUMNS)
def test_constants_beside_columns(name: str) -> None:
    check(COLUMNS[name], [(text, (value,)) for text in WITH_VALUES for value in PARAMETERS])


DOCUMENTS: list[Any] = [
    '{"a": 1, "b": 2.50, "c": "x", "a": 9}',
    '{"a": {"a": [1, 2, {"b": null}]}, "b": true, "c": false}',
    ' {"a" : [ ] , "b" : { } } ',
    '{"a": 1e999, "b": -0.0, "c": 9223372036854775808, "d": -9223372036854775808}',
    '{"a": "q\\"\\u00e9\\ud83d\\ude00\\n", "b\\u0041": 1}',
    '{"a": 1',
    '{"a": 01}',
    '{"a": NaN}',
    '{"a": 1,}',
    "[1, [2, 3], null]",
    "[]",
    "7",
    "1.50",
    '"text"',
    "null",
    "",
    " ",
    "nonsense",
    '{"a": 1}\0{"a": 2}',
    '{"A": 1, "a ": 2, "": 3}',
    None,
    1,
    1.0,
    2.5,
    b'{"a": 1}',
]
PATHS: list[Any] = [
    "$", "$.a", "$.b", "$.a.a[2].b", "$[1]", "$[1][0]", "$[#-1]", '$."a"', "$.", "a", "b", 1, 0, None, "",
]  # fmt: skip
JSON_CALLS = [
    "json_extract(x, ?)", "x -> ?", "x ->> ?", "json_type(x, ?)", "json_array_length(x, ?)",
    "json_array(json_extract(x, ?))", "typeof(json_extract(x, ?))", "json_extract(x, ?) = 1", "json_quote(x -> ?)",
]  # fmt: skip


@pytest.mark.parametrize("call", JSON_CALLS)
def test_json_at_a_path(call: str) -> None:
    """Each document by itself, for one that is malformed ends the statement; and twice, for it is remembered."""
    for document in DOCUMENTS:
        queries = [(f"SELECT {call}, y FROM t", (path,)) for path in PATHS for _ in range(2)]
        check([document, document], queries)


def test_json_of_many_rows() -> None:
    documents = [f'{{"a": {n % 5}, "b": [{n}, "t{n}"]}}' for n in range(300)]
    check(documents, [
        ("SELECT sum(json_extract(x, '$.a')), max(x ->> '$.b[1]'), count(json_extract(x, '$.c')) FROM t", ()),
        ("SELECT json_extract(x, '$.a'), count(*) FROM t GROUP BY 1", ()),
        ("SELECT id FROM t WHERE json_extract(x, ?) = 3 AND x ->> 'a' > 2", ("$.a",)),
    ])  # fmt: skip


def test_what_json_functions_remember_is_bounded() -> None:
    from tandemdb.planner.functions.json_found import CHARACTERS_MAX, found_at

    found = found_at("json_extract", "$.bounded")
    long = '{"bounded": "' + "x" * (CHARACTERS_MAX // 4) + '"}'
    for number in range(5):
        assert found[long.replace("x", str(number), 1)][0] == str(number)
        assert sum(map(len, found)) <= CHARACTERS_MAX
    assert found['{"bounded": "' + "x" * CHARACTERS_MAX + '"}'][0] == "x"
    assert not any(len(text) > CHARACTERS_MAX for text in found)


TEXTS = [
    "abc", "ABC", "aBcd", "xabc", "ab", "", "a%c", "a_c", "é99", "É99", "\u212aelvin", "kelvin", "\u0130stanbul",
    "istanbul", "ab\0c99", "99\0", "note 99 of", "ß", "[a]", "a[b", "\u03a3abc", "ABC\U0001f600", "zz99", None,
]  # fmt: skip
PATTERNS: list[Any] = [
    "abc%", "ABC", "%bc", "%b%", "%99%", "%99", "99%", "a_c", "a\\%c", "%", "%%", "_", "", "k%", "K%", "%K%", "i%",
    "%i%", "é%", "É%", "%é9%", "%a%c%", "a%c%d", "AB\0C%", "%\0", "\u212a%", "\u03c3%", "%\u03a3%", "[a]%", "a[b",
    "%B%9%", "%99%é%", "%9%99%", "%99 of%NOTE%", "%note%99 OF%", "%9%_%c%", "*b*9*", "*c*a*", "*note*99*of*",
    "*9*", "[a-c]b*", "?99", "a*", "*", "é*", 99, 9.5, None, b"abc",
]  # fmt: skip
TOO_LONG = "x" * 50_001
LIKES = [
    "SELECT id FROM t WHERE x LIKE ?", "SELECT id FROM t WHERE NOT x LIKE ?", "SELECT id FROM t WHERE x NOT LIKE ?",
    "SELECT id, x LIKE ? FROM t", "SELECT id FROM t WHERE x GLOB ?", "SELECT id FROM t WHERE x NOT GLOB ?",
    "SELECT id FROM t WHERE x || 'c' LIKE ?", "SELECT id FROM t WHERE x LIKE ? ESCAPE '\\'",
    "SELECT count(*), max(x) FROM t WHERE x LIKE ? AND k >= 0", "SELECT id FROM t WHERE upper(x) LIKE ? OR k = 2",
]  # fmt: skip
INDEXES = [
    "CREATE INDEX i ON t (x)", "CREATE INDEX i ON t (x COLLATE NOCASE)", "CREATE INDEX i ON t (x, k)",
    "CREATE INDEX i ON t (x COLLATE NOCASE, id)",
]  # fmt: skip


@pytest.mark.parametrize("text", LIKES)
@pytest.mark.parametrize("nulls", [False, True])
def test_patterns(text: str, nulls: bool) -> None:
    texts = TEXTS if nulls else [found for found in TEXTS if found is not None]
    check(texts, [(text, (pattern,)) for pattern in (*PATTERNS, TOO_LONG)])
    real, ours = databases([*texts, 99, 9.5, b"abc"])
    for pattern in PATTERNS:
        assert outcome(ours, text, (pattern,)) == outcome(real, text, (pattern,)), pattern


@pytest.mark.parametrize("index", INDEXES)
def test_patterns_by_an_index(index: str) -> None:
    """A whole table's worth of other texts, so that the index is worth using; rows may come in another order."""
    real, ours = databases([*TEXTS, *(f"m{number}" for number in range(400))])
    for connection in (real, ours):
        connection.execute(index)
    quoted = [f"'{pattern}'" for pattern in PATTERNS if type(pattern) is str and "\0" not in pattern]
    queries = [(text, (pattern,)) for text in LIKES for pattern in PATTERNS]
    queries += [(text.replace("?", pattern), ()) for text in LIKES[:6] for pattern in quoted]
    for query, values in queries:
        expected = outcome(real, query, values, ordered=False)
        assert outcome(ours, query, values, ordered=False) == expected, (query, values)
    for connection in (real, ours):
        connection.execute("UPDATE t SET k = 77 WHERE x LIKE 'ab%'")
        connection.execute("DELETE FROM t WHERE x LIKE ?", ("k%",))
    assert outcome(ours, "SELECT * FROM t ORDER BY id", ()) == outcome(real, "SELECT * FROM t ORDER BY id", ())


def test_case_sensitive_like_by_an_index() -> None:
    real, ours = databases([*TEXTS, *(f"m{number}" for number in range(400))])
    for connection in (real, ours):
        connection.execute("CREATE INDEX i ON t (x)")
    for setting in (1, 0, 1):
        for connection in (real, ours):
            connection.execute(f"PRAGMA case_sensitive_like = {setting}")
        for text in ("SELECT x FROM t WHERE x LIKE 'aB%'", "SELECT x FROM t WHERE x LIKE '%bC%'"):
            assert outcome(ours, text, (), ordered=False) == outcome(real, text, (), ordered=False), (text, setting)


RECURSIONS = [
    "n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 2000) SELECT count(*), sum(i), max(i) FROM n",
    "n(i) AS (SELECT 1 UNION SELECT (i * 7) % 1009 FROM n) SELECT count(*), sum(i), group_concat(i) FROM n",
    "n(i) AS (SELECT 5 UNION SELECT 5 FROM n) SELECT i FROM n",
    "n(i) AS (SELECT 1 UNION SELECT 1.0 * i FROM n) SELECT i FROM n",
    "n(i) AS (SELECT 3 UNION SELECT CASE WHEN i > 50 THEN 4 ELSE i + 2 END FROM n) SELECT i FROM n",
    "n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT i FROM n LIMIT 700",
    "n(i, s) AS (SELECT 1, 'a' UNION ALL SELECT i + 1, s FROM n WHERE i < 900 AND s = 'a') SELECT count(*), s FROM n",
    "n(i, s) AS (SELECT 1, 'a' UNION ALL SELECT i + 1, 'b' FROM n WHERE i < 9) SELECT * FROM n",
    "n(i, s) AS (SELECT 1, 'a' UNION ALL SELECT s, i FROM n LIMIT 9) SELECT * FROM n",
    "n(s, d) AS (SELECT 'x', 'x' UNION ALL SELECT s || d, d FROM n WHERE length(s) < 9) SELECT * FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT count(*), sum(i), max(i) FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT i * 3 FROM n WHERE i < 1e25) SELECT i FROM n",
    "n(i) AS (SELECT 9223372036854775800 UNION ALL SELECT i + 1 FROM n LIMIT 20) SELECT i FROM n",
    "n(i, j) AS (SELECT 1, 0.5 UNION ALL SELECT i + 1, j * i FROM n WHERE i < 300) SELECT * FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 1500",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 7 OFFSET 600) SELECT i FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 0) SELECT i FROM n",
    "n(i) AS (SELECT NULL UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT NULL FROM n WHERE i IS NOT NULL) SELECT i FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT i / 0 FROM n WHERE i > 0) SELECT i FROM n",
    "n(i) AS (VALUES (1), (5) UNION ALL SELECT i + 1 FROM n WHERE i < 7) SELECT i FROM n",
    "n(i) AS (SELECT 1 WHERE 0 UNION ALL SELECT i + 1 FROM n WHERE i < 7) SELECT count(*) FROM n",
    "n(i) AS (SELECT 1 UNION SELECT (i * 7) % 11 FROM n) SELECT i FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20 ORDER BY 1 DESC) SELECT i FROM n",
    "n(i, s) AS (SELECT 1, 'x' UNION ALL SELECT i + 1, s || i FROM n WHERE i < 9) SELECT * FROM n",
    "n(i, s) AS (SELECT 1, 'xx' UNION ALL SELECT i + 1, s || s FROM n) SELECT length(s) FROM n LIMIT 5",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5 UNION ALL SELECT i + 10 FROM n WHERE i < 9) "
    "SELECT i FROM n",
    "n(i) AS (SELECT '7' UNION ALL SELECT i + 1 FROM n WHERE i < '9') SELECT i, typeof(i) FROM n LIMIT 9",
    "n(i) AS (SELECT k FROM t WHERE id = 1 UNION ALL SELECT t.id FROM t JOIN n ON t.k = n.i AND t.id > n.i) "
    "SELECT i FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + (SELECT count(*) FROM t) + 1 FROM n WHERE i < 50) SELECT i FROM n",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT a.i, b.i FROM n a JOIN n b "
    "ON b.i = a.i * 2",
    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT (SELECT max(i) FROM n WHERE i < t.id) "
    "FROM t",
    "n(i) AS (SELECT 1e308 UNION ALL SELECT i * 10 - i * 10 FROM n WHERE i > 0) SELECT i FROM n LIMIT 5",
]  # fmt: skip


@pytest.mark.parametrize("text", RECURSIONS)
def test_recursive_tables(text: str) -> None:
    check(COLUMNS["ints"], [(f"WITH RECURSIVE {text}", ()), (f"WITH RECURSIVE {text}", ())])


WINDOWS = [
    "SELECT id, row_number() OVER (PARTITION BY k ORDER BY x, id) FROM t",
    "SELECT id, row_number() OVER (ORDER BY id DESC), rank() OVER (ORDER BY k), dense_rank() OVER (ORDER BY k) FROM t",
    "SELECT id, row_number() OVER w, rank() OVER w, dense_rank() OVER w FROM t WINDOW w AS (PARTITION BY k ORDER BY x)",
    "SELECT id, rank() OVER w, dense_rank() OVER w FROM t WINDOW w AS (PARTITION BY k ORDER BY x DESC, y)",
    "SELECT rank() OVER (), dense_rank() OVER (), row_number() OVER (), count(*) OVER () FROM t",
    "SELECT id, sum(x) OVER w, avg(x) OVER w, total(x) OVER w, count(x) OVER w "
    "FROM t WINDOW w AS (PARTITION BY k ORDER BY id)",
    "SELECT id, sum(x) OVER w, count(*) OVER w, min(y) OVER w FROM t WINDOW w AS (PARTITION BY k ORDER BY x)",
    "SELECT id, sum(y) OVER w, max(y) OVER w, row_number() OVER w FROM t WINDOW w AS (ORDER BY k)",
    "SELECT id, sum(k) OVER w, avg(k) OVER w, row_number() OVER w FROM t WINDOW w AS (ORDER BY k, x)",
    "SELECT id, sum(x) OVER w, min(x) OVER w, first_value(y) OVER w FROM t WINDOW w AS (PARTITION BY k)",
    "SELECT id, sum(x) OVER w, max(x) OVER w, first_value(x) OVER w FROM t "
    "WINDOW w AS (PARTITION BY x ORDER BY id ROWS UNBOUNDED PRECEDING)",
    "SELECT id, sum(x) OVER (ORDER BY k ROWS UNBOUNDED PRECEDING), sum(x) OVER (ORDER BY k) FROM t",
    "SELECT id, count(*) OVER (PARTITION BY k, x), count(x) OVER (PARTITION BY k, x) FROM t",
    "SELECT id, sum(x) OVER w, avg(y) OVER w FROM t "
    "WINDOW w AS (PARTITION BY k ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    "SELECT id, sum(x) OVER (ORDER BY id ROWS 2 PRECEDING), row_number() OVER (ORDER BY id) FROM t",
    "SELECT k, count(*), row_number() OVER (ORDER BY count(*) DESC, k), sum(count(*)) OVER (ORDER BY k) "
    "FROM t GROUP BY k",
    "SELECT id, row_number() OVER (PARTITION BY x COLLATE NOCASE ORDER BY y COLLATE NOCASE, id) FROM t",
    "SELECT a.id, row_number() OVER w, sum(b.x) OVER w "
    "FROM t a JOIN t b ON a.k = b.k WINDOW w AS (PARTITION BY a.k ORDER BY b.id, a.id)",
    "SELECT id, rowid, row_number() OVER (PARTITION BY k ORDER BY rowid) AS n FROM t ORDER BY n DESC, id",
    "SELECT * FROM (SELECT id, row_number() OVER (PARTITION BY k ORDER BY x + 0, id) AS n FROM t) WHERE n = 1",
    "SELECT id, (SELECT count(*) FROM t b WHERE b.id <= row_number() OVER (ORDER BY a.id)) FROM t a",
    "SELECT DISTINCT k, sum(x) OVER (PARTITION BY k) FROM t ORDER BY k",
    "SELECT id, first_value(id) OVER (PARTITION BY k ORDER BY y, id), dense_rank() OVER (PARTITION BY k ORDER "
    "BY y, id) FROM t",
    "SELECT sum(k * 9223372036854775807) OVER (ORDER BY id), sum(9223372036854775807) OVER (ORDER BY id) FROM t",
    "SELECT id, sum(x) FILTER (WHERE k > 0) OVER (ORDER BY id) FROM t",
    "SELECT count(x) OVER (ORDER BY id), min(x) OVER (ORDER BY id DESC), max(k) OVER (ORDER BY y) FROM t WHERE id > 2",
]  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_windows(name: str) -> None:
    check(COLUMNS[name], [(text, ()) for text in WINDOWS])


STRINGS = [
    "SELECT upper(x), lower(x), length(x), length(upper(x) || lower(x)) FROM t",
    "SELECT substr(x, 2, 2), substr(x, 1), substr(x, 2), substring(x, 3, 1), upper(substr(x, 1, 2)) FROM t",
    "SELECT substr(x, 0, 2), substr(x, -2, 1), substr(x, 2, -1), substr(x, 1, 0) FROM t",
    "SELECT substr(x, 1.5, 2), substr(x, '2') FROM t",
    "SELECT substr(x, 4294967297, 2), substr(x, 1, 4294967298), substr(x, NULL, 1), substr(x, id, 2) FROM t",
    "SELECT substr(x, ?, ?), substr(coalesce(x, y, 'abc'), ?, ?) FROM t",
    "SELECT substr(x, ?) FROM t WHERE length(x) > ?",
    "SELECT instr(x, 'b'), instr(x, ''), instr(x, 'B'), instr(upper(x), 'C'), instr(x, y), instr(x, 9) FROM t",
    "SELECT x || k, k || x, x || x, x || 1.5, x || y || id, x || NULL, k || id FROM t",
    "SELECT count(*), max(upper(substr(x, 2, 3)) || length(y)) FROM t WHERE id <= 30",
    "SELECT upper(x) = 'ABC', lower(x) || '' = 'abc', length(x) + 1 FROM t WHERE upper(x) <> lower(x)",
    "SELECT upper(x), count(*) FROM t GROUP BY upper(x) ORDER BY 1",
    "SELECT abs(k), abs(id - 3), abs(k * -1), abs(x) FROM t",
    "SELECT abs(-9223372036854775808 + k) FROM t WHERE k = 0",
]


@pytest.mark.parametrize("kind", ["texts", "texts and NULL", "all"])
def test_functions_of_texts(kind: str) -> None:
    texts = [found for found in TEXTS if found is not None or kind != "texts"]
    texts += [7, 2.5, b"ab\0c"] if kind == "all" else []
    values = [(1, 2), (2, 1), (0, 2), (-1, 1), (2, -1), (2**31, 1), (1, 2**40), (1.5, 1), ("2", "1"), (None, 1)]
    queries = [(text, (found * 2)[: text.count("?")]) for text in STRINGS for found in values]
    check(texts, queries)


GROUPS = [
    "SELECT x, count(*) FROM t GROUP BY x",
    "SELECT x FROM t GROUP BY x HAVING count(*) > 1",
    "SELECT x FROM t GROUP BY x",
    "SELECT count(*) FROM t GROUP BY x HAVING x > 1",
    "SELECT count(DISTINCT x), count(*) FROM t",
    "SELECT count(DISTINCT x) FROM t",
    "SELECT count(DISTINCT k), count(DISTINCT y) FROM t",
    "SELECT count(DISTINCT x) FROM t WHERE k > 0",
    "SELECT k, count(*) * 2 FROM t GROUP BY k ORDER BY 2 DESC, k",
    "SELECT count(*), sum(n) FROM (SELECT x, count(*) AS n FROM t GROUP BY x)",
    "SELECT x, (SELECT count(*) FROM t b WHERE b.x < t.x) FROM t GROUP BY x HAVING (SELECT count(*) FROM t b) > 1",
]


@pytest.mark.parametrize("index", ["", "CREATE INDEX i ON t (x)", "CREATE INDEX i ON t (x DESC)", *INDEXES[1:]])
@pytest.mark.parametrize("name", COLUMNS)
def test_counted_groups(name: str, index: str) -> None:
    real, ours = databases(COLUMNS[name] * 2)
    for connection in (real, ours):
        connection.execute(index)
    for text in GROUPS:
        ordered = "ORDER" in text or "DISTINCT" in text
        assert outcome(ours, text, (), ordered=ordered) == outcome(real, text, (), ordered=ordered), text


SHARED = [
    "SELECT sum(x * 2), sum(x * 2 * y), avg(x * 2), min(x * 2) FROM t",
    "SELECT k, sum(x * 2), sum(x * 2 * y), avg(x * 2), count(x * 2) FROM t GROUP BY k ORDER BY k",
    "SELECT k, sum(x), avg(x), total(x), sum(x + 1.5), avg(x + 1.5) FROM t GROUP BY k ORDER BY k",
    "SELECT sum((x + k) * 2), sum(x + k), sum(((x + k) * 2) - (x + k)), group_concat(x + k) FROM t",
    "SELECT k, max(upper(y)), max(upper(y) || k), group_concat(upper(y)) FROM t GROUP BY k ORDER BY k",
    "SELECT id FROM t WHERE x > 'a' AND k > 0 AND y IS NOT NULL AND k < 2",
    "SELECT id FROM t WHERE x <> date('2020-01-01') AND k = 1 AND abs(k) = 1 AND y < 9 AND k <> 0",
]


@pytest.mark.parametrize("name", COLUMNS)
def test_shared_parts(name: str) -> None:
    check(COLUMNS[name], [(text, ()) for text in SHARED])


MOMENTS: list[Any] = [
    "2023-05-06", "2023-05-06 07:08:09", "2023-05-06T07:08:09", "2023-05-06 07:08", "2023-05-06 07:08:09.125",
    "2023-02-31", "2023-02-31 10:00:00", "2024-02-29", "2023-13-01", "2023-00-10", "2023-05-32", "0000-01-01",
    "0001-01-01", "9999-12-31", "9998-12-31", "2023-05-06 24:00:00", "2023-05-06 25:00:00", "2023-05-06 07:60:00",
    "2023-05-06x07:08:09", "2023-W01-1", "2023-05-06 07:08:09Z", "2023-05-06 07:08:09+02:00", "20230506", "07:08:09",
    "2023-1-1", " 2023-05-06", "2023-05-06 ", "-2023-05-06", "2023-05-06\0", "\uff12023-05-06", "2450000.5",
    2450000.5, 1_700_000_000, 1, 1.0, b"2023-05-06", "", "x", None, "1999-12-31 23:59:59", "2000-01-01 00:00:00",
    "1900-03-01", "1582-10-10",
]  # fmt: skip
MODIFIERS = [
    "", "+1 day", "-1 days", "1 month", "-13 months", "+1 year", "-1 years", "+90 minutes", "+100000 seconds",
    "+1.5 days", "start of month", "start of year", "start of day", "Start of Month", "+1 DAY", "weekday 1",
    "+999999 days", "+01:30", "unixepoch", "+ 1 day", "+1 fortnight", "-999999 years", "+1  day", "+12 hours",
]  # fmt: skip
FORMATS = [
    "%Y", "%Y-%m", "%d.%m.%Y %H:%M:%S", "%%", "%Y%%%m", "%", "plain", "", "%j", "%f", "%s", "%Q", "%Y\0%m", "%w %W",
]  # fmt: skip
DATES = ["date(x{})", "time(x{})", "datetime(x{})", "julianday(x{})", "unixepoch(x{})"]


@pytest.mark.parametrize("modifier", MODIFIERS)
def test_dates(modifier: str) -> None:
    more = f", '{modifier}'" if modifier else ""
    calls = [call.format(more) for call in DATES]
    calls += [f"strftime('%Y-%m-%d %H:%M:%S', x{more})", f"date(x{more}, 'start of month', '+1 month', '-1 day')"]
    check(MOMENTS * 2, [(f"SELECT {call} FROM t", ()) for call in calls] + [
        (f"SELECT {calls[0]}, count(*) FROM t GROUP BY 1 HAVING {calls[2]} > ?", ("2000-01-01",)),
    ])  # fmt: skip


@pytest.mark.parametrize("text", FORMATS)
def test_formats_of_dates(text: str) -> None:
    check(MOMENTS, [("SELECT strftime(?, x), strftime(?, x, '+1 day') FROM t", (text, text))])


def test_rounding() -> None:
    chance = random.Random(11)
    reals = [chance.randrange(-(10**6), 10**6) / chance.choice([8, 16, 3, 7, 10, 100, 1000]) for _ in range(1000)]
    reals += [0.05, 0.15, 0.25, 2.675, 1.005, -0.04, -0.05, 1e7, 9999999.95, -1e7, 1e300, math.inf, 0.5, 1.5, -2.5, 0.0]
    check(reals, [(f"SELECT round(x, {places}), round(-x, {places}) FROM t", ()) for places in (-1, 0, 1, 2, 3, 4, 5)])


PRINTED: list[Any] = [0, 5, -42, BIG, -BIG, 1.5, -2.25, 0.005, 1e20, math.inf, "text", "12", "é", "a\0b", "", b"x"]
PRINTERS = [
    "%d", "%5d", "%05d", "%-5d|", "%-05d|", "%+d", "%s", "%10s|", "%.2f", "%.1f", "%8.3f", "%05.1f", "%d%%", "%%",
    "%i", "%x", "%d-%s", "%s: %.3f", "", "%", "plain", "%Q", "%,d", "%.0f", "%f", "%.4f", "é%d", "%099d", "%100d",
    "%d\0%d", "%s%s%s",
]  # fmt: skip


@pytest.mark.parametrize("text", PRINTERS)
def test_printf(text: str) -> None:
    check([*PRINTED, None], [
        (f"SELECT printf(?{more}) FROM t", (text,)) for more in ("", ", x", ", x, y", ", x, y, k", ", k, k", ", k, x")
    ])  # fmt: skip


JSON_TEXTS: list[Any] = [
    "[1, 2.50, -3, \"x\", null, true, false]", "[]", "{}",
    '{"a": 1, "b c": "x", "_d": null, "e1": true, "": 2, "a": 3}', "[9223372036854775808, 1]",
    "[-9223372036854775808]", "[1e999, -0.0, 0.1]", "[[1], 2]", '{"a": {"b": 1}}', "7", "null", '["\\u0041"]', "[1",
    "[1]x", " [1 , 2] ", '{"é": "ü"}', "[1]\0", None, 5, b"[1]",
]  # fmt: skip


@pytest.mark.parametrize("document", JSON_TEXTS)
def test_json_each(document: Any) -> None:
    check([document], [
        ("SELECT t.id, e.* FROM t, json_each(t.x) e", ()),
        ("SELECT e.key, e.value, e.type, e.atom, e.id, e.fullkey, e.path FROM t, json_each(t.x, '$') e", ()),
        ("SELECT count(*), sum(value) FROM t, json_each(t.x)", ()),
        ("SELECT t.id FROM t WHERE EXISTS (SELECT 1 FROM json_each(t.x) WHERE value = 2)", ()),
        ("SELECT * FROM json_each(?)", (document,)),
    ])  # fmt: skip


def test_json_made() -> None:
    values = [*PRINTED[:-1], None, "q\"uote", "back\\slash", "new\nline", "\x7f", "\u2028", "'", "\U0001f600", 2.50]
    check(values, [
        ("SELECT json_array(x, k, y), json_object('a', x, 'b\"', k), json_quote(x) FROM t", ()),
        ("SELECT json_group_array(x), json_group_object(k, x) FROM t", ()),
        ("SELECT json_object(k, x) FROM t", ()),
        ("SELECT json_array(json_array(x), json(json_array(k))) FROM t", ()),
    ])  # fmt: skip


CASTS = [
    "SELECT CAST(x AS INTEGER), CAST(x AS TEXT), CAST(x AS REAL), CAST(k AS TEXT), CAST(k AS REAL) FROM t",
    "SELECT CAST(x * 2 AS INTEGER), CAST(k + 1 AS TEXT), CAST(x + 0.5 AS INTEGER), CAST(x / 2 AS REAL) FROM t",
    "SELECT x / 3, x / 0, x / 0.0, x / k, x / 2.5, 7 / x, k / 2, k / -2, -k / 2, x / -1, x % 3, x % 0 FROM t",
    "SELECT x & 5, x | k, k & 3, k | 4, -x, -k, +x, -(-x), -(k - 3), x << 1, k >> 1 FROM t",
    "SELECT min(x, k), max(x, k), min(k, 1), max(k, 1), min(x, y), max(x, 2.0), min(x + 1, k * 2), max(k, 1.0) FROM t",
    "SELECT x > 1 AND k < 2, x > 1 OR k < 2, NOT (x > 1 AND k), x = 1 AND y = 2 OR k = 1, x > -5, x IS NULL FROM t",
    "SELECT sum(x > 1), sum(x > 1 AND k < 2), sum(x LIKE '%1%'), sum(NOT x > 1), count(x > 1 OR y > 1) FROM t",
    "SELECT substr(x, -2), substr(x, -3, 2), substr(x, -3, 9), trim(x), ltrim(x), rtrim(x || ' '), trim(x, 'a') FROM t",
    "SELECT group_concat(x), group_concat(k), group_concat(x, ';') FROM t",
    "SELECT id FROM t WHERE x / 2 > 0.25 AND -k < 0",
    "SELECT id FROM t WHERE k / ? = 1 OR x / ? > 1",
]


@pytest.mark.parametrize("name", [*COLUMNS, "patterns"])
def test_operators_and_casts(name: str) -> None:
    column = TEXTS if name == "patterns" else COLUMNS[name]
    values = [(2, 2), (0, 0), (-1, -1), (2.5, 0.0), ("2", "x"), (None, None), (-(2**63), 1)]
    check(column, [(text, found[: text.count("?")]) for text in CASTS for found in values[: 1 + 9 * text.count("?")]])
