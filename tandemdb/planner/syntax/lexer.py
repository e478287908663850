"""SQL text into tokens, into template and literals, and into statements.

    SELECT a, 'it''s' FROM t -- why       text
    SELECT  id  ,  string  FROM  id  end  kinds (keywords.py names them), one for each token
    0       1   2  3       4     5   6    position
                   0                      slot: the literal's number

`scan` finds the tokens of one statement, `lift_literals` its literals alone, `split_script` the statements of a
script. All three are built from the same few expressions, so that they agree on where a literal, a quoted name and a
comment begin and end.

Every number, string and blob token is a literal and has a slot, with one exception: 9223372036854775808 is a float
unless a minus sign stands before it, so it stays in the template and bears slot -1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from tandemdb.errors import OperationalError, ProgrammingError
from tandemdb.planner.syntax.ast import Value
from tandemdb.planner.syntax.keywords import IDENTIFIERS_OR_STRING, JOIN_WORDS, KEYWORDS

# Quantifiers are possessive (`*+`): no part of a token is ever given back, so that matching takes linear time.
# Letters, digits, _, $ and everything beyond ASCII; said by what it is not, which compiles ten times as fast.
NAME_CHARACTER = r"[^\x00-#%-/:-@\[-^`{-\x7f]"
STRING = r"'[^']*+(?:''[^']*+)*+'?+"
QUOTED_NAME = r'"[^"]*+(?:""[^"]*+)*+"?+|`[^`]*+(?:``[^`]*+)*+`?+|\[[^\]]*+\]?+'
HEXADECIMAL = r"0[xX][0-9A-Fa-f][0-9A-Fa-f_]*+"
WHOLE = r"[0-9][0-9_]*+(?:\.[0-9_]*+)?+"
FRACTION = r"\.[0-9][0-9_]*+"
EXPONENT = r"(?:[eE][+-]?+[0-9][0-9_]*+)?+"
DECIMAL = rf"(?:{WHOLE}|{FRACTION}){EXPONENT}"
NUMBERED = r"\?[0-9]*+"
VARIABLE_NAME = rf"(?:::)*+(?:{NAME_CHARACTER}(?:{NAME_CHARACTER}|::)*+(?:\([^) \t\n\v\f\r]*+\)?+)?+)?+"
# A $ begins a variable only where it does not continue a name.
VARIABLE = rf"{NUMBERED}|(?:[@:#]|(?<!{NAME_CHARACTER})\$){VARIABLE_NAME}"
COMMENT = r"--[^\n]*+|/\*(?:(?s:.*?)\*/|(?s:.++))"

_TOKEN = re.compile(
    "("
    + "|".join(
        [
            rf"[^\x00-@\[-^`{{-\x7fxX\ufeff]{NAME_CHARACTER}*+",
            r"[(),;]",
            STRING,
            HEXADECIMAL,
            DECIMAL + NAME_CHARACTER + "*+",
            rf"[xX](?!'){NAME_CHARACTER}*+",
            QUOTED_NAME,
            NUMBERED,
            rf"[$@:#]{VARIABLE_NAME}",
            COMMENT,
            r"->>?+|\|\||<[<=>]?+|>[>=]?+|==?+|!=",
            r"[xX]'[^']*+'?+",
            # A vertical tab is white space behind other white space only; a byte order mark always is.
            r"[^ \t\n\f\r\v\ufeff]|(?<![ \t\n\f\r\v])\v",
        ]
    )
    + ")"
)
_LITERAL = re.compile(
    # The look ahead halves the time: most characters begin none of these.
    r"((?=['\"`\[0-9.xX$@:#?/-])(?:"
    + "|".join(
        [
            STRING,
            # A digit or an x inside a name begins nothing; a dot behind a name does begin a number.
            rf"(?<!{NAME_CHARACTER})(?:{HEXADECIMAL}|{WHOLE}{EXPONENT}(?!{NAME_CHARACTER})|[xX]'[^']*+'?+)",
            rf"{FRACTION}{EXPONENT}(?!{NAME_CHARACTER})",
            QUOTED_NAME,
            VARIABLE,
            COMMENT,
        ]
    )
    + "))"
)
_STATEMENT = re.compile(
    rf"(?:[^;'\"`\[$@:#?/-]++|{STRING}|{QUOTED_NAME}|{COMMENT}|{VARIABLE}|[^;])*+;?+"
)
_SPACE = rf"(?:[ \t\n\f\r\v\ufeff]++|{COMMENT})*+"
_TRIGGER = re.compile(
    rf"{_SPACE}(?:EXPLAIN\b{_SPACE}(?:QUERY\b{_SPACE}PLAN\b{_SPACE})?+)?+"
    rf"CREATE\b{_SPACE}(?:TEMP(?:ORARY)?+\b{_SPACE})?+TRIGGER\b",
    re.IGNORECASE | re.ASCII,
)
_TRIGGER_END = re.compile(rf"{_SPACE}END{_SPACE}(?:;|\Z)", re.IGNORECASE | re.ASCII)

INTEGER_MAX = 2**63 - 1
MINUS_ONLY_DIGITS = str(INTEGER_MAX + 1)
REMEMBERED_KINDS_MAX = 8192
REMEMBERED_LENGTH_MAX = 40


# ---- literals


def lift_literals(sql: str) -> tuple[str, list[Value]]:
    r"""Return the text with each literal replaced by a marker, and the literals' values in order.

    A marker is "\0" and a letter for the value's storage class (i, r, t, b). Two texts with one template differ in the
    values of their literals only, so that what was parsed from one may be planned for the other. A token that is
    not a valid literal stays in the template.

    Raises:
        ProgrammingError: the text holds a null character, as sqlite3 words it.
    """
    if "\0" in sql:
        raise ProgrammingError("the query contains a null character")
    pieces = _LITERAL.split(sql)
    literals: list[Value] = []
    for position in range(1, len(pieces), 2):
        text = pieces[position]
        if text[0] in "'0123456789.xX":
            try:
                value = literal_value(text)
            except ValueError:
                continue
            literals.append(value)
            pieces[position] = _MARKERS[type(value)]
    return "".join(pieces), literals


def literal_texts(sql: str) -> list[str]:
    """The literals that `lift_literals` finds, as they are written."""
    found = []
    for text in _LITERAL.split(sql)[1::2]:
        if text[0] in "'0123456789.xX":
            try:
                literal_value(text)
            except ValueError:
                continue
            found.append(text)
    return found


_MARKERS = {int: "\0i", float: "\0r", str: "\0t", bytes: "\0b"}
_MISPLACED_SEPARATOR = re.compile(r"_(?![0-9A-Fa-f])|(?<![0-9A-Fa-f])_|[.eE]_|_[eE.]")


def literal_value(text: str) -> Value:
    """Return the value of a literal token; ValueError if it is none, or the one that has no slot."""
    first = text[0]
    if first == "'":
        return string_value(text)
    if text.isdigit():
        return integer_value(text)
    if first in "xX":
        digits = text[2:-1]
        if text[-1] != "'" or len(text) < 3 or not (digits == "" or digits.isalnum()):
            raise ValueError(text)
        return bytes.fromhex(digits)
    return number_value(text)


def string_value(text: str) -> str:
    inner = text[1:-1]
    if "'" in inner:
        if text.count("'") & 1:
            raise ValueError(text)
        return inner.replace("''", "'")
    if text[-1] != "'" or len(text) < 2:
        raise ValueError(text)
    return inner


def integer_value(text: str) -> int | float:
    if len(text) < 19:
        return int(text)
    digits = text.lstrip("0")
    if digits == MINUS_ONLY_DIGITS:
        raise ValueError(text)
    if len(digits) > 19 or int(digits or "0") > INTEGER_MAX:
        return float(digits)
    return int(digits or "0")


def number_value(text: str) -> int | float:
    if text[:2] in ("0x", "0X"):
        if "_" in text and _MISPLACED_SEPARATOR.search(text, 2):
            raise ValueError(text)
        value = int(text[2:].replace("_", ""), 16)
        if value > 0xFFFF_FFFF_FFFF_FFFF:
            raise ValueError(text)
        return value - 2**64 if value > INTEGER_MAX else value
    if "_" in text:
        if _MISPLACED_SEPARATOR.search(text):
            raise ValueError(text)
        text = text.replace("_", "")
        if text.isdigit():
            return integer_value(text)
    return float(text)


# ---- tokens


class Tokens(NamedTuple):
    """The tokens of one statement; the last is its semicolon or, at the end of the text, `end`.

    `gaps` holds the white space (and comments) before each token.
    """

    kinds: list[str]
    texts: list[str]
    gaps: list[str]
    end: int

    def offsets(self, start: int) -> list[int]:
        """Return where each token begins, given where the scan began."""
        lengths = [0] * (2 * len(self.texts))
        lengths[0::2] = map(len, self.gaps)
        lengths[1::2] = map(len, self.texts)
        return list(accumulate(lengths, initial=start))[1::2]


def scan(sql: str, start: int = 0) -> Tokens:
    """Find the tokens from `start` to the next semicolon or the end of the text; linear in what it passes over."""
    if sql.find(";", start) < 0:
        end = len(sql)
        pieces = _TOKEN.split(sql[start:] if start else sql)
    else:
        match = _STATEMENT.match(sql, start)
        end = match.end() if match else len(sql)
        pieces = _TOKEN.split(sql[start:end])
    texts = pieces[1::2]
    gaps = pieces[0::2]
    kinds = list(map(_KINDS.__getitem__, texts))
    if not _UNUSUAL.isdisjoint(kinds):
        drop_comments(kinds, texts, gaps)
        resolve_window_words(kinds)
    if kinds and kinds[-1] == ";":
        gaps.pop()
    else:
        kinds.append("end")
        texts.append("")
    return Tokens(kinds, texts, gaps, end)


class _Kinds(dict[str, str]):
    """Kind of every token text met so far, as far as there is room; short names come back often."""

    def __missing__(self, text: str) -> str:
        kind = classify(text)
        if len(self) < REMEMBERED_KINDS_MAX and len(text) <= REMEMBERED_LENGTH_MAX:
            self[text] = kind
        return kind


def classify(text: str) -> str:
    """Return the kind of one token as the token expression cuts it out."""
    first = text[0]
    if first == "'":
        return "illegal" if len(text) < 2 or text.count("'") & 1 else "string"
    if first in "0123456789" or (first == "." and len(text) > 1):
        return classify_number(text)
    if first in '"`':
        return "illegal" if len(text) < 2 or text.count(first) & 1 else "id"
    if first == "[":
        return "id" if text[-1] == "]" else "illegal"
    if first == "?":
        return "variable"
    if first in "$@:#":
        named = re.match(rf"(?:::)*{NAME_CHARACTER}", text[1:])
        closed = "(" not in text or text[-1] == ")"
        return "variable" if named and closed else "illegal"
    if first in "xX" and text[1:2] == "'":
        return "blob" if re.fullmatch(r"'(?:[0-9A-Fa-f]{2})*'", text[1:]) else "illegal"
    if text.startswith(("--", "/*")):
        return "comment"
    if re.match(NAME_CHARACTER, first):
        upper = text.upper() if text.isascii() else ""
        return upper if upper in KEYWORDS else "id"
    return _OPERATORS.get(text, "illegal")


def classify_number(text: str) -> str:
    if re.fullmatch(HEXADECIMAL, text):
        return "illegal" if "_" in text and _MISPLACED_SEPARATOR.search(text, 2) else "number"
    if not re.fullmatch(DECIMAL, text) or ("_" in text and _MISPLACED_SEPARATOR.search(text)):
        return "illegal"
    return "number"


_OPERATORS = {text: text for text in "( ) , ; . * = + - / % & | ~ < <= > >= <> << >> || -> ->>".split()}
_OPERATORS |= {"==": "=", "!=": "<>"}
_KINDS = _Kinds(_OPERATORS)
for _word in sorted(KEYWORDS):
    _KINDS[_word] = _KINDS[_word.lower()] = _word
_KINDS["TEMPORARY"] = _KINDS["temporary"] = "TEMP"
_UNUSUAL = frozenset(["comment", "WINDOW", "OVER", "FILTER"])


def drop_comments(kinds: list[str], texts: list[str], gaps: list[str]) -> None:
    """Move comments into the gap before the next token."""
    if "comment" not in kinds:
        return
    kept = 0
    gap = ""
    for position, kind in enumerate(kinds):
        gap += gaps[position]
        if kind == "comment":
            gap += texts[position]
            continue
        kinds[kept], texts[kept], gaps[kept] = kind, texts[position], gap
        kept += 1
        gap = ""
    gaps[kept] = gap + gaps[len(kinds)]
    del kinds[kept:], texts[kept:], gaps[kept + 1 :]


def resolve_window_words(kinds: list[str]) -> None:
    """Decide by their neighbours whether WINDOW, OVER and FILTER are keywords, as SQLite's tokenizer does."""
    named = IDENTIFIERS_OR_STRING | JOIN_WORDS | {"WINDOW", "OVER"}
    for position, kind in enumerate(kinds):
        if kind not in ("WINDOW", "OVER", "FILTER"):
            continue
        following = kinds[position + 1] if position + 1 < len(kinds) else "end"
        behind_parenthesis = position > 0 and kinds[position - 1] == ")"
        if kind == "WINDOW":
            is_keyword = following in named and kinds[position + 2 : position + 3] == ["AS"]
        elif kind == "OVER":
            is_keyword = behind_parenthesis and (following == "(" or following in named)
        else:
            is_keyword = behind_parenthesis and following == "("
        if not is_keyword:
            kinds[position] = "id"


def dequote(text: str) -> str:
    """Return the name or string that an id or string token stands for."""
    first = text[0]
    if first == "[":
        return text[1:-1]
    if first in "\"'`":
        inner = text[1:-1]
        return inner.replace(first * 2, first) if first in inner else inner
    return text


def check_number(text: str, sign: str = "") -> None:
    """Raise what SQLite raises for a hexadecimal literal of more than 64 bits."""
    if text[:2] in ("0x", "0X") and len(text[2:].replace("_", "").lstrip("0")) > 16:
        raise OperationalError(f"hex literal too big: {sign}{text}")


# ---- statements


def split_script(sql: str) -> Iterator[tuple[str, int]]:
    """Yield each statement of a script with its semicolon, and its offset; those without a token are left out.

    A CREATE TRIGGER ends at the END that follows a semicolon, as in sqlite3_complete. The last statement need not be
    complete. Cost: linear, one expression match a statement.
    """
    position = 0
    while position < len(sql):
        end = statement_end(sql, position)
        if not is_blank(sql, position, end):
            yield sql[position:end], position
        position = end


def statement_end(sql: str, start: int) -> int:
    """Return the offset behind the semicolon that ends the statement at `start`."""
    match = _STATEMENT.match(sql, start)
    end = match.end() if match else len(sql)
    if _TRIGGER.match(sql, start, end):
        while end < len(sql):
            last = _TRIGGER_END.match(sql, end)
            match = _STATEMENT.match(sql, end)
            end = match.end() if match else len(sql)
            if last:
                break
    return end


_BLANK = re.compile(rf"{_SPACE};?+\Z")


def is_blank(sql: str, start: int, end: int) -> bool:
    """Tell whether nothing but white space, comments and one semicolon stands between the offsets."""
    return _BLANK.match(sql, start, end) is not None
