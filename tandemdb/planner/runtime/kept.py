"""What joins keep of a table: its records by the values of some columns, for as long as it does not change.

    one version of "orders" ----> kept   (3,)      {7: [r1 r9], 8: [r2], ...}      all records, by o_custkey
                                         key 12    {501: [r3 r4]}                  what was asked of a key
                                         "find"    1200                            look-ups so far, or {id: record}

A table that a committed root reaches never changes, so what one execution made of it serves the next; it is given up
with that version of the table. A version that a transaction may still change keeps nothing. Dictionaries are kept
from their second use on: a query that runs once leaves nothing behind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from tandemdb.storage.reading import TableReading
from tandemdb.storage.values import CLASS_RANK, HOLDS_INT, HOLDS_TEXT

Record = tuple[Any, ...]
Rows = Any
"""A list of records, or of (unique key, record)."""

KEPT_MAX = 16
"""So many things are kept of one version of a table."""
KEPT_RECORDS_MAX = 500_000
"""Of a larger table nothing is kept but what was asked of its keys: a dictionary takes about 100 bytes a record."""
FINDS_PART = 0.25
"""Look-ups by the unique key, as a share of the records, from which on a dictionary costs less."""
MANY_KEYS = 64
"""Fewer records are found in the table itself."""
SAMPLE = 1024
"""So many values tell whether they recur."""
RECURRING_PART = 0.75
"""Of these at most this share may be different ones."""
SHARED_CLASSES = frozenset({HOLDS_INT, HOLDS_TEXT})
"""Values of these classes, none of them NULL, are the same if they are equal."""
UNDER_MAX = 100_000
"""Values asked of a key whose answers are kept; then all are forgotten."""


def records_by(context: Any, table: Any, positions: tuple[int, ...], single: bool, with_keys: bool) -> dict[Any, Any]:
    """The records by the values of some columns (-1: the unique key), those with a NULL among them left out.

    One column's values stand bare, several as a tuple. Under each is a list in the order of unique keys, or with
    `single` one record; `with_keys` puts (unique key, record) in a record's place.
    """

    def make() -> dict[Any, Any]:
        lists = context.watched(table.record_lists())
        records = chain.from_iterable(lists)
        items: Iterable[Any] = records
        if with_keys or -1 in positions:
            items = chain.from_iterable(map(zip, table.key_lists(), lists))
        return grouped(items, value_of(positions, with_keys), single, with_keys, -1 in positions)

    found: dict[Any, Any] = kept(table, (positions, single, with_keys), make)
    return found


def values_by(context: Any, table: Any, positions: tuple[int, ...], position: int) -> dict[Any, Any]:
    """One column of the records, which is never NULL, by the values of some that no two have the same."""

    def make() -> dict[Any, Any]:
        records = list(chain.from_iterable(context.watched(table.record_lists())))
        keys, values = map(itemgetter(*positions), records), list(map(itemgetter(position), records))
        if table.classes[position] in SHARED_CLASSES:
            values = shared(values)
        return without_null(dict(zip(keys, values, strict=True)))

    found: dict[Any, Any] = kept(table, ("values", positions, position), make)
    return found


def shared(values: list[Any]) -> list[Any]:
    """The values, one object for all that are equal, if they recur: what is read often then lies close together."""
    sample = values[:SAMPLE]
    if len(set(sample)) > len(sample) * RECURRING_PART:
        return values
    objects: dict[Any, Any] = {}
    return list(map(objects.setdefault, values, values))


def counts_by(context: Any, table: Any, positions: tuple[int, ...]) -> dict[Any, int]:
    """How many records have the same values of some columns, without those with a NULL among them."""

    def make() -> dict[Any, int]:
        lists = context.watched(table.record_lists())
        return without_null(Counter(map(itemgetter(*positions), chain.from_iterable(lists))))

    found: dict[Any, int] = kept(table, ("counts", positions), make)
    return found


def extremes_by(context: Any, table: Any, positions: tuple[int, ...], position: int, least: bool) -> dict[Any, Any]:
    """The least or greatest value of a column, of numbers or texts, by the values of others; of NULLs alone none."""

    def make() -> dict[Any, Any]:
        records = list(chain.from_iterable(context.watched(table.record_lists())))
        keys, values = map(itemgetter(*positions), records), map(itemgetter(position), records)
        found: dict[Any, Any] = {}
        for key, value in zip(keys, values, strict=True):
            if value is None:
                continue
            known = found.get(key)
            if known is None or (value < known if least else value > known):
                found[key] = value
        return without_null(found)

    made: dict[Any, Any] = kept(table, ("least" if least else "greatest", positions, position), make)
    return made


def value_of(positions: tuple[int, ...], with_keys: bool) -> Callable[[Any], Any]:
    """What a record, or a pair of unique key and record, is found by."""
    if -1 in positions:
        if positions == (-1,):
            return itemgetter(0)
        return lambda item: tuple([item[0] if place < 0 else item[1][place] for place in positions])
    values = itemgetter(*positions)
    return (lambda item: values(item[1])) if with_keys else values


def grouped(
    items: Iterable[Any], value: Callable[[Any], Any], single: bool, with_keys: bool, paired: bool
) -> dict[Any, Any]:
    """The items by their values; pairs that only told the unique key become records again."""
    listed = list(items)
    under = [item[1] for item in listed] if paired and not with_keys else listed
    if single:
        return without_null(dict(zip(map(value, listed), under, strict=True)))
    lists: defaultdict[Any, list[Any]] = defaultdict(list)
    for found, item in zip(map(value, listed), under, strict=True):
        lists[found].append(item)
    lists.default_factory = None
    return without_null(lists)


def without_null(found: dict[Any, Any]) -> dict[Any, Any]:
    """Without what stands under a NULL, or under several values with a NULL among them: it equals nothing."""
    found.pop(None, None)
    nulls = [key for key in found if type(key) is tuple and None in key]
    for key in nulls:
        del found[key]
    return found


def kept(table: Any, name: Any, make: Callable[[], Any]) -> Any:
    """What the table keeps under a name, made if it is not there; kept if it was made before."""
    if table.writer.stamp == table.stamp or table.count > KEPT_RECORDS_MAX:
        return make()
    shelf = shelf_of(table)
    found = shelf.get(name)
    if found is None:
        found = make()
        if name in shelf:
            shelf[name] = found
        else:
            put(shelf, name, None)
    return found


def shelf_of(table: Any) -> dict[Any, Any]:
    shelf: dict[Any, Any] | None = table.kept
    if shelf is None:
        shelf = table.kept = {}
    return shelf


def put(shelf: dict[Any, Any], name: Any, value: Any) -> None:
    if len(shelf) >= KEPT_MAX and name not in shelf:
        shelf.clear()
    shelf[name] = value


def finder(context: Any, table: Any, finds: int) -> Callable[[Any], Record | None]:
    """A function from a number to the record that has it as its unique key: the table's own, or of a dictionary.

    `finds`: how many look-ups this execution is expected to make.
    """
    if table.writer.stamp == table.stamp or table.count > KEPT_RECORDS_MAX:
        return table.find  # type: ignore[no-any-return]
    shelf = shelf_of(table)
    found = shelf.get("find", 0)
    if type(found) is int:
        if found + finds <= table.count * FINDS_PART:
            put(shelf, "find", found + finds)
            return table.find  # type: ignore[no-any-return]
        lists = context.watched(table.record_lists())
        keys = chain.from_iterable(table.key_lists())
        found = dict(zip(keys, chain.from_iterable(lists), strict=True))
        put(shelf, "find", found)
    return found.get  # type: ignore[no-any-return]


def records_under(context: Any, table: Any, keys: list[Any]) -> list[Record]:
    """The records under unique keys that a secondary key brought: many through the dictionary, where it is kept."""
    if len(keys) < MANY_KEYS:
        return table.find_many(keys)  # type: ignore[no-any-return]
    find = finder(context, table, len(keys))
    if find == table.find:
        return table.find_many(keys)  # type: ignore[no-any-return]
    return list(map(find, keys))  # type: ignore[arg-type]


Under = TypeVar("Under", bound="RowsUnder")


class RowsUnder(dict[Any, Rows]):
    """The rows under the values of a key's first columns, each found when it is first asked for.

    One column's value stands bare, several as a tuple; under NULL there is nothing. `form`: records, items (unique key
    and record) or the unique keys alone.
    """

    __slots__ = ("key", "reader", "width", "form")

    def __init__(self, table: Any, key_id: int, width: int, form: str) -> None:
        self.key = table.keys[key_id]
        # Not the table: it keeps this, and a circle would outlive its last reader.
        self.reader = TableReading.__new__(TableReading)
        self.reader.location = table.location
        self.width = width
        self.form = form

    def __missing__(self, value: Any) -> Rows:
        keys = self.keys_under(value)
        if keys is None:
            return ()
        rows = keys
        if self.form != "keys":
            rows = self.reader.find_items(keys) if self.form == "items" else self.reader.find_many(keys)
        self.keep(value, rows)
        return rows

    def keys_under(self, value: Any) -> Any:
        """The unique keys under a value; None for NULL, or where NULL is among several."""
        if self.width == 1:
            rank = CLASS_RANK[type(value)]
            if not rank:
                return None
            whole = len(self.key.definition.columns) == 1
            return self.key.equal(rank, value) if whole else self.key.prefix_keys(rank, (value,))
        if None in value:
            return None
        rank = CLASS_RANK[type(value[0])]
        stored = [value[0]]
        for part in value[1:]:
            stored += (CLASS_RANK[type(part)], part)
        whole = len(self.key.definition.columns) == self.width
        return self.key.equal(rank, tuple(stored)) if whole else self.key.prefix_keys(rank, tuple(stored))

    def keep(self, value: Any, found: Any) -> None:
        if len(self) >= UNDER_MAX:
            self.clear()
        self[value] = found


class ExtremesUnder(RowsUnder):
    """As `RowsUnder`, of the rows only the least or the greatest value of a column, which may be of numbers or texts.

    `nothing` stands for that of no rows, and of NULLs alone.
    """

    __slots__ = ("position", "extreme", "nothing")

    def __init__(self, table: Any, key_id: int, width: int, position: int, least: bool, nothing: Any) -> None:
        super().__init__(table, key_id, width, "records")
        self.position = position
        self.extreme = min if least else max
        self.nothing = nothing

    def __missing__(self, value: Any) -> Any:
        keys = self.keys_under(value)
        if keys is None:
            return self.nothing
        values = [record[self.position] for record in self.reader.find_many(keys)]
        found = self.extreme([item for item in values if item is not None], default=self.nothing)
        self.keep(value, found)
        return found


def rows_under(table: Any, key_id: int, width: int, form: str) -> RowsUnder:
    """The rows under the first `width` columns of a secondary key, by their values as the key stores them."""
    return under(table, (key_id, width, form), lambda: RowsUnder(table, key_id, width, form))


def extremes_under(table: Any, key_id: int, width: int, position: int, least: bool, nothing: Any) -> ExtremesUnder:
    """The least or greatest value of a column under the first `width` columns of a secondary key."""
    name = key_id, width, "least" if least else "greatest", position
    return under(table, name, lambda: ExtremesUnder(table, key_id, width, position, least, nothing))


def under(table: Any, name: Any, make: Callable[[], Under]) -> Under:
    if table.writer.stamp == table.stamp:
        return make()
    shelf = shelf_of(table)
    found: Under | None = shelf.get(name)
    if found is None:
        found = make()
        put(shelf, name, found)
    return found
