"""Rows to insert that need no look one by one: whole columns tell that nothing is to be converted or refused.

    many = [(1, 'Oslo'), (2, 'Turku'), ...]          city(id INTEGER PRIMARY KEY, name TEXT NOT NULL)

    many, masks = batch_columns(many, ((HOLDS_INT, None), (HOLDS_TEXT, affinity_text)))
                                                            what each column holds, affinity applied; None if it may not
    batch = batch_keys(many, 0, high)                       the rowids, if they ascend above all there are
    records = many                                          or [(key, p1, None) for key, (p0, p1) in zip(batch, many)]

What does not fit goes through the loop, which converts, chooses rowids and words the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from operator import itemgetter, lt
from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    HOLDS_BLOB,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    FunctionCall,
    UserCall,
    walk,
)
from tandemdb.planner.change.row import OWN_CLASS, RowEmitter
from tandemdb.planner.change.row_keys import ROWID_MAX
from tandemdb.planner.change.uniform_rows import UniformRows
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import values
from tandemdb.storage.values import CLASS_BIT

if TYPE_CHECKING:
    from tandemdb.planner.change.insert import InsertEmitter

REFUSED = 64


def write_batch(
    emitter: InsertEmitter, codes: Sequence[Code | None], rowid: Code | None, names: Sequence[str],
    otherwise: Callable[..., Any] | None, held: Sequence[int] | None = None,
) -> bool:  # fmt: skip
    """Write the road for rows that fit; `codes` are the columns' values over `names`.

    Nothing is written, and False returned, where each row must be looked at: generated columns, conditions that call
    functions, defaults that are computed.

    Args:
        otherwise: what takes the rows if they do not fit; None stands for the loop that is written behind.
        held: what the rows' columns may hold, if that is known; they are tuples then.
    """
    frame, table, row = emitter.frame, emitter.table, emitter.row
    allowed = [HOLDS_ANY] * len(names)
    functions: list[str] = ["None"] * len(names)
    masks: list[str] = []
    used: set[str] = set()
    for column, code in zip(table.columns, codes, strict=True):
        if column.position == table.rowid_position:
            masks.append(str(HOLDS_INT))
        elif code is not None and code.text in names and code.text not in used:
            used.add(code.text)
            place = list(names).index(code.text)
            allowed[place] = allowed_classes(table, column)
            if not table.strict and column.affinity != "BLOB":
                functions[place] = row.use(values.AFFINITY_FUNCTIONS[column.affinity])
            masks.append(f"masks[{place}]")
        elif code is not None and code.text == "None" and not column.not_null:
            masks.append(str(HOLDS_NULL))
        else:
            return False
    key_place = -1
    if rowid is not None:
        if rowid.text not in names or rowid.text in used:
            return False
        key_place = list(names).index(rowid.text)
        allowed[key_place] = HOLDS_INT
    test = condition_text(emitter, codes, names)
    if test is None:
        return False
    parts = [row.key if c.position == table.rowid_position else code.text  # type: ignore[union-attr]
              for c, code in zip(table.columns, codes, strict=True)]  # fmt: skip
    parts = [names[key_place] if part == row.key and key_place >= 0 else part for part in parts]
    rows = emitter.given.name
    known = [mask if held and mask in CLASS_BIT.values() and not mask & ~right else 0
             for mask, right in zip(held or [0] * len(names), allowed, strict=True)]  # fmt: skip
    wanted = ", ".join(f"({', '.join(map(str, column))})" for column in zip(allowed, functions, known, strict=True))
    frame.emit(f"fitting, masks = {row.use(batch_columns)}({rows}, ({wanted},))")
    frame.emit(f"batch = None if masks is None else {row.use(batch_keys)}(fitting, {key_place}, high)")
    unpacked = f"({', '.join(names)},)"
    loop = f"for {row.key}, {unpacked} in zip(batch, fitting)"
    refused = f"any([{test} {loop}])" if test else ""
    if parts == list(names):
        records = "list(map(tuple, fitting))" if held is None else "fitting"
    elif row.key in parts:
        records = f"[({', '.join(parts)},) {loop}]"
    else:
        records = f"[({', '.join(parts)},) for {unpacked} in fitting]"
    columns = f"({', '.join(masks)},)"
    emitter.batches = True
    if otherwise is not None:
        frame.emit(f"if batch is None{' or ' + refused if refused else ''}:")
        frame.emit(f"    return {row.use(otherwise, 'row_by_row')}(roots, {rows}, context)")
        frame.emit(f"keys, records, masks = batch, {records}, {columns}")
        return True
    frame.emit(f"if batch is not None{' and not ' + refused if refused else ''}:")
    frame.emit(f"    keys, records, masks, {rows} = batch, {records}, {columns}, ()")
    frame.emit("else:")
    frame.emit("    masks = None")
    return True


def allowed_classes(table: Any, column: Any) -> int:
    """The classes that go into a column as they are and are not refused."""
    classes = HOLDS_ANY
    own = OWN_CLASS.get(column.affinity)
    if table.strict:
        word = column.type_name.upper()
        classes = {"ANY": HOLDS_ANY, "BLOB": HOLDS_BLOB, "INT": HOLDS_INT}.get(word, own[1] if own else 0)
    elif column.affinity != "BLOB":
        classes = HOLDS_INT if own is None else own[1]
    return classes & ~HOLDS_NULL if column.not_null else classes | HOLDS_NULL


def condition_text(emitter: InsertEmitter, codes: Sequence[Code | None], names: Sequence[str]) -> str | None:
    """A test that holds for a row which CHECK refuses; None if only the loop can tell."""
    if emitter.session.settings.ignore_check_constraints or not emitter.table.checks:
        return ""
    row = RowEmitter(emitter.queries, emitter.binder, emitter.table, emitter.database, None, emitter.session.settings)
    row.key = emitter.row.key
    for code in codes:
        text = "None" if code is None else code.text
        row.names.append(text)
        row.classes.append(HOLDS_ANY if text in names else HOLDS_NULL)
    if emitter.table.rowid_position >= 0:
        row.names[emitter.table.rowid_position] = row.key
        row.classes[emitter.table.rowid_position] = HOLDS_INT
    bound = [row.bind(check.expression) for check in emitter.table.checks]
    if any(isinstance(node, (FunctionCall, UserCall)) for expression in bound for node in walk(expression)):
        return None
    return " or ".join(f"({emitter.queries.expressions.false(expression)})" for expression in bound)


def batch_columns(
    rows: Sequence[Sequence[Any]], wanted: Sequence[tuple[int, Callable[[Any], Any] | None, int]]
) -> tuple[Sequence[Sequence[Any]], list[int] | None]:
    """The rows with each column's affinity applied, and the classes that their columns hold then.

    Args:
        wanted: for each column the classes it may hold, what converts others, and the class that it holds if that is
            known and right (0 if not).
    Returns:
        None for the classes if a column holds one that it may not.
    """
    masks = []
    columns: list[Sequence[Any]] | None = None
    kinds = rows.kinds if isinstance(rows, UniformRows) else None
    for place, (allowed, convert, known) in enumerate(wanted):
        if known:
            masks.append(known)
            continue
        held = held_classes(map(itemgetter(place), rows)) if kinds is None else classes_of(kinds[place])
        if held & ~allowed & ~REFUSED and convert is not None:
            if columns is None:
                columns = list(zip(*rows, strict=True))
            columns[place] = converted(columns[place], convert, held)
            held = held_classes(columns[place])
            allowed = HOLDS_ANY & ~HOLDS_NULL | allowed
        if held & ~allowed:
            return rows, None
        masks.append(held)
    return (rows if columns is None else list(zip(*columns, strict=True))), masks


def converted(values: Sequence[Any], convert: Callable[[Any], Any], held: int) -> list[Any]:
    """Each value converted; the same real only once."""
    if held & ~HOLDS_NULL != HOLDS_FLOAT:
        return list(map(convert, values))
    known = {value: convert(value) for value in set(values)}
    return list(map(known.__getitem__, values))


def held_classes(values: Iterable[Any]) -> int:
    """The classes of values, with REFUSED for what is none."""
    return classes_of(set(map(type, values)))


def classes_of(kinds: Iterable[type]) -> int:
    """The classes of values of these types, with REFUSED for what is none."""
    held = 0
    for kind in kinds:
        held |= CLASS_BIT.get(kind, REFUSED)
    return held


def batch_keys(rows: Sequence[Sequence[Any]], place: int, high: int) -> list[int] | None:
    """The rows' rowids: their values at `place`, or those that follow `high`; None if they don't ascend above it."""
    if not rows:
        return None
    if place < 0:
        return list(range(high + 1, high + 1 + len(rows))) if high + len(rows) < ROWID_MAX else None
    keys = list(map(itemgetter(place), rows))
    if high < keys[0] and keys[-1] < ROWID_MAX and all(map(lt, keys, islice(keys, 1, None))):
        return keys
    return None
