"""What the parser gives for one statement: its tree, and what it met on the way.

    SELECT a FROM t WHERE b = 5 AND c = :x ;       node         Select
                                           |       literals     (5,)
                                          end      parameters   (":x",)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from tandemdb.planner.syntax.ast import (
    Analyze,
    Attach,
    Begin,
    Commit,
    Delete,
    Detach,
    Explain,
    Insert,
    Pragma,
    Reindex,
    Release,
    Rollback,
    Savepoint,
    Select,
    Update,
    Vacuum,
    Value,
)
from tandemdb.planner.syntax.ddl import (
    AddColumn,
    CreateIndex,
    CreateTable,
    CreateTrigger,
    CreateView,
    CreateVirtualTable,
    Drop,
    DropColumn,
    RenameColumn,
    RenameTable,
)

Statement: TypeAlias = (
    Select
    | Insert
    | Update
    | Delete
    | CreateTable
    | CreateIndex
    | CreateView
    | CreateTrigger
    | CreateVirtualTable
    | Drop
    | RenameTable
    | RenameColumn
    | AddColumn
    | DropColumn
    | Begin
    | Commit
    | Rollback
    | Savepoint
    | Release
    | Pragma
    | Attach
    | Detach
    | Vacuum
    | Reindex
    | Analyze
    | Explain
)


class Parsed(NamedTuple):
    """One parsed statement.

    `node` is None when the text holds only white space and comments. `end` is the offset just behind the statement
    and its semicolon. `parameters` has a name (with its sigil, as `:a`) or None for each bound value;
    `literals` the value of each literal token in order, as `Literal.slot` numbers them; `structural` the slots of those
    that are part of a name or a type instead of a value.
    """

    node: Statement | None
    end: int
    parameters: Sequence[str | None]
    literals: Sequence[Value]
    structural: Sequence[int] = ()
