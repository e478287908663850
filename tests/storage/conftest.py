"""Small blocks: with 4 records a block and 3 blocks a page, short runs split, free and page like long ones.

Secondary keys let as few changes wait.
"""

from __future__ import annotations

import pytest

from tandemdb.storage import check, entry_runs, location, secondary, segment, table, writing


@pytest.fixture(scope="module")
def small_blocks() -> pytest.MonkeyPatch:
    """Shrink blocks and pages for a module's tests (hypothesis reuses a fixture for all its examples)."""
    patch = pytest.MonkeyPatch()
    for module in (table, writing, secondary, segment, entry_runs, check):
        patch.setattr(module, "BLOCK_RECORDS_MAX", 4)
    for module in (location, check):
        patch.setattr(module, "PAGE_BLOCKS_MAX", 3)
    for module in (segment, entry_runs):
        patch.setattr(module, "BUILD_FILL", 3)
    patch.setattr(entry_runs, "RUN_MERGED_MIN", 2)
    patch.setattr(secondary, "RUNS_MIN", 2)
    patch.setattr(segment, "DISTINCT_STEPS_MAX", 10)
    for name, few in (("CHANGES_FEW", 2), ("CHANGES_AT_ONCE", 3), ("CHANGES_MAX", 6)):
        patch.setattr(secondary, name, few)
    yield patch
    patch.undo()
