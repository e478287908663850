"""The wire: what is encoded comes back the same, in pieces of any size; what no peer sends is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandemdb.replication import ProtocolError
from tandemdb.replication.core.messages import (
    KINDS,
    LSN,
    Ack,
    BlockImage,
    Epoch,
    Frame,
    Heartbeat,
    LogRun,
    Position,
    Term,
    TxnLog,
    Updates,
)
from tandemdb.replication.network import wire
from tandemdb.storage.values import HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT

VALUES = st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
RECORDS = st.lists(VALUES, max_size=5).map(tuple)
KEYS = st.integers(-(1 << 63), (1 << 63) - 1) | RECORDS
CHANGES = st.one_of(
    st.tuples(st.sampled_from([1, 2]), st.integers(0, 99), st.integers(0, 99), KEYS, RECORDS),
    st.tuples(st.just(3), st.integers(0, 99), st.integers(0, 99), KEYS, st.none()),
    st.tuples(st.just(4), st.just(7), st.just(1), st.integers(0, 99), st.tuples(st.integers(0, 128), KEYS)),
    st.tuples(st.just(5), st.just(7), st.just(1), st.integers(0, 99), st.none()),
    st.tuples(st.just(6), st.just(7), st.just(1), KEYS, st.integers(0, 128)),
    st.lists(st.tuples(KEYS, RECORDS), max_size=4).map(
        lambda pairs: (7, 7, 1, [key for key, _ in pairs], [record for _, record in pairs])
    ),
)


def message_types(message: object) -> str:
    """Tell values of equal numbers apart: 1 and 1.0, 0.0 and -0.0."""
    return repr(message)


@given(st.lists(CHANGES, max_size=6), st.integers(1, 50), st.integers(1, 40))
def test_changes_come_back_as_they_were(changes: list[tuple[object, ...]], piece: int, part: int) -> None:
    frames = [
        Frame(3, Epoch(7), 11, Updates(5, 0, tuple(changes))),  # type: ignore[arg-type]
        Frame(3, Epoch(7), 12, TxnLog((LogRun(LSN(9), 5, tuple(changes), (0, len(changes)), 1 << 63, 0.5),), LSN(8))),  # type: ignore[arg-type]
    ]
    data = b"".join(wire.encode(frame, part) for frame in frames)
    decoder = wire.Decoder()
    got = [frame for start in range(0, len(data), piece) for frame in decoder.feed(data[start : start + piece])]
    got[1] = got[1]._replace(message=with_tuples(got[1].message))
    assert got == frames
    assert message_types(got) == message_types(frames)
    assert decoder.waiting == 0


def with_tuples(log: TxnLog) -> TxnLog:
    """A log with tuples where it came with lists."""
    runs = [run._replace(counts=tuple(run.counts), changes=tuple(run.changes)) for run in log.runs]
    return TxnLog(tuple(runs), log.stable_lsn)


@pytest.mark.parametrize("changes", [
    ((2, 5, 1, 7, (7, True)),),
    ((2, 5, 1, 7, (7, (8,))),),
    ((2, 5, 1, 7, (7, {"a": 1})),),
    ((2, 5, 1, True, (7,)),),
    ((2, 5, 1, {"a": 1}, (7,)),),
    ((2, 5, 1, 7, (7,)), (1, 5, 1, 8, (8, [[1]]))),
])  # fmt: skip
def test_a_log_of_what_no_record_may_be_is_refused(changes: tuple[object, ...]) -> None:
    check_refused(LogRun(LSN(9), 5, changes, (len(changes),), None, 0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize("counts", [(), (1,), (3,), (1, 2), (3, -1), (0, 1, 0)])
def test_a_log_whose_commits_do_not_make_its_changes_is_refused(counts: tuple[int, ...]) -> None:
    check_refused(LogRun(LSN(9), 5, GOOD.changes * 2, counts, None, 0.5))


GOOD = LogRun(LSN(8), 4, ((2, 5, 1, 7, (7, "x")),), (1,), None, 0.5)


def check_refused(bad: LogRun) -> None:
    data = wire.encode(Frame(3, Epoch(7), 12, TxnLog((GOOD, bad), LSN(8))))
    with pytest.raises(ProtocolError):
        list(wire.Decoder().feed(data))


@given(st.lists(CHANGES, max_size=6), st.data())
def test_packed_changes_are_the_same_changes(changes: list[tuple[object, ...]], data: st.DataObject) -> None:
    packed = wire.PackedChanges(changes)  # type: ignore[arg-type]
    start, stop = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))
    assert len(packed) == len(changes)
    assert message_types(list(packed)) == message_types(changes)
    assert message_types(list(packed[start:stop])) == message_types(changes[start:stop])
    counts = (len(changes),)
    plainly, as_packed = (
        wire.encode(Frame(3, Epoch(7), 12, TxnLog((LogRun(LSN(9), 5, those, counts, None, 0.5),), LSN(8))))
        for those in (changes, packed)  # type: ignore[arg-type]
    )
    assert as_packed == plainly
    assert packed.size_bytes < len(plainly)


def test_every_kind_has_a_number_and_a_decoder() -> None:
    for number, kind in KINDS.items():
        assert msgspec.msgpack.Decoder(kind)
        assert wire.KIND_NUMBERS[kind] == number


def test_a_position_comes_back() -> None:
    position = Position(b"c", "n", b"i", "sync", (Term(Epoch(1), LSN(0), 0),), LSN(4), 5, 6, 7, (8, 9))
    [frame] = wire.Decoder().feed(wire.encode(Frame(1, Epoch(1), 0, position)))
    assert frame.message == position


FRAME = wire.encode(Frame(1, Epoch(1), 0, Ack(LSN(4), 9, LSN(3), None)))


@pytest.mark.parametrize("index", range(len(FRAME)))
def test_no_flipped_bit_passes(index: int) -> None:
    damaged = bytearray(FRAME)
    damaged[index] ^= 0x04
    decoder = wire.Decoder()
    try:
        assert list(decoder.feed(bytes(damaged))) == []
        assert decoder.waiting  # a length that grew: the rest never comes, and the link's time limit ends it
    except ProtocolError:
        pass


def test_oversized_frames_are_refused_by_their_header() -> None:
    with pytest.raises(ProtocolError, match="too large"):
        list(wire.Decoder(part_bytes_max=4).feed(FRAME))
    parts = wire.encode(Frame(1, Epoch(1), 0, Updates(1, 0, ((1, 2, 3, 4, ("x" * 100,)),))), 16)
    with pytest.raises(ProtocolError, match="too large"):
        list(wire.Decoder(body_bytes_max=40).feed(parts))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (14, ["x", 9, 3, None]),
        (14, [1]),
        (9, [1, 0, [[1, 2, 3, 4, [True]]]]),
        (9, [1, 0, [[1, 2, 3, 4, [[1]]]]]),
        (9, [1, 0, [[1, 2, 3, {"a": 1}, None]]]),
        (9, [1, 0, [[7, 2, 3, [1, 2], [[1]]]]]),
        (9, [1, 0, [[4, 2, 3, 1, 5]]]),
        (20, [1, 2, [1, 2], [[1]]]),
    ],
)
def test_malformed_bodies_are_refused(kind: int, body: list[object]) -> None:
    frame = Frame(1, Epoch(1), 0, Heartbeat(LSN(1), LSN(1), None, False))
    part = bytearray(wire._part(frame, msgspec.msgpack.encode(body), 0))
    part[3] = kind
    part[wire.CRC_OFFSET : wire.HEADER.size] = wire._checksum(bytes(part)).to_bytes(4, "big")
    with pytest.raises(ProtocolError):
        list(wire.Decoder().feed(bytes(part)))


def test_other_protocols_are_refused() -> None:
    for data in (b"GET / HTTP/1.1\r\nHost: example\r\n\r\n", b"\x00" * 64, FRAME[:2] + b"\x09" + FRAME[3:]):
        with pytest.raises(ProtocolError):
            list(wire.Decoder().feed(data))


def test_a_block_image_comes_back() -> None:
    image = BlockImage(7, 3, [1, (2, "a")], [("x", None), (1, 1.0)])
    [frame] = wire.Decoder().feed(wire.encode(Frame(1, Epoch(1), 0, image)))
    assert message_types(BlockImage(*frame.message)) == message_types(image)
    assert frame.message.masks == (HOLDS_TEXT | HOLDS_INT, HOLDS_NULL | HOLDS_FLOAT)


@pytest.mark.parametrize(
    "records", [[(1, "x"), (2,)], [(1, True)], [(1, (2,))], [(1, {"a": 1})], ["ab"], [{"a": 1}]]
)
def test_a_block_image_of_what_no_table_holds_is_refused(records: list[Any]) -> None:
    with pytest.raises(ProtocolError):
        wire.check_image(BlockImage(7, 3, list(range(len(records))), records))
