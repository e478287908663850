"""LIKE and GLOB against the oracle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandemdb.errors import OperationalError
from tandemdb.planner.runtime.patterns import glob_function, like_function

GENERATED = settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = ["", "abc", "ABC", "a", "b", "aXb", "%", "_", "a%b", "étÉ", "a\nb", "K\u212a", "abcabc", "a]", "a-b", "[", "\\"]
OTHERS: list[Any] = [None, 12, 1.5, -7, b"abc", "a\0b"]
LIKES: list[Any] = [
    "",
    "%",
    "_",
    "a%",
    "%b",
    "%a%",
    "a_b",
    "a%b",
    "abc",
    "ÉT%",
    "a\\%b",
    "\\",
    "%\\",
    "a\\",
    "%%",
    "%_",
]
MORE_LIKES: list[Any] = ["k\u212a", "%b%a%", "a%a%c", "(", 12, 1.5, "1%", None, b"abc", "a\0%", "_%", "%é%"]
GLOBS: list[Any] = [
    "*",
    "?",
    "a*",
    "*b",
    "*a*",
    "[a]",
    "[abc]*",
    "[^a]*",
    "[]]",
    "[^]]",
    "[a-c]*",
    "[c-a]",
    "[-a]",
    "[a-]",
]
MORE_GLOBS: list[Any] = [
    "[a-b-c]*",
    "[",
    "[a",
    "*[b]*",
    "a[]b]",
    "[!a]",
    "[é]*",
    "[^-a]",
    "[[]",
    "[\\]",
    "[]",
    "[^]",
    None,
]
ODD_GLOBS: list[Any] = [
    "[&&a]",
    "[a||b]*",
    "[~~]",
    "[--a]",
    "*a*b*",
    "ABC",
    "[A-Z]*",
    "*[[]*",
    12,
    b"a",
    "[a\0]",
    "[^c-a]",
]


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a%", "Abc", True),
        ("%C", "Abc", True),
        ("%B%", "Abc", True),
        ("ÉT", "ét", False),
        ("K", "\u212a", False),
        ("a_c", "a\nc", True),
        ("1.5", 1.5, True),
        ("a%", None, None),
        ("a%", b"abc", False),
    ],
)
def test_like(pattern: str, text: Any, matches: bool | None) -> None:
    assert like_function(pattern)(text) is matches


def test_case_sensitive_like() -> None:
    for pattern in ("a%", "%c", "%b%", "abc", "a_c"):
        assert like_function(pattern, case_sensitive=True)("abc") is True
        assert like_function(pattern, case_sensitive=True)("ABC") is False


def test_errors_come_when_a_value_does() -> None:
    bad_escape = like_function("a", "xy")
    with pytest.raises(OperationalError, match="^ESCAPE expression must be a single character$"):
        bad_escape("a")
    assert bad_escape(b"a") is False
    assert like_function("a" * 50000)("a") is False
    with pytest.raises(OperationalError, match="^LIKE or GLOB pattern too complex$"):
        like_function("a" * 50001)("a")
    with pytest.raises(OperationalError, match="^LIKE or GLOB pattern too complex$"):
        glob_function("é" * 25001)("a")


def test_no_pattern_takes_forever() -> None:
    assert like_function("%a" * 30 + "%b")("a" * 5000) is False
    assert glob_function("*[a]" * 30 + "b")("a" * 5000) is False


def skip_unless_blobs_never_match(oracle: Any) -> None:
    if not oracle.execute("SELECT sqlite_compileoption_used('LIKE_DOESNT_MATCH_BLOBS')").fetchone()[0]:
        pytest.skip("this SQLite lets blobs match")


def test_like_table(oracle: Any, comparison: Any, tools: Any) -> None:
    skip_unless_blobs_never_match(oracle)
    for text in TEXTS + OTHERS:
        for pattern in LIKES + MORE_LIKES:
            expected = tools.ask(oracle, "SELECT ? LIKE ?", [text, pattern])
            comparison.add("like", (text, pattern), expected, tools.attempt(like_function(pattern), [text]))
            for escape in ("\\", "a", "%", "_", "", "xx", None, "é", 1):
                expected = tools.ask(oracle, "SELECT ? LIKE ? ESCAPE ?", [text, pattern, escape])
                found = tools.attempt(like_function(pattern, escape), [text])
                comparison.add("like escape", (text, pattern, escape), expected, found)


def test_glob_table(oracle: Any, comparison: Any, tools: Any) -> None:
    skip_unless_blobs_never_match(oracle)
    for text in TEXTS + OTHERS:
        for pattern in GLOBS + MORE_GLOBS + ODD_GLOBS:
            expected = tools.ask(oracle, "SELECT ? GLOB ?", [text, pattern])
            comparison.add("glob", (text, pattern), expected, tools.attempt(glob_function(pattern), [text]))


@GENERATED
@given(
    text=st.text("aAbé%_[]^-\\", max_size=8), pattern=st.text("aAbé%_\\", max_size=8), escape=st.sampled_from("\\%_a")
)
def test_generated_like(oracle: Any, tools: Any, text: str, pattern: str, escape: str) -> None:
    expected = tools.ask(oracle, "SELECT ? LIKE ?", [text, pattern])
    assert tools.attempt(like_function(pattern), [text]) == expected
    expected = tools.ask(oracle, "SELECT ? LIKE ? ESCAPE ?", [text, pattern, escape])
    assert tools.attempt(like_function(pattern, escape), [text]) == expected


@GENERATED
@given(text=st.text("aAbcé*?[]^-", max_size=8), pattern=st.text("aAbcé*?[]^-", max_size=9))
def test_generated_glob(oracle: Any, tools: Any, text: str, pattern: str) -> None:
    assert tools.attempt(glob_function(pattern), [text]) == tools.ask(oracle, "SELECT ? GLOB ?", [text, pattern])
