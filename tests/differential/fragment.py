"""SQL as a tree of fragments, so that a failing statement can be cut down without parsing it.

    SELECT a + (b * 2) FROM t WHERE a IN (1, 2)

    Fragment(query) ─ "SELECT " ─ Fragment(expression) ─ " FROM t" ─ Fragment(optional " WHERE ...")
                                    ├ "a" ├ " + " └ Fragment(expression "(b * 2)")

What a fragment may be replaced by, without leaving the grammar, follows from its kind: an expression by any expression
inside it or by a literal, an optional part by nothing, an item of a list by nothing while the list keeps another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

Part: TypeAlias = "str | Fragment"


class Fragment(NamedTuple):
    """A piece of SQL. `kind`: "expression", "optional", "items" (joined by commas) or "" (never replaced itself)."""

    kind: str
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return ("," if self.kind == "items" else "").join(map(str, self.parts))


def sql(*parts: Part) -> Fragment:
    """A piece that stays as it is, though what is inside may be replaced."""
    return Fragment("", parts)


def expression(*parts: Part) -> Fragment:
    """A scalar expression, in parentheses of its own if it needs any."""
    return Fragment("expression", parts)


def optional(*parts: Part) -> Fragment:
    """A piece that may be left out."""
    return Fragment("optional", parts)


def items(parts: Sequence[Part]) -> Fragment:
    """A comma list of at least one."""
    return Fragment("items", tuple(parts))


def simpler(fragment: Fragment) -> Iterator[Fragment]:
    """Yield versions of the fragment with one thing left out or replaced by something smaller, the boldest first."""
    if fragment.kind == "optional" and fragment.parts:
        yield Fragment("optional", ())
    if fragment.kind == "expression":
        text = str(fragment)
        yield from (inner for inner in inner_expressions(fragment))
        yield from (expression(literal) for literal in ("1", "NULL") if len(text) > len(literal) and text != "NULL")
    if fragment.kind == "items" and len(fragment.parts) > 1:
        for place in range(len(fragment.parts)):
            yield Fragment("items", fragment.parts[:place] + fragment.parts[place + 1 :])
    for place, part in enumerate(fragment.parts):
        if isinstance(part, Fragment):
            for smaller in simpler(part):
                yield Fragment(fragment.kind, (*fragment.parts[:place], smaller, *fragment.parts[place + 1 :]))


def inner_expressions(fragment: Fragment) -> Iterator[Fragment]:
    """Yield the expressions nearest below this fragment."""
    for part in fragment.parts:
        if isinstance(part, Fragment):
            if part.kind == "expression":
                yield part
            else:
                yield from inner_expressions(part)
