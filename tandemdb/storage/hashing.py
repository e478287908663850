"""Hashes of records and how they combine, so that a digest can follow a change without reading the whole block.

    record digest    blake2b, 8 bytes, of msgpack((unique key, record)): 1 and 1.0, "a" and b"a", 0.0 and -0.0 differ
    block digest     sum of its record digests                  mod 2^64
    table digest     sum of weight(table id, block number) * block digest
    database digest  sum of table digests

Sums can be kept up by adding and subtracting (see `sums`); the weights make them depend on which block holds what. They
find accidents, not attackers. Hashing a record takes 0.4 µs; a weight is drawn once a block.
A table of kind "unique" hashes None for its key, which the record determines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from itertools import repeat
from typing import Any

from tandemdb.storage.values import Key, Record

MASK = (1 << 64) - 1


@cache
def record_hasher() -> Callable[[Key | None, Record], int]:
    """Make the function from a unique key and a record to their digest; the first call imports msgspec."""
    from hashlib import blake2b

    from msgspec.msgpack import Encoder

    # Not `encode`: without memory for its result that ends the process.
    encode_into = Encoder().encode_into
    from_bytes = int.from_bytes
    # Copied for each record: to make one with its parameters costs three times as much.
    fresh = blake2b(digest_size=8).copy
    # To make a buffer for each record would cost a tenth of it all; several threads may be here, and be interrupted.
    buffers: list[bytearray] = []
    take, put_back = buffers.pop, buffers.append

    def record_digest(key: Key | None, record: Record) -> int:
        try:
            packed = take()
        except IndexError:
            packed = bytearray()
        try:
            encode_into((key, record), packed)
        except UnicodeEncodeError:
            encode_into((key, with_bytes(record)), packed)
        hashed = fresh()
        hashed.update(packed)
        put_back(packed)
        return from_bytes(hashed.digest(), "little")

    return record_digest


def with_bytes(record: Record) -> list[Any]:
    """Put the bytes in the place of texts that are no UTF-8 and have surrogates for them; neither text nor blob."""
    from msgspec.msgpack import Ext

    values: list[Any] = list(record)
    for place, value in enumerate(values):
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                values[place] = Ext(0, value.encode("utf-8", "surrogateescape"))
    return values


def hash_records(keys: list[Any] | None, records: list[Record]) -> int:
    """Sum the digests of a block's records; `keys` None hashes None for each key."""
    return block_hasher()(repeat(None) if keys is None else keys, records) & MASK


@cache
def block_hasher() -> Callable[[Iterable[Any], list[Record]], int]:
    """Make the function from keys and records to the sum of their digests: `record_hasher` without a call a record."""
    from hashlib import blake2b

    from msgspec.msgpack import Encoder

    encode_into = Encoder().encode_into
    from_bytes = int.from_bytes
    fresh = blake2b(digest_size=8).copy

    def block_digest(keys: Iterable[Any], records: list[Record]) -> int:
        total = 0
        packed = bytearray()
        try:
            for pair in zip(keys, records):  # noqa: B905 -- keys may go on for ever
                hashed = fresh()
                encode_into(pair, packed)
                hashed.update(packed)
                total += from_bytes(hashed.digest(), "little")
            return total
        except UnicodeEncodeError:
            digest = record_hasher()
            return sum([digest(key, record) for key, record in zip(keys, records)])  # noqa: B905 -- as above

    return block_digest


def mix(owner: int, number: int, digest: int) -> int:
    """Bind a digest to the place it belongs to: a factor for each place, so that sums can follow differences."""
    return weight(owner, number) * digest & MASK


@lru_cache(1 << 16)
def weight(owner: int, number: int) -> int:
    """Return the odd factor of one block of one table (two rounds of the splitmix64 finaliser)."""
    value = (owner * 0x9E3779B97F4A7C15 + number * 0xC2B2AE3D27D4EB4F + 0x165667B19E3779F9) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return (value ^ (value >> 31)) | 1
