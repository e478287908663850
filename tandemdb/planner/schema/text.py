"""The text of definitions, where SQLite writes or reads it itself: names in quotes, CREATE TABLE AS, names as written.

quote_if_needed("t 1")  ->  "t 1"  in double quotes         quote_if_needed("t")  ->  t
numbered_names(["a", "a", "b", "A"])  ->  ["a", "a:1", "b", "A:2"]
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tandemdb.planner.syntax.ddl import ColumnDefinition
from tandemdb.planner.syntax.keywords import KEYWORDS

SHORT_TEXT_MAX = 50
"""From this many characters on (as SQLite counts them) the columns stand on lines of their own."""

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NUMBERED = re.compile(r"(?s)(.+?):[0-9]*\Z")


def create_table_text(name: str, columns: Sequence[ColumnDefinition]) -> str:
    """What SQLite stores for CREATE TABLE AS."""
    length = quoted_length(name) + sum(quoted_length(column.name) + 5 for column in columns)
    before, between, end = ("", ",", ")") if length < SHORT_TEXT_MAX else ("\n  ", ",\n  ", "\n)")
    parts = [quote_if_needed(column.name) + (f" {column.type_name}" if column.type_name else "") for column in columns]
    return f"CREATE TABLE {quote_if_needed(name)}({before}{between.join(parts)}{end}"


def quoted_length(name: str) -> int:
    """The bytes that a name takes in quotes, quotes inside doubled."""
    return len(name.encode("utf-8", "surrogatepass")) + name.count('"') + 2


def quote_if_needed(name: str) -> str:
    """The name, in double quotes unless it is a plain word that isn't a keyword."""
    if _PLAIN_NAME.match(name) and name.upper() not in KEYWORDS:
        return name
    return quote(name)


def quote(name: str) -> str:
    """The name in double quotes, those inside it doubled."""
    return '"' + name.replace('"', '""') + '"'


def numbered_names(names: Sequence[str]) -> list[str]:
    """The names, with ":1", ":2" ... behind those that came before, whatever their case; column1 ... for empty ones."""
    chosen: list[str] = []
    taken: set[str] = set()
    for position, name in enumerate(names):
        name = name or f"column{position + 1}"
        number = 0
        while name.lower() in taken:
            number += 1
            numbered = _NUMBERED.match(name)
            name = f"{numbered[1] if numbered else name}:{number}"
        taken.add(name.lower())
        chosen.append(name)
    return chosen


def name_as_written(text: str) -> str:
    """The name of the object that a stored CREATE statement makes, quotes included."""
    from tandemdb.planner.syntax.lexer import scan

    tokens = scan(text)
    return tokens.texts[3 if tokens.kinds[1] == "UNIQUE" else 2]
