"""printf: known answers, and made-up formats against the oracle."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tandemdb.planner.functions.printf import printf

VALUES: list[Any] = [
    *(None, 0, 1, -1, 12345, -1234567, 2**63 - 1, -(2**63), 1.5, -1.5, 0.1, 123456.789, 1e20, 1e-5, 1e300, 5e-324),
    *(-0.0, float("inf"), -float("inf"), "abc", "it's", '"q"', "éàü", "", "12x", "☃x", b"abc", b"a'b", "a\0b", 2.5),
    *(0.5, 99999.5, 999999.5, 1e15, 123456789012345678),
]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("%d %5d|%-5d|%05d", 1, 2, 3, 4), "1     2|3    |00004"),
        (("%,d", 1234567), "1,234,567"),
        (("%.2f %g %e %!g", 1.005, 0.1, 12345.678, 1.0), "1.01 0.1 1.234568e+04 1.0"),
        (("%x %X %#x %o", 255, 255, 255, 8), "ff FF 0xff 10"),
        (("%s|%5s|%-5s|%.2s", "a", "b", "c", "def"), "a|    b|c    |de"),
        (("%q %Q %w", "it's", "it's", 'a"b'), "it''s 'it''s' a\"\"b"),
        (("%Q", None), "NULL"),
        (("%c%c", "abc", 12), "a1"),
        (("%*d|%.*f", 5, 1, 2, 3.14159), "    1|3.14"),
        (("100%% %n%s", "x"), "100% x"),
        (("%d %s|",), "0 |"),
        (("a%yb", 1), "a"),
        (("%y",), None),
        ((None, 1), None),
        ((), None),
        (("%2000000000d", 1), None),
    ],
)
def test_known_answers(arguments: tuple[Any, ...], expected: str | None) -> None:
    assert printf(*arguments) == expected


def made_up(source: random.Random) -> str:
    """One to three conversions with any flags."""
    pieces = []
    for _ in range(source.choice([1, 1, 1, 2, 3])):
        flags = "".join(source.choice("-+ #!0,") for _ in range(source.choice([0, 0, 0, 1, 1, 2, 3])))
        width = source.choice(["", "", "1", "5", "12", "*", "30"])
        precision = source.choice(["", "", ".0", ".1", ".3", ".*", ".", ".15", ".20", ".40", ".2"])
        conversion = source.choice("diuxXopfeEgGszcqQw%nr" + source.choice("yT5."))
        length = source.choice(["", "", "", "l", "ll"])
        pieces.append(f"{source.choice(['', 'a', 'é', ' '])}%{flags}{width}{precision}{length}{conversion}")
    return "".join(pieces)


def test_made_up_formats(oracle: Any, comparison: Any, tools: Any) -> None:
    source = random.Random(11)
    for _ in range(12000):
        text = made_up(source)
        pool = [3, -3, 5, 0, 10, -7, 20, "7", None] if "*" in text else VALUES
        arguments = [text, *[source.choice(pool) for _ in range(source.randrange(5))]]
        expected = tools.ask(oracle, f"SELECT printf({','.join('?' * len(arguments))})", arguments)
        comparison.add("printf", arguments, expected, tools.attempt(printf, arguments))
