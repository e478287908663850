"""Functions on texts and blobs.

    text  'Oslo\\0x'   length 4: up to the NUL, as a C string     substr counts characters
    blob  X'4F73'     length 2: bytes                            substr counts bytes
    7, 1.5            as their text form

Case means the 26 letters of ASCII and no others. NULL in, NULL out, unless a docstring says otherwise.
"""

from __future__ import annotations

from tandemdb.planner.functions.registry import ScalarFunction
from tandemdb.planner.runtime.values import as_integer, cast_blob, decode, encode, to_text, until_nul
from tandemdb.storage.values import HOLDS_BLOB, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Value, fold_ascii


def length(value: Value) -> int | None:
    """length(X): characters of a text up to its first NUL, bytes of a blob."""
    if isinstance(value, str):
        return len(value) if "\0" not in value else value.index("\0")
    if value is None:
        return None
    return len(value) if isinstance(value, bytes) else len(to_text(value))


def octet_length(value: Value) -> int | None:
    """octet_length(X): bytes of a blob or of the text form (SQLite 3.43)."""
    blob = cast_blob(value)
    return None if blob is None else len(blob)


def lower(value: Value) -> str | None:
    """lower(X)."""
    return None if value is None else fold_ascii(to_text(value))


def upper(value: Value) -> str | None:
    """upper(X)."""
    if value is None:
        return None
    text = value if type(value) is str else to_text(value)
    return text.upper() if text.isascii() else text.translate(ASCII_UPPER)


def substring(value: Value, start: Value, count: Value = 1_000_000_000) -> str | bytes | None:
    """substr(X, Y, Z): Z characters from the Y-th on; a negative Y counts from the end, a negative Z to the left."""
    if type(value) is str and type(start) is int and type(count) is int and "\0" not in value:
        # What is asked for nearly always.
        if 0 < start <= INT32_MAX and 0 <= count <= INT32_MAX:
            return value[start - 1 : start - 1 + count]
    if value is None or start is None or count is None or value == b"":
        return None  # of an empty blob too: SQLite can't tell it from no memory
    subject: str | bytes = value if isinstance(value, bytes) else until_nul(to_text(value))
    first, wanted = as_32_bits(start), as_32_bits(count)
    leftwards = wanted < 0
    wanted = abs(wanted)
    if first < 0:
        first += len(subject)
        if first < 0:
            wanted = max(wanted + first, 0)
            first = 0
    elif first > 0:
        first -= 1
    elif wanted > 0:
        wanted -= 1  # position 0, before the first character, takes one of the count
    if leftwards:
        first -= wanted
        if first < 0:
            wanted += first
            first = 0
    return subject[first : first + wanted]


INT32_MAX = 0x7FFFFFFF


def as_32_bits(value: Value) -> int:
    """Return the low 32 bits, signed, of an integer: all that C's int holds."""
    number = as_integer(value)
    return number if -0x80000000 <= number <= 0x7FFFFFFF else ((number + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def find(value: Value, wanted: Value) -> int | None:
    """instr(X, Y): the position of Y in X counted from 1, 0 if it isn't there; bytes if both are blobs."""
    if value is None or wanted is None:
        return None
    if isinstance(value, bytes) and isinstance(wanted, bytes):
        return value.find(wanted) + 1
    text = to_text(value)
    place = text.find(to_text(wanted))
    if place > 1 and not text.isascii():
        # Bytes that continue no character belong to the one before them.
        place -= sum("\udc80" <= character <= "\udcbf" for character in text[1:place])
    return place + 1


def replace(value: Value, pattern: Value, replacement: Value) -> Value:
    """replace(X, Y, Z): X, a number even, if Y is empty."""
    if value is None or pattern is None:
        return None
    old = to_text(pattern)
    if not old or old[0] == "\0":
        return decode(value) if isinstance(value, bytes) else value
    if replacement is None:
        return None
    return to_text(value).replace(old, to_text(replacement))


def trim(value: Value, characters: Value = " ") -> str | None:
    """trim(X, Y)."""
    if value is None or characters is None:
        return None
    return to_text(value).strip(trimmed(characters)) if trimmed(characters) else to_text(value)


def trim_left(value: Value, characters: Value = " ") -> str | None:
    """ltrim(X, Y)."""
    if value is None or characters is None:
        return None
    return to_text(value).lstrip(trimmed(characters)) if trimmed(characters) else to_text(value)


def trim_right(value: Value, characters: Value = " ") -> str | None:
    """rtrim(X, Y)."""
    if value is None or characters is None:
        return None
    return to_text(value).rstrip(trimmed(characters)) if trimmed(characters) else to_text(value)


def trimmed(characters: Value) -> str:
    """Return the set of characters to trim."""
    return until_nul(to_text(characters))


def character(*codes: Value) -> str:
    """char(X1, X2, ...): of code points, U+FFFD for those that are none."""
    points = map(as_integer, codes)
    text = "".join([chr(point) if 0 <= point <= 0x10FFFF else "\ufffd" for point in points])
    try:
        text.encode()
    except UnicodeEncodeError:  # a surrogate: SQLite writes its three bytes, which are no UTF-8
        return decode(text.encode("utf-8", "surrogatepass"))
    return text


def code_point(value: Value) -> int | None:
    """unicode(X): the code point of the first character; NULL of an empty text."""
    text = until_nul(to_text(value)) if value is not None else ""
    return ord(text[0]) if text else None


def hexadecimal(value: Value) -> str:
    """hex(X): the bytes of a blob or of the text form; '' of NULL."""
    return (cast_blob(value) or b"").hex().upper()


def from_hexadecimal(value: Value, ignored: Value = "") -> bytes | None:
    """unhex(X, Y): the bytes of hexadecimal digits, NULL if X is no such text (SQLite 3.41)."""
    if value is None or ignored is None:
        return None
    text, skip = to_text(value), set(to_text(ignored))
    digits: list[str] = []
    for letter in text:
        if letter in "0123456789abcdefABCDEF":
            digits.append(letter)
        elif letter not in skip or len(digits) % 2:
            return None
    return bytes.fromhex("".join(digits)) if len(digits) % 2 == 0 else None


def soundex(value: Value) -> str:
    """soundex(X): '?000' of NULL and of texts without a letter."""
    data = encode(until_nul(to_text(value))) if value is not None else b""
    start = next((i for i, byte in enumerate(data) if byte < 128 and chr(byte).isalpha()), None)
    if start is None:
        return "?000"
    result = chr(data[start]).upper()
    previous = SOUNDEX_CODES[data[start] & 0x7F]
    for byte in data[start:]:
        if len(result) == 4:
            break
        code = SOUNDEX_CODES[byte & 0x7F]
        if code == "0":
            previous = code
        elif code != previous:
            previous = code
            result += code
    return result.ljust(4, "0")


ASCII_UPPER = {letter: letter - 32 for letter in range(ord("a"), ord("z") + 1)}
SOUNDEX_LETTERS = "01230120022455012623010202"
SOUNDEX_CODES = "0" * 65 + SOUNDEX_LETTERS + "0" * 6 + SOUNDEX_LETTERS + "0" * 5


def concatenate_all(*values: Value) -> str:
    """concat(X, ...): NULL counts as '' (SQLite 3.44)."""
    return "".join([to_text(value) for value in values if value is not None])


def concatenate_with(separator: Value, *values: Value) -> str | None:
    """concat_ws(SEPARATOR, X, ...): NULL arguments are left out (SQLite 3.44)."""
    if separator is None:
        return None
    return to_text(separator).join([to_text(value) for value in values if value is not None])


INTEGER, TEXT, NULL, BLOB = HOLDS_INT, HOLDS_TEXT, HOLDS_NULL, HOLDS_BLOB
SCALAR_FUNCTIONS = {
    function.name: function
    for function in (
        ScalarFunction("length", length, 1, 1, null_if_null=True, result_classes=INTEGER),
        ScalarFunction("octet_length", octet_length, 1, 1, null_if_null=True, result_classes=INTEGER),
        ScalarFunction("lower", lower, 1, 1, null_if_null=True, result_classes=TEXT),
        ScalarFunction("upper", upper, 1, 1, null_if_null=True, result_classes=TEXT),
        ScalarFunction("substr", substring, 2, 3, null_if_null=True, result_classes=TEXT | BLOB | NULL),
        ScalarFunction("substring", substring, 2, 3, null_if_null=True, result_classes=TEXT | BLOB | NULL),
        ScalarFunction("instr", find, 2, 2, null_if_null=True, result_classes=INTEGER),
        ScalarFunction("replace", replace, 3, 3),
        ScalarFunction("trim", trim, 1, 2, null_if_null=True, result_classes=TEXT),
        ScalarFunction("ltrim", trim_left, 1, 2, null_if_null=True, result_classes=TEXT),
        ScalarFunction("rtrim", trim_right, 1, 2, null_if_null=True, result_classes=TEXT),
        ScalarFunction("char", character, 0, -1, result_classes=TEXT),
        ScalarFunction("unicode", code_point, 1, 1, result_classes=INTEGER | NULL),
        ScalarFunction("hex", hexadecimal, 1, 1, result_classes=TEXT),
        ScalarFunction("unhex", from_hexadecimal, 1, 2, result_classes=BLOB | NULL),
        ScalarFunction("soundex", soundex, 1, 1, result_classes=TEXT),
        ScalarFunction("concat", concatenate_all, 1, -1, result_classes=TEXT),
        ScalarFunction("concat_ws", concatenate_with, 2, -1, result_classes=TEXT | NULL),
    )
}
