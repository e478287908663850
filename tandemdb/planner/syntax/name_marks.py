"""Names that know which token of the text they came from.

    CREATE VIEW v AS SELECT a FROM t WHERE t.a > 1          looking for "a"
                            ^ token 5          ^ token 11
    tree: Select(... Name(Marked("a", 5)) ... Binary(">", Name(Marked("a", 11), "t"), 1))

The tree itself has no positions. So each token that may be the name in question is replaced by a name that occurs
nowhere else, the text is parsed, and the replacements are turned back into strings that remember their token. A word
that the grammar wants as a keyword there makes the parse fail, and is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tandemdb.errors import DatabaseError
from tandemdb.planner.parser import parse
from tandemdb.planner.syntax.keywords import KEYWORDS
from tandemdb.planner.syntax.lexer import dequote, scan

SIGN = "\x01"


class Marked(str):
    """A name as it was, with the number of its token."""

    token: int
    quoted: bool


class SourceText:
    """The tokens of a stored statement, semicolons inside it included."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.offsets: list[int] = []
        start = 0
        while start < len(sql):
            tokens = scan(sql, start)
            self.kinds += tokens.kinds
            self.texts += tokens.texts
            self.offsets += tokens.offsets(start)
            if tokens.end <= start:
                break
            start = tokens.end

    def find_name(self, name: str) -> list[int]:
        """The tokens that may be this name."""
        lowered = name.lower()
        return [
            position
            for position, (kind, text) in enumerate(zip(self.kinds, self.texts, strict=True))
            if (kind == "id" or kind in KEYWORDS) and dequote(text).lower() == lowered
        ]

    def replaced(self, changes: dict[int, str]) -> str:
        """The text with some tokens replaced, everything else as it stands."""
        pieces: list[str] = []
        last = 0
        for position in sorted(changes):
            offset = self.offsets[position]
            pieces += (self.sql[last:offset], changes[position])
            last = offset + len(self.texts[position])
        return "".join(pieces) + self.sql[last:]


def parse_marked(text: SourceText, names: Sequence[str]) -> Any:
    """The statement's tree, in which these names are Marked wherever they stand as names."""
    candidates = sorted({position for name in names for position in text.find_name(name)})
    marks = {position: f'"{SIGN}{position}{SIGN}"' for position in candidates}
    try:
        node = parse(text.replaced(marks)).node
    except DatabaseError:
        marks = {position: mark for position, mark in marks.items() if can_stand(text, position, mark)}
        node = parse(text.replaced(marks)).node

    def unmark(found: str) -> str:
        if found[:1] != SIGN:
            return found
        marked = Marked(dequote(text.texts[position := int(found.strip(SIGN))]))
        marked.token = position
        marked.quoted = text.texts[position][0] == '"'
        return marked

    return rebuilt(node, unmark)


def can_stand(text: SourceText, position: int, mark: str) -> bool:
    """Whether a name may stand at a token."""
    try:
        parse(text.replaced({position: mark}))
    except DatabaseError:
        return False
    return True


def rebuilt(node: Any, change: Callable[[str], str]) -> Any:
    """The same tree with each string changed."""
    if isinstance(node, str):
        return change(node)
    if isinstance(node, tuple):
        parts = [rebuilt(part, change) for part in node]
        return type(node)(*parts) if hasattr(node, "_fields") else tuple(parts)
    if isinstance(node, list):
        return [rebuilt(part, change) for part in node]
    return node
