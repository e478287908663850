"""The built-in functions, found by name and number of arguments.

    name        module        loaded
    "substr"    text          with the registry's first look-up of a name in it
    "strftime"  dates         ...
    "sum"       aggregates    ...

A name leads to the module that holds it, and the module is imported when a statement first uses one of its functions:
the calendar and the JSON reader cost nothing to those who use neither. The functions themselves are plain: they take
SQL values and return one. What can't be plain says so: `needs_context` functions take an ExecutionContext first, and
`collated` gives min, max and nullif in the collation of their operands.

Values that JSON functions make are `JsonText`, a str that other JSON functions recognise, as SQLite's subtype does.
It lives inside one expression only: the planner passes results and stored values through `plain`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tandemdb.errors import OperationalError
from tandemdb.storage.values import HOLDS_BLOB, HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Value

if TYPE_CHECKING:
    import datetime

HOLDS_NUMBER = HOLDS_INT | HOLDS_FLOAT
HOLDS_ANY = HOLDS_NULL | HOLDS_INT | HOLDS_FLOAT | HOLDS_TEXT | HOLDS_BLOB


class ExecutionContext(Protocol):
    """What a function may know of the statement and session that call it."""

    @property
    def changes(self) -> int: ...
    @property
    def total_changes(self) -> int: ...
    @property
    def last_insert_rowid(self) -> int: ...
    def now(self) -> datetime.datetime:
        """Return the time in UTC, naive; the same through one statement."""

    def random(self) -> int:
        """Return any signed 64-bit integer."""


class JsonText(str):
    """Text that a JSON function made; other JSON functions take it for JSON rather than for a string."""

    __slots__ = ()


def plain(value: Value) -> Value:
    """Return a value as results and records hold it: a JsonText becomes a str."""
    return str(value) if isinstance(value, JsonText) else value


class ScalarFunction(NamedTuple):
    """A function of one row's values.

    `null_if_null`: the result is NULL if any argument is, so that a caller may skip the call; the function itself
    copes with NULL all the same. `result_classes`: mask of the classes of results (HOLDS_NULL included where NULL can
    come out, of arguments that are not NULL if `null_if_null`). `makes_json`: results are JsonText. A deterministic
    function that needs the context is so within one statement only.
    """

    name: str
    call: Callable[..., Any]
    min_arguments: int
    max_arguments: int
    deterministic: bool = True
    null_if_null: bool = False
    result_classes: int = HOLDS_ANY
    needs_context: bool = False
    make_collated: Callable[[Callable[[Any], Any]], Callable[..., Any]] | None = None
    makes_json: bool = False

    def collated(self, key: Callable[[Any], Any]) -> ScalarFunction:
        """Return this function comparing by `key` (see values.COLLATION_KEYS); itself if it doesn't compare."""
        return self if self.make_collated is None else self._replace(call=self.make_collated(key))


class Accumulator(Protocol):
    """The running value of an aggregate over a window frame."""

    def step(self, *arguments: Any) -> None: ...
    def inverse(self, *arguments: Any) -> None: ...
    def value(self) -> Any: ...


class AggregateFunction(NamedTuple):
    """A function of many rows' values.

    `finish` takes the list of argument values in row order, NULLs included (tuples if it has several arguments; for
    `count(*)` any list as long as there are rows). `empty` is the result over no rows. `accumulator` makes the object
    that follows a window frame; only the first row still in may be taken back by `inverse`. SQLite takes back a row
    that leaves the frame as soon as it has the value, before the next row is stepped in: reals depend on it.
    """

    name: str
    min_arguments: int
    max_arguments: int
    finish: Callable[[Sequence[Any]], Any]
    accumulator: Callable[[], Accumulator]
    empty: Value = None
    result_classes: int = HOLDS_ANY
    make_collated: Callable[[Callable[[Any], Any]], AggregateFunction] | None = None
    make_sliding: Callable[[], Accumulator] | None = None
    makes_json: bool = False

    def sliding_accumulator(self) -> Accumulator:
        """Return an accumulator for a frame whose start moves; it prefers other ones of equal values."""
        return self.accumulator() if self.make_sliding is None else self.make_sliding()

    def collated(self, key: Callable[[Any], Any]) -> AggregateFunction:
        """Return this function comparing by `key` (see values.COLLATION_KEYS); itself if it doesn't compare."""
        return self if self.make_collated is None else self.make_collated(key)


def find_scalar(name: str, argument_count: int) -> ScalarFunction:
    """Find a scalar function.

    Raises:
        OperationalError: no such function, or not with so many arguments.
    """
    function: ScalarFunction = find(SCALARS, name, argument_count)
    return function


def find_aggregate(name: str, argument_count: int) -> AggregateFunction:
    """Find an aggregate function; `count(*)` has no arguments.

    Raises:
        OperationalError: no such function, or not with so many arguments.
    """
    function: AggregateFunction = find(AGGREGATES, name, argument_count)
    return function


def find(homes: dict[str, str], name: str, argument_count: int) -> Any:
    """Load the module that holds a name, if need be, and choose by the number of arguments."""
    lowered = name.lower()
    home = homes.get(lowered)
    if home is None:
        if lowered in SCALARS or lowered in AGGREGATES:
            raise wrong_number(name)
        raise OperationalError(f"no such function: {name}", code="SQLITE_ERROR")
    module = import_module(f"tandemdb.planner.functions.{home}")
    function = (module.SCALAR_FUNCTIONS if homes is SCALARS else module.AGGREGATE_FUNCTIONS)[lowered]
    if argument_count < function.min_arguments or 0 <= function.max_arguments < argument_count:
        raise wrong_number(name)
    return function


def wrong_number(name: str) -> OperationalError:
    """The error of a function called with too few or too many arguments."""
    return OperationalError(f"wrong number of arguments to function {name}()", code="SQLITE_ERROR")


def homes(module: str, names: str) -> dict[str, str]:
    """Say in which module names live."""
    return dict.fromkeys(names.split(), module)


SCALARS: dict[str, str] = (
    homes("common", "abs coalesce ifnull iif nullif typeof likely unlikely likelihood max min quote subtype zeroblob")
    | homes("common", "like glob match")
    | homes("text", "char concat concat_ws hex instr length lower ltrim octet_length replace rtrim soundex substr")
    | homes("text", "substring trim unhex unicode upper")
    | homes("numeric", "acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10")
    | homes("numeric", "log2 mod pi pow power radians round sign sin sinh sqrt tan tanh trunc")
    | homes("session", "changes last_insert_rowid load_extension random randomblob sqlite_compileoption_get")
    | homes("session", "sqlite_compileoption_used sqlite_log sqlite_source_id sqlite_version total_changes")
    | homes("printf", "format printf")
    | homes("dates", "current_date current_time current_timestamp date datetime julianday strftime time unixepoch")
    | homes("json_functions", "-> ->> json json_array json_array_length json_error_position json_extract json_insert")
    | homes("json_functions", "json_object json_patch json_quote json_remove json_replace json_set json_type")
    | homes("json_functions", "json_valid")
)
AGGREGATES: dict[str, str] = homes("aggregates", "avg count group_concat max min string_agg sum total") | homes(
    "json_aggregates", "json_group_array json_group_object"
)
