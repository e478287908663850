"""The steps that changes of a table are made of: blocks and keys of its own, classes, and the sum of digests.

    own_block(page, block)      copied unless it bears this stamp    ----> noted for `summed`, as new and freed ones are
    open_block, fill_blocks     behind all others, logged as NEW           own_keys    secondary keys, copied likewise
    split_for, free_block       inside, logged as SPLIT and FREE           widen       classes that columns hold now

`Table` calls them in the order in which a change needs them; `TableReading` is what both read with.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandemdb.storage.block import BLOCK_RECORDS_MAX, Block, BlockDigest, Stamp
from tandemdb.storage.changes import APPEND, NEW, SPLIT
from tandemdb.storage.errors import NeedsCopies, NoSuchKey, StaleTable
from tandemdb.storage.hashing import MASK, hash_records, mix
from tandemdb.storage.reading import Place, TableReading
from tandemdb.storage.secondary import SecondaryKey
from tandemdb.storage.sums import NOTED_MIN, Note, Summed, note, settle, settle_sum
from tandemdb.storage.values import (
    CLASS_RANK,
    Key,
    Record,
    widen_classes,
)

SIGNATURES_MAX = 1024


class TableWriting(TableReading):
    """A table that may be changed while it and its writer bear the same stamp."""

    __slots__ = ()

    def check_copied(self) -> None:
        """Refuse to change many records in place, or in a table that is read-only."""
        if self.writer.stamp != self.stamp:
            raise StaleTable(self.id)
        if self.writer.undo is not None:
            raise NeedsCopies(self.id, many=True)

    def locate(self, key: Key) -> Place:
        """Find the place of a unique key in a table that may be changed.

        Raises:
            NoSuchKey: the table does not hold it.
        """
        self.check_writable()
        place = self.seek(key)
        if place is None:
            raise NoSuchKey(self.id, key)
        return place

    def check_writable(self) -> None:
        """Refuse to change a table that is read-only."""
        if self.writer.stamp != self.stamp:
            raise StaleTable(self.id)

    def own_block(self, page_index: int, block_index: int) -> Block:
        """Copy a block unless it is this table's alone, and note that for the table's sum."""
        block = self.location.pages[page_index].blocks[block_index]
        if block.stamp < self.stamp:
            self.writer.dirty = True
            summed, self.summed = self.summed, None  # unknown, if something comes in between
            block = self.location.own_block(page_index, block_index)
            if summed is not None:
                self.summed = note(summed, block.number, block.digest, block, self.location.block_count)
        return block

    def note_block(self, number: int, digest: BlockDigest, block: Block | None) -> None:
        """Note for the table's sum what a block with this digest was replaced by."""
        self.summed = note(self.summed, number, digest, block, self.location.block_count)

    def note_new_block(self, block: Block) -> None:
        """Book a block that was opened in this transaction."""
        self.writer.dirty = True
        self.note_block(block.number, 0, block)

    def open_block(self, keys: list[Key], records: list[Record]) -> Block:
        """Open a block behind all others, logging it as yet empty."""
        location = self.location
        changes = self.writer.changes
        if changes is not None:
            changes.append((NEW, self.id, location.next_number, location.block_count, None))
        block = location.open_block(location.next_number, keys, records)
        self.note_new_block(block)
        return block

    def split_for(self, page_index: int, block_index: int, index: int) -> tuple[Block, int]:
        """Halve a full block; return the half that takes the entry meant for `index`, and its index there."""
        location = self.location
        left = self.own_block(page_index, block_index)
        number = location.next_number
        middle = len(left.keys) // 2
        changes = self.writer.changes
        if changes is not None:
            changes.append((SPLIT, self.id, left.number, number, (middle, left.keys[middle])))
        left, right = location.split_block(page_index, block_index, number, middle)
        self.note_new_block(right)
        # What lies between the halves goes to the right one: its key is above the left one's highest.
        return (left, index) if index < middle else (right, index - middle)

    def fill_blocks(self, keys: list[Key], records: list[Record]) -> None:
        """Append ascending records: to the last block while it has room, then in whole blocks."""
        location = self.location
        changes = self.writer.changes
        done = 0
        if location.pages:
            page_index = len(location.pages) - 1
            block_index = len(location.pages[page_index].blocks) - 1
            done = min(len(keys), BLOCK_RECORDS_MAX - len(location.pages[page_index].blocks[block_index].keys))
            if done > 0:
                block = self.own_block(page_index, block_index)
                block.keys += keys[:done]
                block.records += records[:done]
                block.digest = None
                location.raise_last_high(block.keys[-1])
                if changes is not None:
                    changes.append((APPEND, self.id, block.number, keys[:done], records[:done]))
        for start in range(done, len(keys), BLOCK_RECORDS_MAX):
            stop = start + BLOCK_RECORDS_MAX
            block = self.open_block(keys[start:stop], records[start:stop])
            if changes is not None:
                changes.append((APPEND, self.id, block.number, keys[start:stop], records[start:stop]))

    def free_block(self, page_index: int, block_index: int, with_keys: bool = False) -> None:
        """Take a whole block out with its records; the caller logs it."""
        block = self.own_block(page_index, block_index)
        self.location.remove_block(page_index, block_index)
        self.count -= len(block.keys)
        self.note_block(block.number, block.digest, None)
        if with_keys and self.keys:
            for key, record in zip(block.keys, block.records, strict=True):
                self.remove_from_keys(key, record)

    def widen(self, record: Record) -> None:
        """Let the classes cover a record of types not met so far."""
        signature = tuple(map(type, record))
        self.grow_classes(widen_classes(self.classes, signature))
        if len(self.signatures) >= SIGNATURES_MAX:
            self.signatures = set()
        self.signatures.add(signature)

    def grow_classes(self, classes: tuple[int, ...]) -> None:
        """Take over masks, which are the same object if they did not grow."""
        if classes is not self.classes:
            self.classes = classes
            # The set is shared with other versions of the very same masks, so it cannot be kept.
            self.signatures = set()

    def empty_keys(self) -> None:
        """Begin the secondary keys anew, without entries."""
        self.keys = {key_id: SecondaryKey(secondary.definition, self.stamp) for key_id, secondary in self.keys.items()}
        self.maintained = None

    def own_keys(self) -> list[SecondaryKey]:
        """Copy the secondary keys unless they are this table's alone; return those that are kept up."""
        maintained = self.maintained
        if maintained is None:
            stamp = self.stamp
            self.keys = {key_id: secondary.owned(stamp) for key_id, secondary in self.keys.items()}
            maintained = self.maintained = [secondary for secondary in self.keys.values() if not secondary.stale]
        return maintained

    def own_key(self, key_id: int) -> SecondaryKey:
        """Copy one secondary key unless it is this table's alone."""
        before = self.keys[key_id]
        secondary = before.owned(self.stamp)
        if secondary is not before:
            self.keys = {**self.keys, key_id: secondary}
        return secondary

    def change_keys(self, key: Key, old: Record, record: Record, key_ids: Sequence[int] | None = None) -> None:
        """Move the entries of a record that was replaced; keys on other columns are not even copied."""
        waits = self.writer.undo is not None
        for key_id, secondary in self.keys.items():
            if key_ids is not None and key_id not in key_ids:
                continue
            position = secondary.position
            if position >= 0:
                if old[position] is record[position]:
                    continue
            elif secondary.stale or not secondary.touched_by(old, record):
                continue
            secondary = self.own_key(key_id)
            if waits and secondary.wait(key, old, record, self.writer):
                continue
            secondary.change(key, old, record)

    def rebuild_keys(self) -> None:
        """Build the secondary keys anew from the records."""
        self.empty_keys()
        keys = [key for block in self.location.blocks() for key in block.keys]
        records = [record for block in self.location.blocks() for record in block.records]
        for secondary in self.own_keys():
            secondary.add_many(keys, records)

    def add_to_keys(self, key: Key, record: Record) -> None:
        """Add a record's entries to the secondary keys."""
        maintained = self.maintained
        waits = self.writer.undo is not None
        for secondary in self.own_keys() if maintained is None else maintained:
            if waits and not secondary.definition.unique and secondary.wait(key, None, record, self.writer):
                continue
            position = secondary.stored_as_is
            if position >= 0:
                value = record[position]
                if value is not None:  # `entry_of`, written out: 0.1 us
                    secondary.add(CLASS_RANK[type(value)], value, key)
                    continue
            gap = secondary.gap
            if gap is not None and secondary.holds is not None and secondary.holds(gap[1], record):
                secondary.add(gap[0], gap[1], key)  # looked for in vain just before
                continue
            entry = secondary.entry_of(key, record)
            if entry is not None:
                secondary.add(entry[0], entry[1], key)

    def remove_from_keys(self, key: Key, record: Record) -> None:
        """Take a record's entries out of the secondary keys."""
        maintained = self.maintained
        waits = self.writer.undo is not None
        for secondary in self.own_keys() if maintained is None else maintained:
            if waits and secondary.wait(key, record, None, self.writer):
                continue
            position = secondary.stored_as_is
            if position >= 0:
                value = record[position]
                if value is not None:  # `entry_of`, written out: 0.1 us
                    secondary.remove(CLASS_RANK[type(value)], value, key)
                    continue
            entry = secondary.entry_of(key, record)
            if entry is not None:
                secondary.remove(entry[0], entry[1], key)

    def digest(self) -> int:
        """Return the digest of the records and of the numbers of the blocks that hold them.

        Cost: O(records) the first time, later O(blocks changed since).
        """
        changing = self.writer.oldest_changing()
        summed = self.summed
        if summed is not None and summed[1] is not None:
            summed = settle_sum(summed, self.id, changing, self.block_digest)
        if summed is None:
            summed = self.sum_blocks(changing)
        self.summed = summed  # One assignment: other readers may be here too.
        return summed[0]

    def sum_blocks(self, changing: Stamp) -> Summed:
        """Sum up all blocks; those that bear this stamp or a newer one may still change, and are noted."""
        total = 0
        last: Note | None = None
        count = 0
        for block in self.location.blocks():
            digest = self.block_digest(block)
            total += mix(self.id, block.number, digest)
            if block.stamp >= changing:
                last = (last, block.number, digest, block)
                count += 1
        return (total & MASK, last, count, count + NOTED_MIN)

    def digest_of(self, keys: list[Key], records: list[Record]) -> int:
        """Return the digest of a block that holds these, computed from them."""
        return hash_records(keys if self.definition.kind == "rowid" else None, records)

    def block_digest(self, block: Block) -> int:
        """Return a block's digest, remembering it there."""
        digest = block.digest
        if digest is None:
            digest = block.digest = self.digest_of(block.keys, block.records)
        elif type(digest) is tuple:
            digest = block.digest = settle(digest, self.definition.kind == "rowid")
        return digest  # type: ignore[return-value]
