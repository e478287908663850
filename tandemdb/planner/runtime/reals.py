"""Real numbers as text and back, digit for digit as SQLite 3.40 writes and reads them.

    text  -- digits and exponent -->  s * 10**e  -- 64-bit mantissa -->  float
    float -- scaled into 1..10 in 64-bit mantissas, half a last digit added -->  digits, one by one

SQLite computes both ways in the 80-bit numbers of the x87, so its last digits are not always those of a correctly
rounded conversion. An `Extended` here is such a number, `(mantissa, exponent)` worth mantissa * 2**exponent, and
every operation rounds to 64 bits, halves to even. Short numbers, nearly all there are, never get that far: where both
ways provably agree, Python's own conversion is taken.
"""

from __future__ import annotations

import math
import re
from functools import cache

Extended = tuple[int, int]

# Leading blanks, sign, digits, fraction, exponent; `sqlite3Isspace` knows no other blanks.
NUMBER = re.compile(r"[\t-\r ]*([+-]?)([0-9]*)(\.([0-9]*))?([eE]([+-]?)([0-9]*))?")
BLANKS = "\t\n\v\f\r "

SIGNIFICAND_LIMIT = (2**63 - 1 - 9) // 10
LARGEST_TENTH = (2**63 - 1) // 10
INFINITY = math.inf


def real_to_text(value: float) -> str:
    """Return a real as CAST AS TEXT writes it: `%!.15g`, so 1.0, 1.0e+20, Inf."""
    text = repr(value)
    if len(text) < 17 and "e" not in text and "n" not in text:
        return text if value else "0.0"  # a negative zero has no sign
    if value != value or value in (INFINITY, -INFINITY):
        return "Inf" if value > 0 else "-Inf" if value < 0 else "NaN"
    # Python rounds correctly, SQLite with errors in the 17th digit or later: they can only differ near a half.
    digits = f"{abs(value):.17e}"
    if 300 < int(digits[16:19]) < 700:
        return format_real(value, "g", 15, alternate=False, more_digits=True, prefix="")
    mantissa, exponent_text = f"{abs(value):.14e}".split("e")
    exponent = int(exponent_text)
    sign = "-" if value < 0 else ""
    return sign + place_point(mantissa[0] + mantissa[2:], exponent)


def place_point(digits: str, exponent: int) -> str:
    """Write 15 significant digits as `%!.15g` does: without trailing zeros, but with one digit after the point."""
    digits = digits.rstrip("0") or "0"
    if exponent < -4 or exponent > 14:
        return f"{digits[0]}.{digits[1:] or '0'}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    digits = digits.ljust(exponent + 1, "0")
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :] or '0'}"


def text_to_real(text: str) -> float:
    """Return the real that the longest numeric prefix of a text denotes, 0.0 if there is none."""
    match = NUMBER.match(text)
    assert match is not None  # every part is optional
    return matched_real(match)


def matched_real(match: re.Match[str]) -> float:
    """Return the real of a match of NUMBER."""
    sign, whole, _, fraction, _, exponent_sign, exponent_text = match.groups()
    fraction = fraction or ""
    if not exponent_text and len(fraction) < 5 and len(whole) < 12:
        # At most four decimals: an 80-bit quotient cannot lie so near a tie that rounding it twice would matter.
        value = int(whole + fraction or "0") / POWERS[len(fraction)]
        return -value if sign == "-" else value
    significand, exponent = read_significand(whole, fraction)
    if exponent_text:
        exponent_text = exponent_text.lstrip("0")
        magnitude = int(exponent_text or "0") if len(exponent_text) < 6 else 10000
        exponent += -magnitude if exponent_sign == "-" else magnitude
    value = scale_significand(significand, exponent)
    return -value if sign == "-" else value


POWERS = (1, 10, 100, 1000, 10000)


def read_significand(whole: str, fraction: str) -> tuple[int, int]:
    """Return the first 18 or 19 digits as an integer, and the power of ten that makes up for those left out."""
    if len(whole) + len(fraction) < 18:
        return int(whole + fraction or "0"), -len(fraction)
    significand = exponent = 0
    for position, digit in enumerate(whole):
        significand = significand * 10 + int(digit)
        if significand >= SIGNIFICAND_LIMIT:
            exponent = len(whole) - position - 1
            break
    for digit in fraction:
        if significand >= SIGNIFICAND_LIMIT:
            break
        significand = significand * 10 + int(digit)
        exponent -= 1
    return significand, exponent


def scale_significand(significand: int, exponent: int) -> float:
    """Return significand * 10**exponent by the steps, and with the rounding errors, of sqlite3AtoF."""
    if significand == 0:
        return 0.0
    while exponent > 0 and significand < LARGEST_TENTH:
        significand *= 10
        exponent -= 1
    while exponent < 0 and significand % 10 == 0:
        significand //= 10
        exponent += 1
    if exponent == 0:
        return float(significand)
    if exponent > 0:
        if exponent >= 342:
            return INFINITY
        if exponent > 307:
            return to_float(multiply((significand, 0), power_of_ten(exponent - 308))) * 1.0e308
        return to_float(multiply((significand, 0), power_of_ten(exponent)))
    if exponent <= -342:
        return 0.0
    if exponent < -307:
        return to_float(divide((significand, 0), power_of_ten(-exponent - 308))) / 1.0e308
    return to_float(divide((significand, 0), power_of_ten(-exponent)))


@cache
def power_of_ten(exponent: int) -> Extended:
    """Return 10**exponent by repeated squaring in 80 bits, as sqlite3Pow10 does."""
    square, result = (10, 0), (1, 0)
    while True:
        if exponent & 1:
            result = multiply(result, square)
        exponent >>= 1
        if not exponent:
            return result
        square = multiply(square, square)


def format_real(value: float, style: str, precision: int, *, alternate: bool, more_digits: bool, prefix: str) -> str:
    """Return a real as SQLite's printf does.

    Args:
        style: "f", "e" or "g" as in C; "E" and "G" give a capital exponent mark.
        alternate: the flag `#`: keep the point and, with g, trailing zeros.
        more_digits: the flag `!`: 26 significant digits rather than 16, trailing zeros removed down to one.
        prefix: what a number that is not negative begins with: "+", " " or "".
    """
    mark = "e" if style.islower() else "E"
    style = style.lower()
    if value != value:
        return "NaN"
    if value < 0:
        prefix, value = "-", -value
    if style == "g" and precision > 0:
        precision -= 1
    number, rounder = to_extended(value), rounding_term(precision)
    if style == "f":
        if precision + binary_exponent(value) // 3 < 15 and value != INFINITY:
            rounder = to_float(add(to_extended(rounder), multiply(number, to_extended(3e-16))))
        number = add(number, to_extended(rounder))
    if value == INFINITY:
        return prefix + "Inf"
    number, exponent = normalize(number)
    if style != "f":
        number = add(number, to_extended(rounder))
        if not is_below(number, TEN):
            number, exponent = multiply(number, TENTH), exponent + 1
    strip_zeros = more_digits
    if style == "g":
        strip_zeros = not alternate
        style = "e" if exponent < -4 or exponent > precision else "f"
        precision = precision if style == "e" else precision - exponent
    text = prefix + write_digits(number, exponent if style == "f" else 0, precision, alternate, more_digits)
    if strip_zeros and "." in text:
        text = text.rstrip("0")
        if text.endswith("."):
            text = text + "0" if more_digits else text[:-1]
    if style == "e":
        text += f"{mark}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return text


def rounding_term(precision: int) -> float:
    """Return half a unit of the last decimal, in the same double arithmetic as SQLite's."""
    index = precision & 0xFFF
    term = ROUNDING_TERMS[index % 10]
    for _ in range(index // 10):
        term *= 1.0e-10
    return term


ROUNDING_TERMS = (5.0e-01, 5.0e-02, 5.0e-03, 5.0e-04, 5.0e-05, 5.0e-06, 5.0e-07, 5.0e-08, 5.0e-09, 5.0e-10)


def binary_exponent(value: float) -> int:
    """Return the exponent field of a double; C's division of it by three truncates, so a small one is shifted."""
    if value == 0.0 or value < 2.2250738585072014e-308:
        exponent = -1023
    elif value == INFINITY:
        exponent = 1024
    else:
        exponent = math.frexp(value)[1] - 1
    return exponent if exponent >= 0 else -(-exponent // 3) * 3


def normalize(number: Extended) -> tuple[Extended, int]:
    """Bring a number into 1 <= number < 10; also return the power of ten it lost."""
    exponent = 0
    if number[0] == 0:
        return number, 0
    scale: Extended = (1, 0)
    for factor, step in SCALE_STEPS:
        while exponent <= 350 and not is_below(number, larger := multiply(factor, scale)):
            scale, exponent = larger, exponent + step
    number = divide(number, scale)
    while is_below(number, SMALL):
        number, exponent = multiply(number, HUNDRED_MILLION), exponent - 8
    while is_below(number, (1, 0)):
        number, exponent = multiply(number, TEN), exponent - 1
    return number, exponent


def write_digits(number: Extended, exponent: int, precision: int, alternate: bool, more_digits: bool) -> str:
    """Take digits off a normalized number until the precision or the significant digits run out."""
    wanted = max(exponent + 1, 0) + max(precision - max(-exponent - 1, 0), 0)
    significant = min(wanted, 26 if more_digits else 16)
    digits = []
    for _ in range(significant):
        mantissa, shift = number[0], -number[1]
        digit = mantissa >> shift if shift >= 0 else mantissa << -shift
        digits.append(chr(48 + digit))
        rest = mantissa - (digit << shift) if shift >= 0 else 0
        number = round_extended(rest * 10, number[1])
    text = "".join(digits).ljust(wanted, "0")
    if exponent < 0:
        whole, decimals = "0", "0" * min(-exponent - 1, precision) + text
    else:
        whole, decimals = text[: exponent + 1], text[exponent + 1 :]
    return f"{whole}.{decimals}" if precision > 0 or alternate or more_digits else whole


# ---- the arithmetic of 80-bit numbers; none here is negative ----


def round_extended(mantissa: int, exponent: int) -> Extended:
    """Round a mantissa to 64 bits, halves to even."""
    excess = mantissa.bit_length() - 64
    if excess <= 0:
        return mantissa, exponent
    rest = mantissa & ((1 << excess) - 1)
    mantissa >>= excess
    half = 1 << (excess - 1)
    if rest > half or (rest == half and mantissa & 1):
        mantissa += 1
    return mantissa, exponent + excess


def multiply(a: Extended, b: Extended) -> Extended:
    """Return a * b."""
    return round_extended(a[0] * b[0], a[1] + b[1])


def divide(a: Extended, b: Extended) -> Extended:
    """Return a / b; b is not 0."""
    shift = max(66 + b[0].bit_length() - a[0].bit_length(), 0)
    quotient, rest = divmod(a[0] << shift, b[0])
    return round_extended(quotient << 1 | (rest != 0), a[1] - b[1] - shift - 1)


def add(a: Extended, b: Extended) -> Extended:
    """Return a + b."""
    exponent = min(a[1], b[1])
    return round_extended((a[0] << (a[1] - exponent)) + (b[0] << (b[1] - exponent)), exponent)


def is_below(a: Extended, b: Extended) -> bool:
    """Tell whether a < b."""
    exponent = min(a[1], b[1])
    return (a[0] << (a[1] - exponent)) < (b[0] << (b[1] - exponent))


def to_extended(value: float) -> Extended:
    """Return a finite double, exactly; infinity as 0, for callers have looked for it."""
    if value == INFINITY:
        return 0, 0
    mantissa, exponent = math.frexp(value)
    return int(mantissa * 9007199254740992.0), exponent - 53


def to_float(number: Extended) -> float:
    """Round to a double; too large becomes infinity."""
    mantissa, exponent = number
    try:
        return float(mantissa << exponent) if exponent >= 0 else mantissa / (1 << -exponent)
    except OverflowError:
        return INFINITY


TEN: Extended = (10, 0)
TENTH = to_extended(0.1)
SMALL = to_extended(1e-8)
HUNDRED_MILLION: Extended = (10**8, 0)
SCALE_STEPS = ((to_extended(1e100), 100), (to_extended(1e10), 10), (TEN, 1))
