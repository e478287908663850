"""Patterns: the literals of a text that differs from a known one in nothing else, without reading all of its tokens.

    template   SELECT a FROM t WHERE b = \\0t AND id = \\0i
    pattern    first "SELECT a FROM t WHERE b = "     inner (t, " AND id = ")     last i, ""
    text       SELECT a FROM t WHERE b = 'x' AND id = 7     ---> literals "x", 7

    _patterns  "SELECT a FROM t " --> the patterns that begin so; a text is compared with these only

A pattern knows only the plainest writing of each class: digits, digits with a dot, a text without quotes in it. Where
one stands between characters that cannot belong to it, the lexer finds the same tokens as in the text that the pattern
was made of. What does not match is left to the lexer (`lift_literals`), which takes four times as long.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Literal: TypeAlias = int | float | str

HEAD = 16
"""Characters that a text has in common with the patterns it is compared with."""
HEADS_MAX = 1024
PATTERNS_MAX = 8
"""Patterns of one head; the oldest is forgotten."""
BEFORE = frozenset(" \t\n(,=<>+-*/")
BEHIND = frozenset(" \t\n),=<>+-*/")
"""What may stand beside a literal and belongs to no literal."""
DIGITS_MAX = 18
"""A number of so many digits fits 64 bits."""


class Pattern(NamedTuple):
    """A template cut at its literals."""

    key: tuple[str, ...]  # the template, and the literals of it that are part of the texts
    first: str
    start: int  # where the first literal begins
    inner: tuple[tuple[str, str], ...]  # the class of each literal but the last, and the text behind it
    kind: str  # the last literal's class
    end: int | None  # where it ends, counted from the end of the text
    behind: str


_patterns: dict[str, tuple[Pattern, ...]] = {}


def read_by_pattern(sql: str) -> tuple[tuple[str, ...], list[Literal]] | None:
    """Return the key and the literals of an ASCII text, if a pattern that was noted matches it."""
    for key, first, start, inner, kind, end, behind in _patterns.get(sql[:HEAD], ()):
        if sql[:start] != first or (end and sql[end:] != behind):
            continue
        literals: list[Literal] = []
        if inner:
            start = read_inner(sql, start, inner, literals)
        text = sql[start:end]
        value = int(text) if kind == "i" and text.isdigit() and len(text) <= DIGITS_MAX else plain_value(kind, text)
        if start and value is not None:
            literals.append(value)
            return key, literals
    return None


def read_inner(sql: str, at: int, inner: tuple[tuple[str, str], ...], literals: list[Literal]) -> int:
    """Add the literals from an offset on but for the last; where that begins, 0 if something differs."""
    for kind, behind in inner:
        end = sql.find("'", at + 1) + 1 if kind == "t" else sql.find(behind, at)
        text = sql[at:end] if end > 0 else ""
        value = int(text) if kind == "i" and text.isdigit() and len(text) <= DIGITS_MAX else plain_value(kind, text)
        at = end + len(behind)
        if value is None or sql[end:at] != behind:
            return 0
        literals.append(value)
    return at


def plain_value(kind: str, text: str) -> Literal | None:
    """Return the value of a literal in the plainest writing of its class; None if it is none."""
    if kind == "t":
        value = text[1:-1]
        return value if text == f"'{value}'" and "'" not in value and "\0" not in value else None
    if kind == "i":
        return int(text) if text.isdigit() and len(text) <= DIGITS_MAX else None
    return float(text) if text.replace(".", "", 1).isdigit() and "." in text[1:] else None


def note_pattern(template: str, pinned: dict[int, str]) -> tuple[str, ...]:
    """Make the pattern of a template, if its literals can be told from what stands beside them.

    Args:
        pinned: literals, by their number, in whose writing the texts must agree.
    Returns: what `read_by_pattern` gives with the literals.
    """
    key = (template, *pinned.values())
    if any(pattern.key == key for pattern in _patterns.get(template[:HEAD], ())):
        return key
    texts, kinds = cut_template(template, pinned)
    first = texts[0]
    if (
        not kinds
        or "b" in kinds
        or len(first) < HEAD
        or not BEFORE.issuperset([text[-1:] for text in texts[:-1]])
        or not BEHIND.issuperset([text[0] for text in texts[1:] if text])
    ):
        return key
    inner = tuple(zip(kinds[:-1], texts[1:-1], strict=True))
    pattern = Pattern(key, first, len(first), inner, kinds[-1], -len(texts[-1]) or None, texts[-1])
    if len(_patterns) >= HEADS_MAX:
        _patterns.clear()
    others = [other for other in _patterns.get(first[:HEAD], ()) if other != pattern]
    _patterns[first[:HEAD]] = (pattern, *others[: PATTERNS_MAX - 1])
    return key


def cut_template(template: str, pinned: dict[int, str]) -> tuple[list[str], list[str]]:
    """Return the texts between a template's literals, and the classes of these; pinned ones are part of the text."""
    first, *parts = template.split("\0")
    texts, kinds = [first], []
    for number, part in enumerate(parts):
        if number in pinned:
            texts[-1] += pinned[number] + part[1:]
        else:
            kinds.append(part[0])
            texts.append(part[1:])
    return texts, kinds
