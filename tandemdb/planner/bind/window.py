"""Binding window functions: a call with OVER becomes a `WindowCall` of its core, and a `WindowRef` where it stood.

    sum(x) FILTER (WHERE y) OVER (w ROWS 2 PRECEDING) ... WINDOW w AS (PARTITION BY p ORDER BY o)

    WindowCall  function      sum, over x
                filter        y
                partition_by  p              from w, which the call's own window extends
                order_by      o
                frame         ROWS 2 PRECEDING .. CURRENT ROW

row_number, rank and the like don't heed the frame: SQLite gives each a frame of its own, kept here because calls whose
partition, order and frame agree are computed together, and that decides the order of the result's rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import Expr, WindowCall, WindowRef
from tandemdb.planner.syntax import ast
from tandemdb.planner.syntax.tree import walk

if TYPE_CHECKING:
    from tandemdb.planner.bind.expression import ExpressionBinder
    from tandemdb.planner.bind.query import Binder
    from tandemdb.planner.bind.scope import Scope

UNBOUNDED_PRECEDING, UNBOUNDED_FOLLOWING = ast.FrameBound("UNBOUNDED PRECEDING"), ast.FrameBound("UNBOUNDED FOLLOWING")
CURRENT_ROW = ast.FrameBound("CURRENT ROW")
NO_OTHERS = "NO OTHERS"
DEFAULT_FRAME = ast.Frame("RANGE", UNBOUNDED_PRECEDING, CURRENT_ROW, NO_OTHERS)
ROWS_SO_FAR = ast.Frame("ROWS", UNBOUNDED_PRECEDING, CURRENT_ROW, NO_OTHERS)
ROWS_FROM_HERE = ast.Frame("ROWS", CURRENT_ROW, UNBOUNDED_FOLLOWING, NO_OTHERS)

WINDOW_FUNCTIONS: dict[str, tuple[int, int, ast.Frame | None]] = {
    "row_number": (0, 0, ROWS_SO_FAR),
    "rank": (0, 0, DEFAULT_FRAME),
    "dense_rank": (0, 0, DEFAULT_FRAME),
    "percent_rank": (0, 0, ast.Frame("GROUPS", CURRENT_ROW, UNBOUNDED_FOLLOWING, NO_OTHERS)),
    "cume_dist": (0, 0, ast.Frame("GROUPS", ast.FrameBound("FOLLOWING"), UNBOUNDED_FOLLOWING, NO_OTHERS)),
    "ntile": (1, 1, ROWS_FROM_HERE),
    "lag": (1, 3, ROWS_SO_FAR),
    "lead": (1, 3, ast.Frame("ROWS", UNBOUNDED_PRECEDING, UNBOUNDED_FOLLOWING, NO_OTHERS)),
    "first_value": (1, 1, None),
    "last_value": (1, 1, None),
    "nth_value": (2, 2, None),
}
"""Functions that are window functions only: least and most arguments, and the frame of those that have their own."""

USER_FUNCTION = "registered"
"""In place of `WindowCall.function`: a window function that the connection registered."""

OFFSET_NODES = (
    ast.Literal, ast.Parameter, ast.Unary, ast.Binary, ast.Cast, ast.Case, ast.IsNull, ast.Between, ast.InList,
    ast.Collate,
)  # fmt: skip


IMPOSSIBLE = frozenset({("CURRENT ROW", "PRECEDING"), ("FOLLOWING", "PRECEDING"), ("FOLLOWING", "CURRENT ROW")})
"""Kinds of start and end that no frame may have."""


def bind_window_call(expressions: ExpressionBinder, node: ast.Call) -> Expr:
    """Register the call with the core and return what stands for its value.

    Raises:
        OperationalError: as sqlite3 words it, for functions that can't be windows, misplaced calls, wrong windows.
    """
    scope = expressions.scope
    if node.distinct:
        raise fault("DISTINCT is not supported for window functions")
    name = node.name.lower()
    function = find_function(expressions, node, name)
    if not scope.windows_allowed or scope.in_aggregate:
        raise fault(f"misuse of window function {node.name}()")
    was, scope.windows_allowed = scope.windows_allowed, False
    try:
        arguments = [expressions.bind_scalar(item) for item in node.arguments]
        window = resolve_window(node.over, scope.window_definitions)
        frame = bind_frame(expressions, window, name, function is None)
        if function is None and node.filter is not None:
            raise fault("FILTER clause may only be used with aggregate window functions")
        call = WindowCall(
            name,
            function,
            arguments,
            [expressions.bind_scalar(item) for item in window.partition_by],
            [expressions.bind_order_term(term) for term in window.order_by],
            frame,
            None if node.filter is None else expressions.bind_scalar(node.filter),
            node.star,
        )
    finally:
        scope.windows_allowed = was
    windows = scope.core.windows
    if call not in windows:
        windows.append(call)
    return WindowRef(scope.core, windows.index(call))


def find_function(expressions: ExpressionBinder, node: ast.Call, name: str) -> Any:
    """The aggregate that the call runs over its frame, USER_FUNCTION, or None for a pure window function."""
    binder = expressions.binder
    count = 0 if node.star else len(node.arguments)
    if binder.users.window(name, count):
        binder.user_calls = True
        return USER_FUNCTION
    own = WINDOW_FUNCTIONS.get(name)
    if own is not None and not binder.users.aggregate(name, count):
        if not own[0] <= count <= own[1]:
            raise fault(f"wrong number of arguments to function {node.name}()")
        return None
    if binder.users.aggregate(name, count) or binder.users.scalar(name, count) is not None:
        raise fault(f"{node.name}() may not be used as a window function")
    found = binder.aggregate_function(name, count, node.star)
    if found is None:
        binder.scalar_function(node.name, count)
        raise fault(f"{node.name}() may not be used as a window function")
    return found[0]


def resolve_window(over: Any, definitions: dict[str, Any]) -> ast.Window:
    """The window that OVER names or describes, with what it takes from its base."""
    if isinstance(over, str):
        return resolve_named(over, definitions)
    assert isinstance(over, ast.Window)
    return over if over.base is None else extend(over, resolve_named(over.base, definitions))


def resolve_named(name: str, definitions: dict[str, Any]) -> ast.Window:
    """A window of the WINDOW clause; its base, if it has one, is among those before it."""
    lowered = name.lower()
    window = definitions.get(lowered)
    if window is None:
        raise fault(f"no such window: {name}")
    if window.base is None:
        return window  # type: ignore[no-any-return]
    names = list(definitions)
    before = {key: definitions[key] for key in names[: names.index(lowered)]}
    return extend(window, resolve_named(window.base, before))


def extend(window: ast.Window, base: ast.Window) -> ast.Window:
    """A window that adds an order or a frame to its base."""
    overridden = None
    if window.partition_by:
        overridden = "PARTITION clause"
    elif base.order_by and window.order_by:
        overridden = "ORDER BY clause"
    elif base.frame is not None:
        overridden = "frame specification"
    if overridden is not None:
        raise fault(f"cannot override {overridden} of window: {window.base}")
    return ast.Window(None, base.partition_by, base.order_by or window.order_by, window.frame)


def bind_frame(expressions: ExpressionBinder, window: ast.Window, name: str, pure: bool) -> ast.Frame:
    """The frame with its offsets bound, or the function's own."""
    frame = window.frame or DEFAULT_FRAME
    if (frame.start.kind, frame.end.kind) in IMPOSSIBLE:
        raise fault("unsupported frame specification")
    offsets = frame.start.offset is not None or frame.end.offset is not None
    if frame.unit == "RANGE" and offsets and len(window.order_by) != 1:
        raise fault("RANGE with offset PRECEDING/FOLLOWING requires one ORDER BY expression")
    own = WINDOW_FUNCTIONS[name][2] if pure else None
    if own is not None:
        return own
    return frame._replace(start=bind_bound(expressions, frame.start), end=bind_bound(expressions, frame.end))


def bind_bound(expressions: ExpressionBinder, bound: ast.FrameBound) -> ast.FrameBound:
    """The bound with its offset bound; one that is not constant is NULL, which is refused when a row comes."""
    if bound.offset is None:
        return bound
    parts = [part for part in walk(bound.offset) if isinstance(part, tuple) and hasattr(part, "_fields")]
    if not all(isinstance(part, OFFSET_NODES) for part in parts):
        return bound._replace(offset=ast.Literal(None))
    return bound._replace(offset=expressions.bind_scalar(bound.offset))


def check_misuse(binder: Binder, node: ast.Call, count: int) -> None:
    """Refuse a window function without OVER, unless the connection registered a plain function of its name.

    Raises:
        OperationalError: misuse, or a wrong number of arguments.
    """
    least, most, _ = WINDOW_FUNCTIONS[node.name.lower()]
    if binder.users.scalar(node.name.lower(), count) is not None:
        return
    if not least <= count <= most:
        raise fault(f"wrong number of arguments to function {node.name}()")
    raise fault(f"misuse of window function {node.name}()")


def misuse_of_alias(scope: Scope, alias: str, parts: list[Expr]) -> None:
    """Refuse an alias of a window function where none may stand.

    Raises:
        OperationalError: `misuse of aliased window function r`.
    """
    if not scope.windows_allowed and any(isinstance(part, WindowRef) and part.core is scope.core for part in parts):
        raise fault(f"misuse of aliased window function {alias}")


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")


__all__ = ["USER_FUNCTION", "WINDOW_FUNCTIONS", "bind_window_call", "check_misuse", "misuse_of_alias"]
