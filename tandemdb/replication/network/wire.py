"""The wire: a Frame as bytes, and bytes in pieces of any size as Frames. No I/O: a caller brings and takes the bytes.

    0      2      3     4       6         8        12        20          28      32
    | "tD" | prot | kind| flags | session | length | epoch   | sequence  | crc32 | body: msgpack array, `length` bytes
                                                                            '--- of the 28 bytes before it and the body

Flags: 1 = the body is a part and more follow under the same sequence number (bodies over PART_BYTES_MAX are cut).
A body is checked against its message's types field by field; nothing received is ever evaluated or unpickled.
A message that goes to several secondaries is encoded once: the last body is remembered with the message it was of.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload
from zlib import crc32

from tandemdb.replication.core.messages import (
    KIND_NUMBERS,
    KINDS,
    LSN,
    BlockImage,
    Change,
    CheckedImage,
    Epoch,
    Frame,
    LogRun,
    Message,
    TxnLog,
    TxnWhole,
    Updates,
)
from tandemdb.replication.errors import OtherVersion, ProtocolError
from tandemdb.storage.changes import APPEND, INSERT, SPLIT, UPDATE
from tandemdb.storage.collector import collector_paused
from tandemdb.storage.errors import StorageError
from tandemdb.storage.values import classes_of

if TYPE_CHECKING:
    import msgspec

MAGIC = b"tD"
PROTOCOL = 6
HEADER = struct.Struct("!2sBBHHIQQI")
CHECKED = struct.Struct("!2sBBHHIQQ")
HEADER_BYTES = HEADER.size
CRC_OFFSET = CHECKED.size
PART_BYTES_MAX = 16 << 20
BODY_BYTES_MAX = 1 << 30
REMEMBERED_BYTES_MAX = 1 << 20
SAMPLE_CHANGES = 64
HELD_BYTES_MIN = 4096
"""From this size on the collector is held while a message is decoded: its values live on."""
FLAG_MORE = 1
SESSION_MODULUS = 1 << 16
LOG_KIND = KIND_NUMBERS[TxnLog]
INTEGERS = frozenset({int})
ARRAYS = frozenset({list, tuple})
VALUE_TYPES = frozenset({int, float, str, bytes, type(None)})
# What each frame calls: looked up once. `make` builds a named tuple in half the time that calling its class takes.
unpack_header = HEADER.unpack_from
pack_checked = CHECKED.pack
make = tuple.__new__


def encode(frame: Frame, part_bytes_max: int = PART_BYTES_MAX) -> bytes:
    """Turn a frame into bytes, cut into parts of at most `part_bytes_max` body bytes, header before each."""
    message = frame.message
    body = _last_encoded[1] if _last_encoded[0] is message else _encode_body(message)
    if len(body) <= part_bytes_max:
        return _part(frame, body, 0)
    if len(body) > BODY_BYTES_MAX:
        raise ProtocolError(
            f"message too large: {type(message).__name__} of {len(body)} bytes",
            detail=f"The protocol carries messages of up to {BODY_BYTES_MAX} bytes.",
            hint="Split the transaction.",
        )
    starts = range(0, len(body), part_bytes_max)
    last = starts[-1]
    return b"".join(
        _part(frame, body[start : start + part_bytes_max], 0 if start == last else FLAG_MORE) for start in starts
    )


def encode_body(message: Message) -> bytes:
    """Encode a message without a frame around it: what the login signs."""
    return bytes(_codec().encode(message))


def message_bytes(message: Message) -> int:
    """Tell how many bytes a message takes in a body; that of the message encoded last is known."""
    return len(_last_encoded[1] if _last_encoded[0] is message else _encode_body(message))


def kinds(*messages: type[Message]) -> frozenset[int]:
    """Return the numbers of kinds of message, for `Decoder.kinds`."""
    return frozenset(KIND_NUMBERS[message] for message in messages)


def can_carry(changes: Sequence[Change]) -> bool:
    """Tell whether all text in these changes is UTF-8."""
    try:
        _codec().encode(changes)
    except UnicodeEncodeError:
        return False
    return True


def can_carry_rows(rows: Sequence[tuple[Any, ...]]) -> bool:
    """Tell whether all text in these rows is UTF-8."""
    try:
        _codec().encode(rows)
    except UnicodeEncodeError:
        return False
    return True


def changes_bytes(changes: Sequence[Change]) -> int:
    """Tell how many bytes these changes take in a body: what the retained log counts. Of many, a sample is measured."""
    count = len(changes)
    if count <= SAMPLE_CHANGES:
        return len(_codec().encode(changes))
    sample = changes[:: count // SAMPLE_CHANGES]
    return len(_codec().encode(sample)) * count // len(sample)


class PackedChanges(Sequence[Change]):
    """Changes in the form in which they are sent: read as a sequence they are unpacked, as what came over a wire.

    To keep them so takes a fraction of the memory, and none of the collector's time.
    """

    __slots__ = ("_count", "packed")

    def __init__(self, changes: Sequence[Change]) -> None:
        import msgspec

        self._count = len(changes)
        # Copied to its length: what it was encoded into has room for half as much again, and the log keeps many.
        self.packed = msgspec.Raw(bytes(_codec().encode(changes)))

    @property
    def size_bytes(self) -> int:
        """The bytes that they take in a body."""
        return len(memoryview(self.packed))

    def unpack(self) -> tuple[Change, ...]:
        """Return the changes."""
        return check_changes(_codec().decode_changes(self.packed))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Change: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Change, ...]: ...
    def __getitem__(self, index: int | slice) -> Change | tuple[Change, ...]:
        return self.unpack()[index]

    def __iter__(self) -> Iterator[Change]:
        return iter(self.unpack())


def rows_bytes(rows: Sequence[tuple[Any, ...]]) -> int:
    """Tell how many bytes these rows take in a body."""
    return len(_codec().encode(rows))


class Decoder:
    """Collects received bytes and yields whole frames; after an error the link must be dropped."""

    def __init__(self, body_bytes_max: int = BODY_BYTES_MAX, part_bytes_max: int = PART_BYTES_MAX) -> None:
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._parts_header: tuple[int, int, int, int] | None = None
        self._parts_bytes = 0
        self.body_bytes_max = body_bytes_max
        self.part_bytes_max = part_bytes_max
        # The kinds of message taken at present, None for all: others are refused by their header, unread.
        self.kinds: frozenset[int] | None = None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes. Raises ProtocolError on anything a correct peer does not send."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            header = HEADER.unpack_from(self._buffer)
            length = self._check_header(header)
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            part = bytes(self._buffer[:end])
            del self._buffer[:end]
            frame = self._take(header, part)
            if frame is not None:
                yield frame

    def take_single(self, data: bytes) -> Frame | None:
        """Return the frame if `data` is exactly one, as most that come are; None leaves `data` to `feed`."""
        size = len(data) - HEADER_BYTES
        if size < 0 or self._buffer or self._parts or size > self.part_bytes_max:
            return None
        magic, protocol, kind, flags, session, length, epoch, sequence, crc = unpack_header(data)
        if length != size or flags or magic != MAGIC or protocol != PROTOCOL:
            return None
        if kind not in (KINDS if self.kinds is None else self.kinds):
            return None
        body = data[HEADER_BYTES:]
        if crc != crc32(body, crc32(data[:CRC_OFFSET])):
            raise damaged()
        return make(Frame, (session, epoch, sequence, _codec().decode(kind, body)))

    @property
    def waiting(self) -> int:
        """Bytes received that do not yet make a frame: at the end of a stream, a torn message."""
        return len(self._buffer) + self._parts_bytes

    def _check_header(self, header: tuple[Any, ...]) -> int:
        """Refuse what can be refused before the body has come, and so before memory is spent on it."""
        magic, protocol, kind, flags, _session, length, _epoch, _sequence, _crc = header
        if magic != MAGIC:
            raise ProtocolError("not a tandemdb link", detail=f"Expected magic {MAGIC!r}; found {magic!r}.")
        if protocol != PROTOCOL:
            raise other_version(protocol)
        if kind not in KINDS:
            raise ProtocolError(f"unknown message kind {kind}")
        if self.kinds is not None and kind not in self.kinds:
            raise ProtocolError(f"a {KINDS[kind].__name__} is not expected here")
        if flags & ~FLAG_MORE:
            raise ProtocolError(f"unknown frame flags {flags:#06x}")
        if length > self.part_bytes_max or self._parts_bytes + length > self.body_bytes_max:
            raise ProtocolError(
                f"frame too large: {length} bytes",
                detail=f"Up to {self.part_bytes_max} bytes a frame and {self.body_bytes_max} a message are accepted.",
            )
        return int(length)

    def _take(self, header: tuple[Any, ...], part: bytes) -> Frame | None:
        _magic, _protocol, kind, flags, session, _length, epoch, sequence, crc = header
        if crc != _checksum(part):
            raise damaged()
        line = (kind, session, epoch, sequence)
        if self._parts_header is not None and self._parts_header != line:
            raise ProtocolError("a message's parts are mixed with another's")
        if flags & FLAG_MORE:
            if len(part) == HEADER.size:
                raise ProtocolError("an empty part announces more")
            self._parts_header = line
            self._parts.append(part[HEADER.size :])
            self._parts_bytes += len(part) - HEADER.size
            return None
        body = b"".join([*self._parts, part[HEADER.size :]])
        self._parts.clear()
        self._parts_header = None
        self._parts_bytes = 0
        return Frame(session, Epoch(epoch), sequence, _codec().decode(kind, body))


def other_version(protocol: int) -> OtherVersion:
    """Make the error of a side that speaks another version; all in one sentence, which logs and statuses tell."""
    older = "the other" if protocol < PROTOCOL else "this"
    return OtherVersion(
        f"protocol version {protocol} not supported: this side speaks version {PROTOCOL}; upgrade {older} side"
    )


def damaged() -> ProtocolError:
    """Make the error of a frame that was changed on its way."""
    return ProtocolError("frame damaged: its checksum does not match its content")


def _encode_body(message: Message) -> bytearray:
    """Encode a message and remember what came of it; one that was encoded last is not encoded again."""
    global _last_encoded
    body = _codec().encode(message)
    _last_encoded = (message, body) if len(body) <= REMEMBERED_BYTES_MAX else (None, bytearray())
    return body


def _part(frame: Frame, body: bytearray, flags: int) -> bytes:
    session, epoch, sequence, message = frame
    kind = KIND_NUMBERS[type(message)]
    checked = pack_checked(MAGIC, PROTOCOL, kind, flags, session % SESSION_MODULUS, len(body), epoch, sequence)
    return b"".join((checked, crc32(body, crc32(checked)).to_bytes(4, "big"), body))


def _checksum(part: bytes) -> int:
    return crc32(memoryview(part)[HEADER_BYTES:], crc32(part[:CRC_OFFSET]))


def packed_form(value: object) -> object:
    """Let packed changes be sent as they are.

    Raises:
        TypeError: nothing else comes as a message that is no value of it.
    """
    if isinstance(value, PackedChanges):
        return value.packed
    raise TypeError(f"no message carries a {type(value).__name__}")


class _PlainRun(NamedTuple):
    """A LogRun whose changes all put or replace a record under a rowid, without a BLOB.

    Most are so, and what is of these types needs no further look: the decoder has looked, in a fraction of the time.
    """

    lsn: LSN
    transaction: int
    changes: list[tuple[Literal[1, 2], int, int, int, tuple[int | float | str | None, ...]]]
    counts: list[int]
    root: int | None
    time: float


class _PlainLog(NamedTuple):
    """A TxnLog of such runs."""

    runs: list[_PlainRun]
    stable_lsn: LSN


class _Codec:
    """One msgspec encoder and a decoder per kind of message, made when the first message needs them."""

    def __init__(self) -> None:
        import msgspec

        self._encode_into = msgspec.msgpack.Encoder(enc_hook=packed_form).encode_into
        self.decode_changes = msgspec.msgpack.Decoder(list[Change]).decode
        self._decoders: dict[int, msgspec.msgpack.Decoder[Any]] = {}
        self._decoder_class = msgspec.msgpack.Decoder
        self._decode_plain = msgspec.msgpack.Decoder(_PlainLog).decode
        self._error = msgspec.MsgspecError

    def encode(self, value: object) -> bytearray:
        """Encode a value. Not by the encoder's own `encode`: without memory for its result that ends the process."""
        body = bytearray()
        self._encode_into(value, body)
        return body

    def decode(self, kind: int, body: bytes) -> Message:
        if kind == LOG_KIND and (log := self._decode_log(body)) is not None:
            return log
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = self._decoder_class(KINDS[kind])
        try:
            if len(body) < HELD_BYTES_MIN:
                message: Message = decoder.decode(body)
            else:
                with collector_paused():
                    message = decoder.decode(body)
        except (self._error, UnicodeDecodeError, RecursionError, OverflowError) as error:
            raise ProtocolError(
                f"malformed {KINDS[kind].__name__} message", detail=f"{type(error).__name__}: {error}"
            ) from error
        check = _CHECKS.get(kind)
        return message if check is None else check(message)

    def _decode_log(self, body: bytes) -> TxnLog | None:
        """Decode a TxnLog of plain runs; None for any other."""
        try:
            with collector_paused():
                log = self._decode_plain(body)
        except (self._error, UnicodeDecodeError, RecursionError, OverflowError):
            return None
        return TxnLog(tuple([_check_run(run, run.changes) for run in log.runs]), log.stable_lsn)


# Each refuses what msgpack can carry and a record cannot (maps, booleans, deeper lists) and makes lists tuples again.


def _check_log(message: TxnLog) -> TxnLog:
    return TxnLog(tuple([_check_run(run, check_changes(run.changes)) for run in message.runs]), message.stable_lsn)


def _check_run(run: LogRun | _PlainRun, checked: Sequence[Change]) -> LogRun:
    lsn, transaction, changes, counts, root, time = run
    if not counts or min(counts) < 0 or sum(counts) != len(changes):
        raise ProtocolError(
            "malformed TxnLog message: a run whose commits do not make its changes",
            detail=f"It has {len(changes)} changes; its {len(counts)} commits make {sum(counts)}.",
        )
    return LogRun(lsn, transaction, checked, counts, root, time)


def _check_whole(message: TxnWhole) -> TxnWhole:
    transaction, base, lsn, changes, root, stable, time, early = message
    return make(TxnWhole, (transaction, base, lsn, check_changes(changes), root, stable, time, early))


def _check_updates(message: Updates) -> Updates:
    return Updates(message.transaction, message.first, check_changes(message.changes))


def check_image(message: BlockImage) -> BlockImage:
    if len(message.keys) != len(message.records):
        raise ProtocolError(
            f"malformed BlockImage message: {len(message.keys)} keys and {len(message.records)} records"
        )
    # All values at once: one by one this would be most of what a snapshot costs.
    if not INTEGERS.issuperset(map(type, message.keys)):
        for key in message.keys:
            _values(key)
    if not ARRAYS.issuperset(map(type, message.records)):
        raise ProtocolError("malformed BlockImage message: a record that is no array")
    try:
        masks = classes_of(message.records)
    except StorageError as error:
        raise ProtocolError(f"malformed BlockImage message: {error}") from error
    image: CheckedImage = make(CheckedImage, message)
    image.masks = masks
    return image


_CHECKS: dict[int, Callable[[Any], Message]] = {
    KIND_NUMBERS[TxnLog]: _check_log,
    KIND_NUMBERS[TxnWhole]: _check_whole,
    KIND_NUMBERS[Updates]: _check_updates,
    KIND_NUMBERS[BlockImage]: check_image,
}


def check_changes(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Check changes, the most frequent kinds without a call for each."""
    checked: list[Change] = []
    for change in changes:
        operation, table, block, key, record = change
        if type(record) is list and type(key) is int and (operation == INSERT or operation == UPDATE):
            if not VALUE_TYPES.issuperset(map(type, record)):
                raise no_storage_class(record)
            checked.append((operation, table, block, key, tuple(record)))
        else:
            checked.append(_change(operation, table, block, key, record))
    return tuple(checked)


def _change(operation: int, table: int, block: int, key: Any, record: Any) -> Change:
    if operation == APPEND:
        if type(key) is not list or type(record) is not list or len(key) != len(record):
            raise ProtocolError("malformed change: APPEND needs as many unique keys as records")
        return (operation, table, block, [_values(item) for item in key], [_values(item) for item in record])
    if operation == SPLIT:
        if type(record) is not list or len(record) != 2 or type(record[0]) is not int:
            raise ProtocolError("malformed change: SPLIT needs a position and a unique key")
        return (operation, table, block, _values(key), (record[0], _values(record[1])))
    return (operation, table, block, _values(key), _values(record))


def _values(value: Any) -> Any:
    """Check a unique key, a record or a number; arrays come as lists (any type) or tuples (typed)."""
    kind = type(value)
    if kind is int or value is None:
        return value
    if kind is list or kind is tuple:
        if VALUE_TYPES.issuperset(map(type, value)):
            return tuple(value)
        raise no_storage_class(value)
    raise ProtocolError(f"a {kind.__name__} stands where a unique key or a record belongs")


def no_storage_class(values: Sequence[Any]) -> ProtocolError:
    """Make the error of a record with values that no record may have."""
    names = ", ".join(sorted({type(item).__name__ for item in values}))
    return ProtocolError("a record holds values of no storage class", detail=f"Its values are of types {names}.")


_last_encoded: tuple[Message | None, bytearray] = (None, bytearray())
_the_codec: _Codec | None = None


def _codec() -> _Codec:
    """Load msgspec with the first message: `import tandemdb` stays light."""
    global _the_codec
    if _the_codec is None:
        _the_codec = _Codec()
    return _the_codec
