"""Files of queries: each under a line `-- name`."""

from __future__ import annotations

from pathlib import Path


def read_queries(path: Path) -> list[tuple[str, str]]:
    """Return (name, text) of each query in the file, in its order."""
    pieces = ("\n" + path.read_text(encoding="utf-8")).split("\n-- ")[1:]
    return [(name, text.strip()) for name, _, text in (piece.partition("\n") for piece in pieces)]
