"""Small blocks: with 4 records a block and 3 blocks a page, short runs split, free and page like long ones."""

from __future__ import annotations

import pytest

from tandemdb.storage import check, location, secondary, table


@pytest.fixture(scope="module")
def small_blocks() -> pytest.MonkeyPatch:
    """Shrink blocks and pages for a module's tests (hypothesis reuses a fixture for all its examples)."""
    patch = pytest.MonkeyPatch()
    for module in (table, secondary, check):
        patch.setattr(module, "BLOCK_RECORDS_MAX", 4)
    for module in (location, check):
        patch.setattr(module, "PAGE_BLOCKS_MAX", 3)
    patch.setattr(secondary, "BUILD_FILL", 3)
    patch.setattr(secondary, "DISTINCT_STEPS_MAX", 10)
    yield patch
    patch.undo()
