"""Changes of one record that run often: compiled anew, with what else would be called written out.

    plan(roots, params, context)      as any plan: `run_in_place` calls it

    change(cursor, values)            all of an execute(), written by `dbapi.ready` around the lines of here (`Lines`):
        transaction, root                 given, as session, writer, context, values and literals are
        table_item_1 = root.tables[2]     loads
        if ...: (another plan)            guard: the tests of which none may hold
        try:
            changes = 0                   work, which falls through with `changes`, and `last` or `returned`
            while True:
                ...
                break                     also to leave the row as it is
        except ...

What is written out are calls that take a tenth of the time, or a twentieth: `RecordContext.writable`, what `seek`
guesses, `Table.put`, the counting of changes; and, in the second form, the call of the plan itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.planner.syntax import ast
from tandemdb.storage.block import BLOCK_RECORDS_MAX
from tandemdb.storage.changes import DELETE, INSERT
from tandemdb.storage.outstanding import CHANGE_WIDTH, CHANGES_MAX, Outstanding

if TYPE_CHECKING:
    from tandemdb.planner.emit.writer import Generator

CLOCK = re.compile(r"\bcontext\b(?!\.writable\()")
"""What may ask for the time, which is one for the whole statement."""
UNPACKED = re.compile(r"    p\d+(, p\d+)*,? = params(\[\d+\])?")


class Lines(NamedTuple):
    """The second form. `work` and `loads` are indented as a function's body is; `bound` are the objects they name."""

    loads: list[str]
    guard: str
    work: list[str]
    bound: dict[str, Any]
    inserts: bool
    """Whether `last` tells of a rowid."""
    returns: bool
    """Whether `returned` has rows."""
    made: list[Any]
    """What `dbapi.ready` has made of this."""


def written_out(emitter: Any) -> bool:
    """Whether to write out what else would be called: where it runs often, and not as part of a trigger's program.

    Those are undone by the mark that a session sets when it is asked for a table.
    """
    generator = emitter.generator
    generator.single = not emitter.binder.in_trigger
    return bool(generator.single and generator.written_out)


def open_in_place(emitter: Any, writable: str) -> str:
    """Write `RecordContext.writable` out, 0.1 us of 1.7 for an UPDATE; the name of the table's writer."""
    frame, generator = emitter.frame, emitter.generator
    table = generator.table(emitter.database, emitter.table.id, emitter.table.name)
    if generator.whole:
        writer = "writer"
        frame.emit(f"if transaction.in_place and {table}.stamp == transaction.stamp:")
    else:
        writer = generator.name("writer")
        frame.emit(f"{writer} = {table}.writer")
        frame.emit(f"if context.in_place and {writer}.undo is not None and {writer}.stamp == {table}.stamp:")
    frame.emit(f"    {writable} = {table}")
    frame.emit(f"    {table}.kept = None")
    frame.emit("else:")
    frame.emit(f"    {writable} = context.writable({emitter.database}, {emitter.table.id})")
    return writer


def begin_one(emitter: Any) -> str:
    """Begin the change of the one row there may be; what leaves it as it is."""
    frame = emitter.frame
    generator = emitter.generator
    if not generator.whole:
        return f"return context.changed(0) or {nothing(emitter)}"
    generator.single = not emitter.binder.in_trigger
    frame.emit("changes = 0")
    if emitter.node.returning:
        frame.emit("returned = []")
    frame.emit("while True:")
    frame.depth += 1
    return "break"


def end_one(emitter: Any, depth: int) -> None:
    """End it: first where the row has been changed, then, at `depth`, where there was none."""
    frame = emitter.frame
    if emitter.generator.whole:
        frame.emit("changes = 1")
        frame.depth = depth
        frame.emit("break")
        frame.depth -= 1
        return
    if written_out(emitter):  # `context.changed`
        frame.emit("session = context.session")
        frame.emit("session.changes = 1")
        frame.emit("session.total_changes += 1")
    else:
        frame.emit("context.changed(1)")
    frame.emit("return (returned,)" if emitter.node.returning else "return ()")
    frame.depth = depth
    frame.emit("context.changed(0)")
    frame.emit(f"return {nothing(emitter)}")


def nothing(emitter: Any) -> str:
    return "((),)" if emitter.node.returning else "()"


def append_in_place(emitter: Any, record: str) -> None:
    """Write `Table.insert` out for a record behind all others: 0.4 us of 2.5; the call itself is for an `else`.

    Unique keys have been searched for what is added to them; of the others the changes wait.
    """
    frame, row, table = emitter.frame, emitter.row, emitter.table
    indexes = [index for index in table.indexes if index.id >= 0]
    known = [index for index in indexes if index.unique and index.id in row.entries]
    others = [index for index in indexes if not index.unique and not index.computed]
    if table.without_rowid or len(known) + len(others) < len(indexes):
        return
    location, page, block, waiting = map(emitter.generator.name, ("location", "page", "block", "waiting"))
    writable, key = row.writable, row.key
    frame.emit(f"{location} = {writable}.location")
    tests = [f"transaction.in_place and {location}.pages"]
    if indexes:
        tests.append(f"{writable}.maintained is not None")
    tests.append(f"{location}.page_highs[-1] < {key}")
    tests.append(f"({block} := ({page} := {location}.pages[-1]).blocks[-1]).stamp >= {writable}.stamp")
    tests.append(f"len({block}.keys) < {BLOCK_RECORDS_MAX} and {block}.digest is None")
    for index in others:
        tests += waiting_tests(emitter, f"{waiting}_{index.id}", writable, index.id)
    place = f"len({location}.pages) - 1, len({page}.blocks) - 1, len({block}.keys)"
    begin_noted(frame, tests, f"({INSERT}, {table.id}, {place}, {key}, {record}, {writable}.count)")
    frame.emit(f"{block}.keys.append({key})")
    frame.emit(f"{block}.records.append({record})")
    frame.emit(f"{page}.highs[-1] = {location}.page_highs[-1] = {key}")
    frame.emit(f"{writable}.count += 1")
    frame.emit("if (log := writer.changes) is not None:")
    frame.emit(f"    log.append(({INSERT}, {table.id}, {block}.number, {key}, {record}))")
    for index in others:
        frame.emit(f"{waiting}_{index.id}.changes.extend(({key}, None, {record}))")
    for index in known:
        rank, stored = row.entries[index.id]
        frame.emit(f"{writable}.keys[{index.id}].add({rank}, {stored}, {key})")
    end_noted(frame)


def delete_in_place(emitter: Any, writable: str, record: str, key: str, spot: tuple[str, ...]) -> None:
    """Write `Table.delete` out for a record that is not its block's last; the call itself is for an `else`.

    The entries of all secondary keys wait.
    """
    frame, indexes = emitter.frame, [index for index in emitter.table.indexes if index.id >= 0]
    if any(index.computed for index in indexes):
        return
    page, at, place = spot
    block, waiting = map(emitter.generator.name, ("changed", "waiting"))
    frame.emit(f"{block} = {writable}.location.pages[{page}].blocks[{at}]")
    tests = [f"transaction.in_place and {block}.stamp >= {writable}.stamp"]
    tests.append(f"{block}.digest is None and {place} < len({block}.keys) - 1")
    for index in indexes:
        tests += waiting_tests(emitter, f"{waiting}_{index.id}", writable, index.id)
    begin_noted(frame, tests, f"({DELETE}, {emitter.table.id}, {', '.join(spot)}, {key}, {record}, {writable}.count)")
    frame.emit(f"del {block}.keys[{place}], {block}.records[{place}]")
    frame.emit(f"{writable}.count -= 1")
    frame.emit("if (log := writer.changes) is not None:")
    frame.emit(f"    log.append(({DELETE}, {emitter.table.id}, {block}.number, {key}, None))")
    for index in indexes:
        frame.emit(f"{waiting}_{index.id}.changes.extend(({key}, {record}, None))")
    end_noted(frame)


def begin_noted(frame: Any, tests: list[str], change: str) -> None:
    """Begin a change where these tests hold: first it is noted as half done."""
    frame.emit(f"if {' and '.join(tests)}:")
    frame.depth += 1
    frame.emit(f"writer.changing = {change}")


def end_noted(frame: Any) -> None:
    """Note it as done, and begin what is done where the tests do not hold."""
    frame.emit("writer.undo.append(writer.changing)")
    frame.emit("writer.changing = None")
    frame.depth -= 1
    frame.emit("else:")
    frame.depth += 1


def waiting_tests(emitter: Any, name: str, writable: str, key_id: int) -> list[str]:
    """What must hold for a key's change to wait with others; gives those the name."""
    kind = emitter.generator.helper(Outstanding)
    return [
        f"type({name} := {writable}.keys[{key_id}].segments) is {kind}",
        f"len({name}.changes) < {CHANGES_MAX * CHANGE_WIDTH}",
    ]


def lines_of(generator: Generator, guard: str, node: Any) -> Lines:
    """Gather what has been written in the second form."""
    main = generator.main
    loads = [line.replace("roots[0].tables", "root.tables") for line in main.loads if not UNPACKED.fullmatch(line)]
    text = "\n".join([*loads, guard, *main.setup, *main.body])
    first = [*unpacked(generator)]
    if "params[" in text:
        first.append("    params = (*values, *literals)")
    if re.search(r"\broots\b", text):
        first.append("    roots = (root,)")
    if CLOCK.search(text):
        first.append("    context._now = None")
    work = [*main.setup, *main.body]
    return Lines([*first, *loads], guard, work, generator.bound, isinstance(node, ast.Insert), bool(node.returning), [])


def unpacked(generator: Generator) -> list[str]:
    """Load the values that are read, all of them at once where that can be."""
    base = generator.literal_base
    count = len(generator.types)
    bound = count if base is None else base
    lines = []
    for source, places in (("values", range(bound)), ("literals", range(bound, count))):
        names = [f"p{place}" for place in places]
        if names and all(name in generator.hoisted for name in names):
            lines.append(f"    {', '.join(names)}{',' * (len(names) == 1)} = {source}")
        else:
            lines += [f"    {name} = {source}[{at}]" for at, name in enumerate(names) if name in generator.hoisted]
    return lines
