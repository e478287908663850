"""Messages: what a primary and a secondary say to each other, as plain typed tuples.

    primary                                        secondary
       |  <------------------------------ POSITION  |   where I stand (opens a session)
       |  [DIGEST_REQUEST -> <- TABLE_DIGESTS, BLOCK_DIGESTS]   only if that is not on the primary's history
       |  PLAN -------------------------------------> |   how you catch up
       |  [SNAP_BEGIN, LAYOUT..., BLOCK..., SNAP_END -> <- ACK] blocks or snapshot
       |  [TXN_LOG ... -> <- BACKUP_COMPLETE]         |   tail
       |                                            |
       |  TXN_BEGIN, UPDATES..., TXN_COMMIT --------> |   tight sequencing: applied as it comes, pending at TXN_COMMIT
       |  <-------------------------------------- ACK |   the commit returns
       |  HEARTBEAT (stable_lsn) -------------------> |   the secondary shows it
       |                                            |
       |  TXN_WHOLE --------------------------------> |   the same for one that was done before it could be sent
       |                                            |
       |  TXN_LOG ----------------------------------> |   loose sequencing: whole, after the commit returned
       |  <-------------------------- BACKUP_COMPLETE |   the primary may drop its log

Each travels in a Frame, numbered within its session and direction, so that a lost, repeated or overtaking frame
shows. A session begins with a POSITION; frames of an earlier one are ignored, frames of an earlier epoch refused.
`root` fields hold the digest of all blocks after that commit, None where the primary did not compute it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NewType

LSN = NewType("LSN", int)  # a commit's number: +1 a commit, no holes
Epoch = NewType("Epoch", int)  # one primary's term

# Values are int, float, str, bytes or None. Any, because msgspec takes no union of str and bytes: wire.py checks them.
Record = tuple[Any, ...]
Key = int | Record
# Operation, table, block, key, record: the change log's unit as storage makes it (see its changes.py).
Change = tuple[int, int, int, Any, Any]


class Term(NamedTuple):
    """One line of a history: the epoch that began after `lsn` (its last inherited commit), and the digest there.

    `leader` is the incarnation of the system that led in it: two that were promoted apart, and so to epochs of one
    number, have different histories.
    """

    epoch: Epoch
    lsn: LSN
    root: int
    leader: bytes = b""


class Hello(NamedTuple):
    """Opens a link. `purpose`: "client", "operator", "secondary" (I follow you), "primary" (follow me), with `mode`."""

    protocol: int
    cluster: bytes
    node: str
    incarnation: bytes
    nonce: bytes
    database: str
    purpose: str
    mode: str
    epoch: Epoch


class Challenge(NamedTuple):
    protocol: int
    cluster: bytes
    node: str
    incarnation: bytes
    nonce: bytes
    epoch: Epoch


class Authenticate(NamedTuple):
    proof: bytes


class Welcome(NamedTuple):
    """The other side's proof; `link` and `ticket` name this link when another one asks for its interruption."""

    proof: bytes
    link: int
    ticket: bytes


class Refuse(NamedTuple):
    code: str
    epoch: Epoch
    reason: str


KEEP_ALL = LSN((1 << 62) - 1)
"""`kept_lsn` of a plan that ends with blocks: what is pending stays until they are in."""


class Held(NamedTuple):
    """The blocks that a secondary has of transfers that were broken off, by table: as of this LSN, or newer."""

    lsn: LSN
    transaction: int
    tables: tuple[tuple[int, tuple[int, ...]], ...]


class Position(NamedTuple):
    """Where a secondary stands. `transaction` is its last one; `pending` are those of the LSNs that follow, which are
    complete and not yet stable.

    `root` is None where the digest is not known yet: to hash all records is left for when they must be compared.
    `address` is where its node listens, if it is one.
    """

    cluster: bytes
    node: str
    incarnation: bytes
    mode: str
    history: tuple[Term, ...]
    lsn: LSN
    transaction: int
    root: int | None
    blocks: int
    pending: tuple[int, ...]
    address: str = ""
    held: Held = Held(LSN(0), 0, ())


class Plan(NamedTuple):
    """How a secondary catches up: `kind` is "tail", "blocks" or "snapshot".

    Of what it holds pending, all up to `stable_lsn` stands, what is later than `kept_lsn` is undone. `resumes`: what it
    holds of a transfer that was broken off is part of this one, unless it comes again.
    """

    kind: str
    cluster: bytes
    history: tuple[Term, ...]
    from_lsn: LSN
    pinned_lsn: LSN
    stable_lsn: LSN
    kept_lsn: LSN
    reason: str
    estimated_blocks: int
    resumes: bool = False


class TxnBegin(NamedTuple):
    """`base_lsn` is the commit that it follows, pending or not; all up to `stable_lsn` stands."""

    transaction: int
    base_lsn: LSN
    stable_lsn: LSN


class Updates(NamedTuple):
    """Changes number `first` and following of a transaction (0 is its first), as they were made."""

    transaction: int
    first: int
    changes: tuple[Change, ...]


class Rewind(NamedTuple):
    """A savepoint or a failed statement took changes back: only the first `keep` of the transaction stand."""

    transaction: int
    keep: int


class TxnCommit(NamedTuple):
    """`early`: acknowledge that this has come, before it is checked."""

    transaction: int
    lsn: LSN
    updates: int
    root: int | None
    stable_lsn: LSN
    time: float
    early: bool = False


class TxnAbort(NamedTuple):
    """This transaction is undone, open or pending, and all that have begun after it."""

    transaction: int


class TxnWhole(NamedTuple):
    """A transaction that was complete before any of it was sent: begin, changes and completion in one."""

    transaction: int
    base_lsn: LSN
    lsn: LSN
    changes: tuple[Change, ...]
    root: int | None
    stable_lsn: LSN
    time: float
    early: bool = False


class LogRun(NamedTuple):
    """Committed transactions that follow each other: LSN and transaction of the first, the changes of all, and how many
    each made; `root` is the digest after the last, if it was computed, `time` when the primary took them over."""

    lsn: LSN
    transaction: int
    changes: Sequence[Change]
    counts: Sequence[int]
    root: int | None
    time: float

    @property
    def last_lsn(self) -> LSN:
        return LSN(self.lsn + len(self.counts) - 1)

    @property
    def last_transaction(self) -> int:
        return self.transaction + len(self.counts) - 1

    def holds(self, lsn: LSN, transaction: int) -> bool:
        """Tell whether one of these is the transaction of this number, at this LSN."""
        return lsn - self.lsn == transaction - self.transaction in range(len(self.counts))

    def part(self, start: int, stop: int) -> LogRun:
        """Return some of these transactions, one at least."""
        counts = self.counts
        if start == 0 and stop >= len(counts):
            return self
        first, those = sum(counts[:start]), counts[start:stop]
        return LogRun(
            LSN(self.lsn + start),
            self.transaction + start,
            self.changes[first : first + sum(those)],
            those,
            self.root if stop >= len(counts) else None,
            self.time,
        )

    def after(self, lsn: LSN) -> LogRun | None:
        """Leave out what comes up to an LSN; None if that is all."""
        start = max(0, lsn + 1 - self.lsn)
        return self.part(start, len(self.counts)) if start < len(self.counts) else None

    def each(self) -> list[LogRun]:
        """Return runs of one transaction each."""
        whole = self._replace(changes=tuple(self.changes))  # unpacked once, if they are packed
        return [whole.part(place, place + 1) for place in range(len(self.counts))]


class TxnLog(NamedTuple):
    """Whole committed transactions, one LSN after the other: begin, changes and completion of each."""

    runs: tuple[LogRun, ...]
    stable_lsn: LSN


class Ack(NamedTuple):
    """Cumulative: all up to `received_lsn` is complete here, up to `applied_lsn` shown to readers."""

    received_lsn: LSN
    transaction: int
    applied_lsn: LSN
    root: int | None


class BackupComplete(NamedTuple):
    transaction: int
    lsn: LSN
    root: int | None


class Nack(NamedTuple):
    """The secondary refuses what came and keeps its last good root; a POSITION in a new session follows."""

    code: str
    expected: int
    found: int
    detail: str


class Heartbeat(NamedTuple):
    lsn: LSN
    stable_lsn: LSN
    root: int | None
    answer: bool


class SnapBegin(NamedTuple):
    """Opens a transfer of blocks; tables in `kept` are the same on both sides and follow in no LAYOUT.

    `outcomes` says in runs (first LSN, first transaction, how many) which transactions led there.
    """

    lsn: LSN
    transaction: int
    root: int | None
    next_object: int
    kept: tuple[int, ...]
    outcomes: tuple[tuple[int, int, int], ...] = ()
    outcomes_have_gaps: bool = True


class Layout(NamedTuple):
    """All blocks of one table in key order; those that no BLOCK brings are the secondary's own."""

    table: int
    next_number: int
    blocks: tuple[int, ...]


class BlockImage(NamedTuple):
    """A block; its lists may be those of a root: whoever keeps them copies them."""

    table: int
    block: int
    keys: list[Key]
    records: list[Record]


class CheckedImage(BlockImage):
    """A block as it came over a wire; `masks` are the classes that its columns hold."""

    masks: tuple[int, ...]


class SnapEnd(NamedTuple):
    lsn: LSN
    blocks: int


class DigestRequest(NamedTuple):
    """Asks for the digests of all tables (none named), or of all blocks of the tables named."""

    tables: tuple[int, ...]


class TableDigests(NamedTuple):
    digests: tuple[tuple[int, int], ...]


class BlockDigests(NamedTuple):
    table: int
    digests: tuple[tuple[int, int], ...]


class Call(NamedTuple):
    """A client's or operator's request; the methods are the receiver's own table."""

    number: int
    method: str
    arguments: tuple[Any, ...]


class Reply(NamedTuple):
    number: int
    value: Any
    rows: tuple[tuple[Any, ...], ...]


class Failure(NamedTuple):
    """The error that a Call ended in: class, text, name of the result code, notes; and what Reply's value carries."""

    number: int
    kind: str
    text: str
    code: str
    notes: tuple[str, ...]
    value: Any


Message = (
    Hello
    | Challenge
    | Authenticate
    | Welcome
    | Refuse
    | Position
    | Plan
    | TxnBegin
    | Updates
    | Rewind
    | TxnCommit
    | TxnAbort
    | TxnLog
    | TxnWhole
    | Ack
    | BackupComplete
    | Nack
    | Heartbeat
    | SnapBegin
    | Layout
    | BlockImage
    | SnapEnd
    | DigestRequest
    | TableDigests
    | BlockDigests
    | Call
    | Reply
    | Failure
)

# The number that names each kind on the wire; append only, a number is never used again.
KINDS: dict[int, type[Message]] = {
    1: Hello,
    2: Challenge,
    3: Authenticate,
    4: Welcome,
    5: Refuse,
    6: Position,
    7: Plan,
    8: TxnBegin,
    9: Updates,
    10: Rewind,
    11: TxnCommit,
    12: TxnAbort,
    13: TxnLog,
    14: Ack,
    15: BackupComplete,
    16: Nack,
    17: Heartbeat,
    18: SnapBegin,
    19: Layout,
    20: BlockImage,
    21: SnapEnd,
    22: DigestRequest,
    23: TableDigests,
    24: BlockDigests,
    25: Call,
    26: Reply,
    27: Failure,
    28: TxnWhole,
}
KIND_NUMBERS: dict[type[Message], int] = {kind: number for number, kind in KINDS.items()}


class Frame(NamedTuple):
    """One message on a link: `sequence` counts frames of this direction within `session`, from 0."""

    session: int
    epoch: Epoch
    sequence: int
    message: Message
