"""A small Django project played on tandemdb.django and on Django's own SQLite backend; the outcome must be the same.

python -m tests.django.run ENGINE     one process an engine, for Django's settings are a process's
  scenes.py: a result a scene  -----> compared here, a test a scene
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="Django is not installed")

ROOT = Path(__file__).parents[2]
NAMES = re.findall(r"^@scene\ndef (\w+)", (Path(__file__).parent / "shop" / "scenes.py").read_text("utf-8"), re.M)


@cache
def play(engine: str) -> dict[str, Any]:
    """Return the results of all scenes on an engine by name."""
    played = subprocess.run(
        [sys.executable, "-m", "tests.django.run", engine],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        timeout=100,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    lines = [json.loads(line) for line in played.stdout.splitlines()]
    return {line.pop("scene"): line for line in lines}


@pytest.mark.parametrize("name", NAMES)
def test_as_with_sqlite(name: str) -> None:
    expected, found = play("django.db.backends.sqlite3")[name], play("tandemdb.django")[name]
    assert "result" in expected, f"the scene itself is wrong:\n{expected['error']}"
    assert "result" in found, found.get("error")
    assert found["result"] == expected["result"]
