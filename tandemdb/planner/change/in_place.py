"""UPDATE and DELETE that need no list of rows first: where changing one row can't touch another.

    by a unique key                                       in blocks, by a scan
    item_0, page_1, block_1, index_1 = (seek)             def rewritten():
    if item_0 is not None:                                    for records in context.watched_blocks(...):
        writable_1 = context.writable(0, 2)                       yield [(...) if item_0[5] < 5 else item_0
        ...                   checks                                     for item_0 in records]
        writable_1.put(key, record, (), place)            writable_1 = context.writable(0, 2)
        context.changed(1)                                changes = writable_1.rewrite(rewritten(), (3,), (), (3,))
        return ()
    context.changed(0)
    return ()

By a unique key, each of these calls takes up to a tenth of the time. So once a statement has run often it is compiled
anew, with what they do where a record is changed in place written out; else they are called (`change.written_out`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import Core, Expr, QueryExists, QueryIn, QueryValue, walk
from tandemdb.planner.change.chosen_rows import FIRST, SCAN_END, SCAN_START, Rows
from tandemdb.planner.change.updated_row import UpdateRow, returning_element
from tandemdb.planner.change.written_out import begin_one, delete_in_place, end_one, open_in_place, written_out
from tandemdb.planner.nested import calls_own

if TYPE_CHECKING:
    from tandemdb.planner.change.update_delete import ChangeEmitter


def update_one(emitter: ChangeEmitter, rows: Rows, change: UpdateRow, assigned: dict[int, Expr]) -> None:
    """Write an UPDATE of the one row there may be."""
    frame, queries, row = emitter.frame, emitter.queries, change.row
    returning = emitter.node.returning
    assert rows.pipeline is not None
    row.skip = begin_one(emitter)
    depth = frame.depth
    change.place = rows.seek()
    rows.open()
    change.alone = True
    if rows.spot and written_out(emitter):
        change.spot, change.writer = rows.spot, open_in_place(emitter, row.writable)
    else:
        row.open_table()
    if returning:
        frame.emit("returned = []")
    codes = {position: queries.expressions.value(item) for position, item in assigned.items()}
    change.write(queries.expressions.value(rows.key).text, rows.source.variable, codes, returning)
    end_one(emitter, depth)
    emitter.changes_one = not calls_own(emitter.binder.users, returning)


def delete_one(emitter: ChangeEmitter, rows: Rows) -> None:
    """Write a DELETE of the one row there may be."""
    frame = emitter.frame
    assert rows.pipeline is not None
    begin_one(emitter)
    depth = frame.depth
    place = rows.seek()
    rows.open()
    key = emitter.queries.expressions.value(rows.key).text
    arguments = f"{key}, {place}" if place else key
    writable = f"context.writable({emitter.database}, {emitter.table.id})"
    if rows.spot and written_out(emitter):
        writable = emitter.generator.name("writable")
        open_in_place(emitter, writable)
    if emitter.calls_own():
        frame.emit(f"if {writable}.find({key}) is not None:")
        frame.depth += 1
    changed = frame.depth
    if rows.spot and emitter.generator.whole:
        delete_in_place(emitter, writable, rows.source.variable, key, rows.spot)
    frame.emit(f"{writable}.delete({arguments})")
    frame.depth = changed
    if emitter.node.returning:
        frame.emit(f"returned = [{returning_element(emitter, rows.source.variable, key)}]")
    end_one(emitter, depth)
    emitter.changes_one = not calls_own(emitter.binder.users, emitter.node.returning)


def delete_together(emitter: ChangeEmitter, rows: Rows) -> None:
    """Write a DELETE of rows that are taken out at once: all of a table, or by a list of their keys."""
    frame, generator = emitter.frame, emitter.generator
    writable = f"context.writable({emitter.database}, {emitter.table.id})"
    if rows.is_scan and rows.pipeline is not None and len(rows.pipeline.clauses) == 1:
        frame.emit(f"context.changed({writable}.clear())")
        frame.emit("return ()")
        return
    if rows.pipeline is not None:
        key = emitter.queries.expressions.value(rows.key).text
        keys = rows.pipeline.collect(generator, frame, key, "keys")
        emitter.check_unchanged()
        frame.emit(f"{keys}.sort()")
    else:
        keys = generator.name("keys")
        listed = rows.collect()
        emitter.check_unchanged()
        frame.emit(f"{keys} = sorted(map({generator.helper(FIRST, 'first')}, {listed}))")
    frame.emit(f"{writable}.delete_many({keys})")
    frame.emit(f"context.changed(len({keys}))")
    frame.emit("return ()")


def rows_alone(core: Core, values: Iterable[Expr]) -> bool:
    """Whether no subquery runs for each row, which would see the rows before it changed already."""
    for expression in (*core.conjuncts, *values):
        for node in walk(expression):
            if isinstance(node, (QueryValue, QueryExists, QueryIn)) and node.query.outer:
                return False
    return True


def update_blocks(emitter: ChangeEmitter, rows: Rows, change: UpdateRow, assigned: dict[int, Expr]) -> None:
    """Write an UPDATE that makes each block's list of records anew, in one pass over the table."""
    frame, queries, generator, row = emitter.frame, emitter.queries, emitter.generator, change.row
    variable = rows.source.variable
    pipeline = rows.pipeline
    assert pipeline is not None
    assert pipeline.clauses[0].text.endswith(SCAN_END)
    lists = f"context.watched_blocks({pipeline.clauses[0].text[len(SCAN_START) : -len(SCAN_END)]})"
    pipeline.clauses[0] = pipeline.clauses[0]._replace(text="records")
    function = generator.name("rewritten")
    frame.emit(f"def {function}():")
    frame.depth += 1
    frame.emit(f"for records in {lists}:")
    frame.depth += 1
    start = len(frame.body)
    frame.emit("records = records.copy()")
    pipeline.clauses[0] = pipeline.clauses[0]._replace(target=f"at, {variable}", text="enumerate(records)")
    depth = frame.depth
    pipeline.open(frame)
    inner = len(frame.body)
    codes = {position: queries.expressions.value(item) for position, item in assigned.items()}
    row.skip = "continue"
    record = change.checked_record(queries.expressions.value(rows.key).text, variable, codes)
    if len(frame.body) - inner == sum(code.text not in row.names for code in codes.values()):
        # Nothing is checked or converted: one comprehension makes the block's records.
        del frame.body[start:]
        frame.depth = depth
        for position, code in codes.items():
            row.names[position] = code.text
        tests = " and ".join(f"({clause.target})" for clause in pipeline.clauses[1:])
        record = new_object(row.record)
        choice = f"{record} if {tests} else {variable}" if tests else record
        frame.emit(f"yield [{choice} for {variable} in records]")
    else:
        frame.emit(f"records[at] = {new_object(record)}")
        frame.depth = depth
        frame.emit("yield records")
    frame.depth -= 2
    changed = change.changed_columns(codes)
    widened = tuple(changed) if change.new_classes(changed) else ()
    row.open_table()
    moved = change.moved_keys(changed)
    generator.rewrites = not moved
    text = f"{row.writable}.rewrite({function}(), {widened}, {moved}, {tuple(changed)})"
    frame.emit(f"context.changed({text})")
    frame.emit("return ()")


def new_object(record: str) -> str:
    """The text of a record that is never the old one: Python makes a tuple of constants only once."""
    return "tuple([None])" if record == "(None,)" else record
