"""The catalog: two tables that describe all others, in blocks like them.

    object 0  sqlite_master   key    (type, name, tbl_name, rootpage, sql)            written by the planner
    object 1  layout          id     (id, 'table' | 'key', owner's id, definition)    written here, with the object

    7 -> (7, 'table', 7, '{"name": "city", "kind": "rowid", "columns": 3, ...}')
    8 -> (8, 'key',   7, '{"columns": [[2, "NOCASE"]], "unique": true, "computed": false}')

Schema changes are transactional and replicate because they are changes of these tables: a mirror that applies one to
the layout creates, alters or drops the object it describes, without knowing SQL. `rootpage` is the object's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.storage.block import next_stamp
from tandemdb.storage.changes import DELETE, INSERT, Writer
from tandemdb.storage.definition import KeyColumn, KeyDefinition, TableDefinition
from tandemdb.storage.errors import NoSuchObject
from tandemdb.storage.root import Root
from tandemdb.storage.secondary import SecondaryKey
from tandemdb.storage.table import Table
from tandemdb.storage.values import HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Record

if TYPE_CHECKING:
    from tandemdb.storage.transaction import Transaction

MASTER_ID = 0
LAYOUT_ID = 1
FIRST_FREE_ID = 2

MASTER_DEFINITION = TableDefinition(
    id=MASTER_ID,
    name="sqlite_master",
    columns=5,
    class_masks=(HOLDS_TEXT, HOLDS_TEXT, HOLDS_TEXT, HOLDS_INT, HOLDS_TEXT | HOLDS_NULL),
)
LAYOUT_DEFINITION = TableDefinition(
    id=LAYOUT_ID,
    name="layout",
    columns=4,
    rowid_position=0,
    class_masks=(HOLDS_INT, HOLDS_TEXT, HOLDS_INT, HOLDS_TEXT),
)


def empty_root() -> Root:
    """Make the root of a database that holds nothing but its empty catalog."""
    stamp = next_stamp()
    writer = Writer()
    tables = {d.id: Table(d, writer, stamp) for d in (MASTER_DEFINITION, LAYOUT_DEFINITION)}
    return Root(tables, stamp, lsn=0, epoch=0, next_object_id=FIRST_FREE_ID)


def create_table(transaction: Transaction, definition: TableDefinition) -> int:
    """Create a table, empty, and its layout record; return its object id."""
    refuse = getattr(transaction.database.observer, "refuse_table", None)
    if refuse is not None:
        refuse(definition)
    table_id = transaction.root.next_object_id
    definition = definition._replace(id=table_id)
    record = (table_id, "table", table_id, encode_table(definition))
    transaction.table(LAYOUT_ID).insert(table_id, record)
    place_table(transaction, definition)
    return table_id


def alter_table(transaction: Transaction, definition: TableDefinition) -> None:
    """Give a table another definition of the same id. Its records stay: the caller replaces those that do not fit."""
    owner = require_table(transaction.root, definition.id)
    record = (definition.id, "table", definition.id, encode_table(definition))
    transaction.table(LAYOUT_ID).replace(owner.id, record)
    redefine_table(transaction, definition)


def drop_table(transaction: Transaction, table_id: int) -> None:
    """Drop a table with its records and secondary keys, and their layout records."""
    table = require_table(transaction.root, table_id)
    layout = transaction.table(LAYOUT_ID)
    for key_id in table.keys:
        layout.delete(key_id)
    layout.delete(table_id)
    del transaction.root.tables[table_id]


def create_key(transaction: Transaction, definition: KeyDefinition) -> int:
    """Create a secondary key of a table, built from its records, and its layout record; return its object id."""
    require_table(transaction.root, definition.table_id)
    key_id = transaction.root.next_object_id
    definition = definition._replace(id=key_id)
    record = (key_id, "key", definition.table_id, encode_key(definition))
    transaction.table(LAYOUT_ID).insert(key_id, record)
    place_key(transaction, definition)
    return key_id


def drop_key(transaction: Transaction, key_id: int) -> None:
    """Drop a secondary key and its layout record."""
    owner_id = transaction.root.key(key_id).definition.table_id
    transaction.table(LAYOUT_ID).delete(key_id)
    remove_key(transaction, owner_id, key_id)


def follow_layout(transaction: Transaction, op: int, old: Record | None, new: Record | None) -> None:
    """Do to the objects what a change of the layout table, already applied, describes (on a mirror)."""
    record = new if new is not None else old
    if record is None:
        raise ValueError("a change of the layout table needs the record before or after it")
    if op == DELETE:
        if record[1] == "key":
            remove_key(transaction, read_int(record[2]), read_int(record[0]))
        else:
            del transaction.root.tables[read_int(record[0])]
    elif record[1] == "key":
        place_key(transaction, decode_key(record))
    elif op == INSERT:
        place_table(transaction, decode_table(record))
    else:
        redefine_table(transaction, decode_table(record))


def require_table(root: Root, table_id: int) -> Table:
    """Find a table that users may define, not the catalog's own."""
    if table_id < FIRST_FREE_ID or table_id not in root.tables:
        raise NoSuchObject(table_id, "table")
    return root.tables[table_id]


def place_table(transaction: Transaction, definition: TableDefinition) -> None:
    """Put an empty table into the transaction's root."""
    root = transaction.own_root()
    root.tables[definition.id] = Table(definition, transaction.writer, transaction.stamp)
    root.next_object_id = max(root.next_object_id, definition.id + 1)


def redefine_table(transaction: Transaction, definition: TableDefinition) -> None:
    """Change a table's definition; its classes keep what they hold and gain what the definition adds."""
    table = transaction.table(definition.id)
    table.definition = definition
    table.location.position = -1  # records may stay as they were
    initial = definition.class_masks or (0,) * definition.columns
    if len(initial) != len(table.classes):
        # Which column went or came is not known here, and a mask too wide only costs the planner a guard.
        everything = 0
        for mask in table.classes:
            everything |= mask
        grown = table.classes + initial[len(table.classes) :]
        shrunk = tuple([mask | everything for mask in initial])
        table.classes = grown if len(initial) > len(table.classes) else shrunk
    else:
        table.classes = tuple([had | gains for had, gains in zip(table.classes, initial, strict=True)])
    table.signatures = set()


def place_key(transaction: Transaction, definition: KeyDefinition) -> None:
    """Build a secondary key from its table's records and put it there; a computed one without `extract` stays stale."""
    table = transaction.table(definition.table_id)
    secondary = SecondaryKey(definition, transaction.stamp)
    if not secondary.stale:
        keys = [key for block in table.location.blocks() for key in block.keys]
        records = [record for block in table.location.blocks() for record in block.records]
        secondary.add_many(keys, records)
    table.keys = {**table.keys, definition.id: secondary}
    table.maintained = None
    root = transaction.own_root()
    root.next_object_id = max(root.next_object_id, definition.id + 1)
    root.has_stale = root.has_stale or secondary.stale


def remove_key(transaction: Transaction, owner_id: int, key_id: int) -> None:
    """Take a secondary key out of its table; it may have gone with the table."""
    if owner_id in transaction.root.tables:
        table = transaction.table(owner_id)
        table.keys = {other: secondary for other, secondary in table.keys.items() if other != key_id}
        table.maintained = None


def encode_table(definition: TableDefinition) -> str:
    """Write a table's definition as the layout keeps it."""
    from json import dumps  # only schema changes need it, and importing it takes 2 ms

    return dumps(
        {
            "name": definition.name,
            "kind": definition.kind,
            "columns": definition.columns,
            "primary_key": definition.primary_key,
            "rowid_position": definition.rowid_position,
            "class_masks": definition.class_masks,
        }
    )


def encode_key(definition: KeyDefinition) -> str:
    """Write a secondary key's definition as the layout keeps it; the extract function stays behind."""
    from json import dumps

    return dumps({"columns": definition.columns, "unique": definition.unique, "computed": definition.computed})


def decode_table(record: Record) -> TableDefinition:
    """Read a table's definition from its layout record."""
    from json import loads

    read = loads(str(record[3]))
    return TableDefinition(
        id=read_int(record[0]),
        name=read["name"],
        kind=read["kind"],
        columns=read["columns"],
        primary_key=tuple([KeyColumn(*column) for column in read["primary_key"]]),
        rowid_position=read["rowid_position"],
        class_masks=tuple(read["class_masks"]),
    )


def decode_key(record: Record) -> KeyDefinition:
    """Read a secondary key's definition from its layout record."""
    from json import loads

    read = loads(str(record[3]))
    return KeyDefinition(
        id=read_int(record[0]),
        table_id=read_int(record[2]),
        columns=tuple([KeyColumn(*column) for column in read["columns"]]),
        unique=read["unique"],
        computed=read["computed"],
    )


def read_int(value: object) -> int:
    """Read an object id from a layout record."""
    if type(value) is not int:
        raise TypeError(f"an object id in the layout table is of type {type(value).__name__}; expected int")
    return value
