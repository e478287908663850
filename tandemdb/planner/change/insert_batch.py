"""Rows to insert that need no look one by one: whole columns tell that nothing is to be converted or refused.

    many = [(1, 'Oslo'), (2, 'Turku'), ...]          city(id INTEGER PRIMARY KEY, name TEXT NOT NULL)

    masks = batch_masks(many, (HOLDS_INT, HOLDS_TEXT))      what each column holds; None if it may not
    batch = batch_keys(many, 0, high)                       the rowids, if they ascend above all there are
    records = many                                          or [(key, p1, None) for key, (p0, p1) in zip(batch, many)]

What does not fit goes through the loop, which converts, chooses rowids and words the errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from operator import itemgetter, lt
from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_BLOB, HOLDS_INT, HOLDS_NULL, FunctionCall, walk
from tandemdb.planner.change.row import OWN_CLASS, RowEmitter
from tandemdb.planner.change.row_keys import ROWID_MAX
from tandemdb.planner.emit.writer import Code
from tandemdb.storage.values import CLASS_BIT

if TYPE_CHECKING:
    from tandemdb.planner.change.insert import InsertEmitter

REFUSED = 64


def write_batch(emitter: InsertEmitter, codes: Sequence[Code | None], rowid: Code | None, names: Sequence[str]) -> None:
    """Write the road for rows that fit, before the loop over `rows`; `codes` are the columns' values over `names`.

    Nothing is written where each row must be looked at: generated columns, conditions that call functions, defaults
    that are computed.
    """
    frame, table, row = emitter.frame, emitter.table, emitter.row
    allowed = [HOLDS_ANY] * len(names)
    masks: list[str] = []
    for column, code in zip(table.columns, codes, strict=True):
        if column.position == table.rowid_position:
            masks.append(str(HOLDS_INT))
        elif code is not None and code.text in names:
            place = list(names).index(code.text)
            allowed[place] &= allowed_classes(table, column)
            masks.append(f"masks[{place}]")
        elif code is not None and code.text == "None" and not column.not_null:
            masks.append(str(HOLDS_NULL))
        else:
            return
    key_place = -1
    if rowid is not None:
        if rowid.text not in names:
            return
        key_place = list(names).index(rowid.text)
        allowed[key_place] &= HOLDS_INT
    test = condition_text(emitter, codes, allowed, names)
    if test is None:
        return
    values = [row.key if c.position == table.rowid_position else code.text  # type: ignore[union-attr]
              for c, code in zip(table.columns, codes, strict=True)]  # fmt: skip
    values = [names[key_place] if value == row.key and key_place >= 0 else value for value in values]
    rows = emitter.rows_name
    wanted = ", ".join(map(str, allowed))
    frame.emit(f"masks = {row.use(batch_masks)}({rows}, ({wanted},))")
    frame.emit(f"batch = None if masks is None else {row.use(batch_keys)}({rows}, {key_place}, high)")
    unpacked = f"({', '.join(names)},)"
    if test:
        loop = f"for {row.key}, {unpacked} in zip(batch, {rows})"
        frame.emit(f"if batch is not None and not any([{test} {loop}]):")
    else:
        frame.emit("if batch is not None:")
    frame.emit("    keys = batch")
    if values == list(names):
        frame.emit(f"    records = list(map(tuple, {rows}))")
    elif row.key in values:
        frame.emit(f"    records = [({', '.join(values)},) for {row.key}, {unpacked} in zip(batch, {rows})]")
    else:
        frame.emit(f"    records = [({', '.join(values)},) for {unpacked} in {rows}]")
    frame.emit(f"    masks, {rows} = ({', '.join(masks)},), ()")
    frame.emit("else:")
    frame.emit("    masks = None")
    emitter.batches = True


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


def condition_text(
    emitter: InsertEmitter, codes: Sequence[Code | None], allowed: Sequence[int], names: Sequence[str]
) -> str | None:
    """A test that holds for a row which CHECK refuses; None if only the loop can tell."""
    if emitter.session.settings.ignore_check_constraints or not emitter.table.checks:
        return ""
    row = RowEmitter(emitter.queries, emitter.binder, emitter.table, emitter.database, None, emitter.session.settings)
    row.key = emitter.row.key
    for code in codes:
        text = "None" if code is None else code.text
        row.names.append(text)
        row.classes.append(allowed[list(names).index(text)] if text in names else HOLDS_NULL)
    if emitter.table.rowid_position >= 0:
        row.names[emitter.table.rowid_position] = row.key
        row.classes[emitter.table.rowid_position] = HOLDS_INT
    bound = [row.bind(check.expression) for check in emitter.table.checks]
    if any(isinstance(node, FunctionCall) for expression in bound for node in walk(expression)):
        return None
    return " or ".join(f"({emitter.queries.expressions.false(expression)})" for expression in bound)


def batch_masks(rows: Sequence[Sequence[Any]], allowed: Sequence[int]) -> list[int] | None:
    """The classes that each column of the rows holds; None if it holds one that is not allowed there."""
    masks = []
    for place, wanted in enumerate(allowed):
        held = 0
        for kind in set(map(type, map(itemgetter(place), rows))):
            held |= CLASS_BIT.get(kind, REFUSED)
        if held & ~wanted:
            return None
        masks.append(held)
    return masks


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
