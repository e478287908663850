"""Mathematical functions: C's, through Python's math module, with C's answers where Python raises.

sqrt(-1)   ValueError in Python     NaN in C, so NULL in SQL
exp(1000)  OverflowError in Python  infinity in C and SQL
sqrt('a')  no number                NULL: a text that is not wholly a number is none here, a blob never is
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tandemdb.planner.functions.registry import HOLDS_NUMBER, ScalarFunction
from tandemdb.planner.functions.text import as_32_bits
from tandemdb.planner.runtime.reals import format_real, text_to_real
from tandemdb.planner.runtime.values import as_real, numeric_or_none
from tandemdb.storage.values import HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, Value


def numeric_argument(value: Value) -> int | float | None:
    """Return an argument as a number, None unless it is one or a text that wholly is."""
    if isinstance(value, (int, float)):
        return value
    return numeric_or_none(value) if isinstance(value, str) else None


def of_one(compute: Callable[[float], float]) -> Callable[[Value], float | None]:
    """Make a function of one number from C's function of one double."""

    def call(value: Value) -> float | None:
        number = numeric_argument(value)
        return None if number is None else not_nan(compute, float(number))

    return call


def of_two(compute: Callable[[float, float], float]) -> Callable[[Value, Value], float | None]:
    """Make a function of two numbers from C's function of two doubles."""

    def call(a: Value, b: Value) -> float | None:
        x, y = numeric_argument(a), numeric_argument(b)
        return None if x is None or y is None else not_nan(compute, float(x), float(y))

    return call


def not_nan(compute: Callable[..., float], *numbers: float) -> float | None:
    """Call C's function; not-a-number is NULL."""
    try:
        result = compute(*numbers)
    except ValueError:
        return None
    return None if result != result else result


def power(base: float, exponent: float) -> float:
    """pow(X, Y) as C computes it where Python raises."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        if base != 0:
            return math.nan
        odd = exponent % 2 == 1
        return math.copysign(math.inf, base) if odd else math.inf


def exponential(number: float) -> float:
    """exp(X)."""
    try:
        return math.exp(number)
    except OverflowError:
        return math.inf


def hyperbolic_cosine(number: float) -> float:
    """cosh(X)."""
    try:
        return math.cosh(number)
    except OverflowError:
        return math.inf


def hyperbolic_sine(number: float) -> float:
    """sinh(X)."""
    try:
        return math.sinh(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def inverse_hyperbolic_tangent(number: float) -> float:
    """atanh(X): infinite at the ends of its range."""
    return math.copysign(math.inf, number) if abs(number) == 1.0 else math.atanh(number)


def rounded_to_whole(compute: Callable[[float], float]) -> Callable[[Value], int | float | None]:
    """Make ceil, floor or trunc: integers stay integers, reals stay reals."""

    def call(value: Value) -> int | float | None:
        number = numeric_argument(value)
        if not isinstance(number, float) or math.isinf(number):
            return number
        return math.copysign(float(compute(number)), number)

    return call


def logarithm(divisor: float) -> Callable[[Value], float | None]:
    """Make ln, log10 or log2; NULL of numbers that are not positive."""

    def call(value: Value) -> float | None:
        number = numeric_argument(value)
        return None if number is None or number <= 0 else math.log(float(number)) / divisor

    return call


common_logarithm = logarithm(math.log(10.0))


def log_to_base(base: Value, value: Value) -> float | None:
    """log(B, X); NULL unless B is above 1 and X is positive. X may be a text with a numeric prefix."""
    number = numeric_argument(base)
    if number is None or number <= 0:
        return None
    divisor, operand = math.log(float(number)), as_real(value)
    if divisor <= 0 or operand <= 0:
        return None
    return not_nan(lambda: math.log(operand) / divisor)


def log_of(*arguments: Value) -> float | None:
    """log with one or two arguments."""
    return common_logarithm(arguments[0]) if len(arguments) == 1 else log_to_base(*arguments)


def round_real(value: Value, digits: Value = 0) -> float | None:
    """round(X, Y): halves away from zero, by way of the decimal digits SQLite's printf gives."""
    if type(value) is float and type(digits) is int:
        if digits == 0 and -USUAL_MAX < value < USUAL_MAX:
            return float(int(value + (-0.5 if value < 0 else 0.5)))
        found = usual_round(value, digits)
        if found is not None:
            return found
    if value is None or digits is None:
        return None
    number, places = as_real(value), min(max(as_32_bits(digits), 0), 30)
    if number < -4503599627370496.0 or number > 4503599627370496.0:
        return number
    if places == 0:
        return float(int(number + (-0.5 if number < 0 else 0.5)))
    return text_to_real(format_real(number, "f", places, alternate=False, more_digits=False, prefix=""))


def usual_round(value: float, places: int) -> float | None:
    """The value rounded, if it is clear of a tie, or just on one, which goes up: then no digits need be computed."""
    if not 0 < places < len(POWERS) or not -USUAL_MAX < value < USUAL_MAX:
        return None
    scaled = abs(value) * POWERS[places]
    whole = int(scaled)
    rest = scaled - whole
    if rest != 0.5 and 0.499 < rest < 0.501:
        return None
    rounded = (whole + (rest >= 0.5)) / POWERS[places]
    return -rounded if value < 0 else rounded


POWERS = (1, 10, 100, 1000, 10000)
USUAL_MAX = 1e7


def sign(value: Value) -> int | None:
    """sign(X): -1, 0 or 1."""
    number = numeric_argument(value)
    return None if number is None else (number > 0) - (number < 0)


def pi() -> float:
    """pi()."""
    return math.pi


def real_function(name: str, compute: Callable[[float], float]) -> ScalarFunction:
    """Describe a function of one number whose result is a real or NULL."""
    return ScalarFunction(name, of_one(compute), 1, 1, null_if_null=True, result_classes=HOLDS_FLOAT | HOLDS_NULL)


def whole_function(name: str, compute: Callable[[float], float]) -> ScalarFunction:
    """Describe ceil, floor or trunc."""
    call = rounded_to_whole(compute)
    return ScalarFunction(name, call, 1, 1, null_if_null=True, result_classes=HOLDS_NUMBER | HOLDS_NULL)


REAL_OR_NULL = HOLDS_FLOAT | HOLDS_NULL
SCALAR_FUNCTIONS = {
    function.name: function
    for function in (
        real_function("acos", math.acos),
        real_function("acosh", math.acosh),
        real_function("asin", math.asin),
        real_function("asinh", math.asinh),
        real_function("atan", math.atan),
        real_function("atanh", inverse_hyperbolic_tangent),
        real_function("cos", math.cos),
        real_function("cosh", hyperbolic_cosine),
        real_function("degrees", lambda number: number * (180.0 / math.pi)),
        real_function("exp", exponential),
        real_function("radians", lambda number: number * (math.pi / 180.0)),
        real_function("sin", math.sin),
        real_function("sinh", hyperbolic_sine),
        real_function("sqrt", math.sqrt),
        real_function("tan", math.tan),
        real_function("tanh", math.tanh),
        whole_function("ceil", math.ceil),
        whole_function("ceiling", math.ceil),
        whole_function("floor", math.floor),
        whole_function("trunc", math.trunc),
        ScalarFunction("atan2", of_two(math.atan2), 2, 2, null_if_null=True, result_classes=REAL_OR_NULL),
        ScalarFunction("mod", of_two(math.fmod), 2, 2, null_if_null=True, result_classes=REAL_OR_NULL),
        ScalarFunction("pow", of_two(power), 2, 2, null_if_null=True, result_classes=REAL_OR_NULL),
        ScalarFunction("power", of_two(power), 2, 2, null_if_null=True, result_classes=REAL_OR_NULL),
        ScalarFunction("ln", logarithm(1.0), 1, 1, null_if_null=True, result_classes=REAL_OR_NULL),
        ScalarFunction("log", log_of, 1, 2, null_if_null=True, result_classes=REAL_OR_NULL),
        ScalarFunction("log10", common_logarithm, 1, 1, null_if_null=True, result_classes=REAL_OR_NULL),
        ScalarFunction("log2", logarithm(math.log(2.0)), 1, 1, null_if_null=True, result_classes=REAL_OR_NULL),
        ScalarFunction("pi", pi, 0, 0, result_classes=HOLDS_FLOAT),
        ScalarFunction("round", round_real, 1, 2, null_if_null=True, result_classes=HOLDS_FLOAT),
        ScalarFunction("sign", sign, 1, 1, null_if_null=True, result_classes=HOLDS_INT | HOLDS_NULL),
    )
}
