"""Test data that is too large for this repository and lies beside the checkout, if it is there at all."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(os.environ.get("TANDEMDB_SHARED") or Path(__file__).resolve().parents[2] / "shared")
MISSING = "not there: set TANDEMDB_SHARED to the folder that holds it, or put that beside the checkout as ../shared"


def shared_files(pattern: str) -> list[Path]:
    """Return the files under the shared folder that match a glob pattern, sorted; none if the folder is absent."""
    return sorted(SHARED.glob(pattern))
