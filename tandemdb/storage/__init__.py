"""Storage: blocks, keys, transactions, snapshots and digests.

    Database --> root --> tables --> location tables --> blocks --> records
             --> begin() --> Transaction --> table(id), mark(), restore(), commit()

It knows no SQL and no sockets.
"""

from __future__ import annotations

from tandemdb.storage.apply import apply, apply_all
from tandemdb.storage.block import BLOCK_RECORDS_MAX, Block, Stamp
from tandemdb.storage.catalog import LAYOUT_ID, MASTER_ID, decode_key, decode_table
from tandemdb.storage.changes import (
    APPEND,
    DELETE,
    FREE,
    INSERT,
    NEW,
    OPERATION_NAMES,
    SPLIT,
    UPDATE,
    Change,
    CommitObserver,
)
from tandemdb.storage.check import check_root, check_table
from tandemdb.storage.database import Database
from tandemdb.storage.definition import Extract, KeyColumn, KeyDefinition, TableDefinition, unique_key_function
from tandemdb.storage.digest import (
    Difference,
    Recomputed,
    block_digests,
    damaged_blocks,
    describe_difference,
    hash_ahead,
    is_damaged,
    mend_block,
    recompute,
    recomputed_digest,
    root_digest,
    table_digests,
    trust_records,
)
from tandemdb.storage.errors import (
    DuplicateKey,
    HistoryGone,
    Inconsistent,
    LockTimeout,
    NoSuchKey,
    NoSuchObject,
    OutOfStep,
    ReadOnly,
    SnapshotTooOld,
    StaleTable,
    StorageError,
    TransactionClosed,
    UnknownCollation,
)
from tandemdb.storage.image import BlockImage, Layout, describe_layout, dump_blocks, load_blocks
from tandemdb.storage.root import LSN, Epoch, Root
from tandemdb.storage.secondary import SecondaryKey
from tandemdb.storage.table import Table
from tandemdb.storage.transaction import Mark, Transaction
from tandemdb.storage.values import (
    CLASS_BIT,
    CLASS_RANK,
    HOLDS_BLOB,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_TEXT,
    RANK_ABOVE_ALL,
    Key,
    Record,
    Value,
    collation_key,
    collation_keys,
)

__all__ = [
    "APPEND",
    "BLOCK_RECORDS_MAX",
    "CLASS_BIT",
    "CLASS_RANK",
    "DELETE",
    "FREE",
    "HOLDS_BLOB",
    "HOLDS_FLOAT",
    "HOLDS_INT",
    "HOLDS_NULL",
    "HOLDS_TEXT",
    "INSERT",
    "LAYOUT_ID",
    "LSN",
    "MASTER_ID",
    "NEW",
    "OPERATION_NAMES",
    "RANK_ABOVE_ALL",
    "SPLIT",
    "UPDATE",
    "Block",
    "BlockImage",
    "Change",
    "CommitObserver",
    "Database",
    "Difference",
    "DuplicateKey",
    "Epoch",
    "Extract",
    "HistoryGone",
    "Inconsistent",
    "Key",
    "KeyColumn",
    "KeyDefinition",
    "Layout",
    "LockTimeout",
    "Mark",
    "NoSuchKey",
    "NoSuchObject",
    "OutOfStep",
    "ReadOnly",
    "Record",
    "Root",
    "SecondaryKey",
    "SnapshotTooOld",
    "Stamp",
    "StaleTable",
    "StorageError",
    "Table",
    "TableDefinition",
    "Transaction",
    "TransactionClosed",
    "UnknownCollation",
    "Value",
    "apply",
    "apply_all",
    "block_digests",
    "check_root",
    "check_table",
    "collation_key",
    "collation_keys",
    "decode_key",
    "decode_table",
    "describe_difference",
    "describe_layout",
    "dump_blocks",
    "hash_ahead",
    "load_blocks",
    "damaged_blocks",
    "is_damaged",
    "mend_block",
    "recomputed_digest",
    "Recomputed",
    "recompute",
    "root_digest",
    "table_digests",
    "trust_records",
    "unique_key_function",
]
