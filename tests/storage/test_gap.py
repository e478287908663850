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
