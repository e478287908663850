"""Where a value was looked for in vain, its entry is added without another search, if the key is as it was.

    probe("d")     "b" "f" "h"        gap = before "f"
    add("d")       "b" "d" "f" "h"    no search
    add("c")       gap forgotten: each change of the key moves entries
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from tandemdb.storage.block import next_stamp
from tandemdb.storage.definition import KeyColumn, KeyDefinition
from tandemdb.storage.secondary import SecondaryKey

VALUES: dict[str, Any] = {
    "one column": [0, *range(-40, 2000, 3), 0.5, *[f"text {n:04d}" for n in range(600)], None],
    "two columns": [0, 1, 2, None, "a", "b", 1.5],
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", VALUES)
def test_any_order(kind: str, seed: int) -> None:
    """What probes, additions and removals in any order leave is what is left without a probe."""
    draw = random.Random(f"{kind} {seed}")
    width = 1 if kind == "one column" else 2
    definition = KeyDefinition(1, 2, tuple([KeyColumn(at) for at in range(width)]))
    probed = SecondaryKey(definition, next_stamp())
    values = [draw.choice(VALUES[kind]) for _ in range(1500)] if width == 1 else draw.choices(VALUES[kind], k=1500)
    records = [(value, draw.randrange(400)) for value in values]
    there: dict[int, Any] = {}
    gaps = 0
    for key, record in enumerate(records):
        entry = probed.entry_of(key, record)
        assert entry is not None
        same = [other for other, (kept, _) in there.items() if kept == entry]
        assert probed.probe(*entry) == min(same, default=None) == probed.first(*entry)
        between = draw.randrange(8)
        if between == 0 and there:
            gone = draw.choice(list(there))
            probed.remove(*there.pop(gone)[0], gone)
        elif between == 1:
            stranger = records[draw.randrange(len(records))]
            probed.add(*(probed.entry_of(-key - 1, stranger) or (0, 0)), -key - 1)
            there[-key - 1] = (probed.entry_of(-key - 1, stranger), stranger)
        elif between == 2 and len(there) > 20:
            many = sorted(draw.sample(list(there), 20))
            probed.remove_many(many, [there.pop(each)[1] for each in many])
        elif between == 3:
            probed = probed.copy(next_stamp())
        gaps += probed.gap is not None
        probed.add(*entry, key)
        assert probed.gap is None
        there[key] = (entry, record)
    expected = sorted([(rank, stored, key) for key, ((rank, stored), _) in there.items()])
    assert list(probed.scan_entries()) == expected
    assert gaps > 100


def test_entries_one_behind_the_other() -> None:
    """Of a composite key, entries that come in runs go where those added last tell, wherever these are by now."""
    draw = random.Random("runs")
    key = SecondaryKey(KeyDefinition(1, 2, (KeyColumn(0), KeyColumn(1)), unique=True), next_stamp())
    there: list[tuple[int, Any, int]] = []
    last = dict.fromkeys([*range(20), "a", "b"], 0)
    for number in range(4000):
        if number % 9 == 0:
            lead = draw.choice(list(last))
        last[lead] += 1
        rank, stored = key.entry_of(number, (lead, last[lead])) or (0, 0)
        assert key.probe(rank, stored) is None
        key.add(rank, stored, number)
        there.append((rank, stored, number))
        if number % 50 == 0:
            key.remove(*there.pop(draw.randrange(len(there))))
        if number % 300 == 0:
            key = key.copy(next_stamp())
    assert list(key.scan_entries()) == sorted(there)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("most", [20, 8192])
def test_what_was_found_before(seed: int, unique: bool, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a composite key remembers of earlier look-ups is forgotten where it changes, one by one or many at once."""
    monkeypatch.setattr("tandemdb.storage.secondary_reading.KNOWN_MAX", most)
    draw = random.Random(f"known {seed}")
    key = SecondaryKey(KeyDefinition(1, 2, (KeyColumn(0), KeyColumn(1)), unique=unique), next_stamp())
    there: dict[int, tuple[Any, Any]] = {}
    for number in range(3000):
        record = (draw.choice([0, 1, 0.0, "a", b"a", None]), draw.choice([0, 1, 2, 1.0, "b", None, b""]))
        rank, stored = key.entry_of(number, record) or (0, 0)
        same = sorted(other for other, kept in there.items() if key.entry_of(other, kept) == (rank, stored))
        assert key.first(rank, stored) == (same[0] if same else None)
        step = draw.randrange(8)
        if step < 4 and not (unique and same):
            place = number if step else -number  # below those that are there
            key.add(rank, stored, place)
            there[place] = record
        elif step == 4 and same:
            key.remove(rank, stored, same[0])
            del there[same[0]]
        elif step == 5 and len(there) > 60:
            gone = sorted(draw.sample(sorted(there), 50))
            key.remove_many(gone, [there.pop(other) for other in gone])
        elif step == 6 and not unique:
            new = [number * 10 + 100_000 + at for at in range(5)]
            key.add_many(new, [record] * 5)
            there |= dict.fromkeys(new, record)
        elif step == 7:
            older, frozen = key, dict(there)
            key = key.copy(next_stamp())
            if same:
                key.remove(rank, stored, same[0])
                del there[same[0]]
                assert older.first(rank, stored) == same[0] and same[0] in frozen
