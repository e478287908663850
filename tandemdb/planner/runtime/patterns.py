"""LIKE and GLOB: a pattern becomes a predicate on one value, compiled once.

    pattern        elements                 matcher
    'Os%'          "os" MANY                folded(text).startswith("os")
    '%lo'          MANY "lo"                folded(text).endswith("lo")
    '%sl%'         MANY "sl" MANY           "sl" in folded(text)
    'o_l%'         "o" ONE "l" MANY         regular expression
    '[a-c]*' GLOB  SET MANY                 regular expression

LIKE takes the 26 letters of ASCII in either case for the same, unless asked to be case sensitive; GLOB never does.
Pattern and text both end at a NUL, as C strings do. A blob on either side never matches: the SQLite that serves as
oracle is built with LIKE_DOESNT_MATCH_BLOBS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from tandemdb.errors import OperationalError
from tandemdb.planner.runtime.values import encode, to_text, until_nul
from tandemdb.storage.values import Value, fold_ascii

Predicate = Callable[[Value], bool | None]
TextPredicate = Callable[[str], bool]

PATTERN_BYTES_MAX = 50000
NO_ESCAPE: Final = "no escape"
"""Stands for the lack of ESCAPE; told by identity, for any text could be one."""


def like_function(pattern: Value, escape: Value = NO_ESCAPE, case_sensitive: bool = False) -> Predicate:
    """Compile `value LIKE pattern [ESCAPE escape]`; an escape of None is `ESCAPE NULL`, not the lack of one.

    Returns:
        A function from the value to True, False, or None where value, pattern or escape is NULL.
    Raises, when that function is called:
        OperationalError: the escape is not one character, or the pattern is longer than 50,000 bytes.
    Cost: about 30 µs the first time, then a look-up; a call 0.2 µs for prefixes, suffixes, infixes and exact texts.
    """
    if isinstance(pattern, bytes):
        return never
    text = None if pattern is None else to_text(pattern)
    if text is not None and is_too_long(text):
        return too_complex
    if escape is None:
        return null_unless_blob
    escape_text = "" if escape is NO_ESCAPE else until_nul(to_text(escape))
    if escape is not NO_ESCAPE and len(escape_text) != 1:
        return bad_escape
    if text is None:
        return null_unless_blob
    return compile_like(text, escape_text, case_sensitive)


def glob_function(pattern: Value) -> Predicate:
    """Compile `value GLOB pattern`; see `like_function`."""
    if isinstance(pattern, bytes):
        return never
    if pattern is None:
        return null_unless_blob
    text = to_text(pattern)
    return too_complex if is_too_long(text) else compile_glob(text)


@lru_cache(maxsize=1024)
def like_pieces(pattern: Value) -> tuple[str, str, bool]:
    """Return two texts that are in every text that LIKE matches, and whether they are there as they stand, or lowered.

    The longest come first; empty ones stand for what is not there. Only ASCII is looked for: lowering other letters
    folds more than LIKE does, but never takes an ASCII letter away.
    """
    if isinstance(pattern, bytes) or pattern is None or is_too_long(text := to_text(pattern)):
        return "", "", True
    pieces = [piece for element in literals_of(like_elements(text, "")) for piece in ASCII_RUN.findall(element)]
    first, second = two_longest(pieces)
    return first.lower(), second.lower(), (first + second).lower() == (first + second).upper()


@lru_cache(maxsize=1024)
def glob_pieces(pattern: Value) -> tuple[str, str, bool]:
    """Return two texts that are in every text that GLOB matches; see `like_pieces`."""
    if isinstance(pattern, bytes) or pattern is None or is_too_long(text := to_text(pattern)):
        return "", "", True
    return *two_longest(literals_of(glob_elements(text))), True


def two_longest(pieces: list[str]) -> tuple[str, str]:
    first, second = sorted([*pieces, "", ""], key=len, reverse=True)[:2]
    return first, second


def literals_of(elements: list[str] | None) -> list[str]:
    return [element for element in elements or () if not isinstance(element, Set)]


ASCII_RUN = re.compile("[\0-\x7f]+")


def is_too_long(text: str) -> bool:
    """Tell whether a pattern is beyond SQLite's limit."""
    return len(text) > PATTERN_BYTES_MAX // 4 and len(encode(text)) > PATTERN_BYTES_MAX


def never(value: Value) -> bool | None:
    """The predicate of a pattern that is a blob."""
    return False


def null_unless_blob(value: Value) -> bool | None:
    """The predicate of a pattern, or escape, that is NULL."""
    return False if isinstance(value, bytes) else None


def too_complex(value: Value) -> bool | None:
    """The predicate of a pattern that is too long."""
    if isinstance(value, bytes):
        return False
    raise OperationalError("LIKE or GLOB pattern too complex", code="SQLITE_ERROR")


def bad_escape(value: Value) -> bool | None:
    """The predicate of an escape that is not one character."""
    if isinstance(value, bytes):
        return False
    raise OperationalError("ESCAPE expression must be a single character", code="SQLITE_ERROR")


# ---- compiling ----


@lru_cache(maxsize=1024)
def compile_like(pattern: str, escape: str, case_sensitive: bool) -> Predicate:
    """Compile a LIKE pattern that is a text."""
    elements = like_elements(pattern, escape)
    return on_values(no_text if elements is None else text_predicate(elements, not case_sensitive))


@lru_cache(maxsize=1024)
def compile_glob(pattern: str) -> Predicate:
    """Compile a GLOB pattern that is a text."""
    elements = glob_elements(pattern)
    return on_values(no_text if elements is None else text_predicate(elements, False))


def no_text(text: str) -> bool:
    """The predicate of a pattern that cannot match, such as one with an open bracket."""
    return False


def on_values(matches: TextPredicate) -> Predicate:
    """Widen a predicate on texts to values of all classes."""

    def predicate(value: Value) -> bool | None:
        if type(value) is str:
            return matches(value if "\0" not in value else until_nul(value))
        if value is None:
            return None
        return False if isinstance(value, bytes) else matches(until_nul(to_text(value)))

    return predicate


# Elements of a pattern: a str is literal text, a Set is a regular expression for one character.
class Set(str):
    """A regular expression that matches one character; not literal text."""


MANY: Final = Set(".*")
ONE: Final = Set(".")


def text_predicate(elements: list[str], fold: bool) -> TextPredicate:
    """Choose the cheapest way to match; `elements` has no two MANY and no two literals side by side."""
    if any(isinstance(element, Set) and element is not MANY for element in elements):
        return expression_predicate(elements, fold)
    literals = [fold_ascii(element) if fold else element for element in elements if not isinstance(element, Set)]
    starts_open = bool(elements) and elements[0] is MANY
    ends_open = bool(elements) and elements[-1] is MANY
    if len(literals) > 1:
        return literals_predicate(literals, starts_open, ends_open, fold)
    literal = literals[0] if literals else ""
    if elements == [MANY]:
        return lambda text: True
    if fold:
        if starts_open:
            if ends_open:
                return lambda text: literal in (text.lower() if text.isascii() else fold_ascii(text))
            return lambda text: fold_ascii(text).endswith(literal)
        length = len(literal)
        if ends_open:
            return lambda text: fold_ascii(text[:length]) == literal
        return lambda text: len(text) == length and fold_ascii(text) == literal
    if starts_open:
        return (lambda text: literal in text) if ends_open else (lambda text: text.endswith(literal))
    return (lambda text: text.startswith(literal)) if ends_open else (lambda text: text == literal)


def literals_predicate(literals: list[str], starts_open: bool, ends_open: bool, fold: bool) -> TextPredicate:
    """Match literals with anything between them: each is looked for behind the one before, at its leftmost place."""
    first = "" if starts_open else literals[0]
    last = "" if ends_open else literals[-1]
    between = literals[0 if starts_open else 1 : len(literals) if ends_open else -1]

    def matches(text: str) -> bool:
        if fold:
            text = text.lower() if text.isascii() else fold_ascii(text)
        start, end = len(first), len(text) - len(last)
        if start > end or not (text.startswith(first) and text.endswith(last)):
            return False
        for literal in between:
            place = text.find(literal, start, end)
            if place < 0:
                return False
            start = place + len(literal)
        return True

    return matches


def expression_predicate(elements: list[str], fold: bool) -> TextPredicate:
    """Match by a regular expression that never goes back over what lies between two wildcards.

    Each stretch between wildcards has a fixed length, so that its leftmost place is always as good as any other: it is
    an atomic group. Without that, '%a%a%a%b' would take time beyond all bounds.
    """
    stretches: list[str] = [""]
    for element in elements:
        if element is MANY:
            stretches.append("")
        else:
            stretches[-1] += element if isinstance(element, Set) else re.escape(element)
    if len(stretches) == 1:
        source = stretches[0]
    else:
        middle = "".join(f"(?>.*?{stretch})" for stretch in stretches[1:-1])
        source = f"{stretches[0]}{middle}.*{stretches[-1]}"
    # ASCII and IGNORECASE together fold the 26 letters only.
    flags = re.DOTALL | re.ASCII | (re.IGNORECASE if fold else 0)
    match = re.compile(source, flags).fullmatch
    return lambda text: match(text) is not None


# ---- reading patterns ----


def like_elements(pattern: str, escape: str) -> list[str] | None:
    """Cut a LIKE pattern into elements; None if it cannot match because its last character is the escape."""
    elements: list[str] = []
    characters = iter(until_nul(pattern))
    for character in characters:
        if character == escape:
            following = next(characters, None)
            if following is None:
                return None
            add_literal(elements, following)
        elif character == "%":
            add_many(elements)
        elif character == "_":
            elements.append(ONE)
        else:
            add_literal(elements, character)
    return elements


def glob_elements(pattern: str) -> list[str] | None:
    """Cut a GLOB pattern into elements; None if it cannot match because of an open bracket."""
    elements: list[str] = []
    pattern = until_nul(pattern)
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            add_many(elements)
        elif character == "?":
            elements.append(ONE)
        elif character == "[":
            element, position = read_set(pattern, position)
            if element is None:
                return None
            elements.append(element)
        else:
            add_literal(elements, character)
    return elements


def read_set(pattern: str, position: int) -> tuple[Set | None, int]:
    """Read `^abc-x]` as a regular expression; None if the bracket stays open.

    A `]` is a member if it comes first. A `-` makes a range unless it comes first, last or right after a range.
    """
    inverted = pattern.startswith("^", position)
    position += inverted
    members: list[str] = []
    if pattern.startswith("]", position):
        members.append(re.escape("]"))
        position += 1
    before = ""
    while position < len(pattern) and pattern[position] != "]":
        character = pattern[position]
        position += 1
        if character == "-" and before and position < len(pattern) and pattern[position] != "]":
            last = pattern[position]
            position += 1
            if before <= last:
                members.append(f"{escape_member(before)}-{escape_member(last)}")
            before = ""
        else:
            members.append(escape_member(character))
            before = character
    if position >= len(pattern):
        return None, position
    if members:
        return Set(f"[{'^' if inverted else ''}{''.join(members)}]"), position + 1
    return Set("." if inverted else "(?!)"), position + 1


def escape_member(character: str) -> str:
    """Write a member of a set; all that is not a letter or digit is escaped, against set operators to come."""
    return character if character.isalnum() else f"\\U{ord(character):08x}"


def add_many(elements: list[str]) -> None:
    """Add `%`; several in a row mean no more than one."""
    if not elements or elements[-1] is not MANY:
        elements.append(MANY)


def add_literal(elements: list[str], character: str) -> None:
    """Add a character that stands for itself."""
    if elements and not isinstance(elements[-1], Set):
        elements[-1] += character
    else:
        elements.append(character)
