"""Play all programs with one module as sqlite3, print what came of it: `python -m tests.programs.run MODULE DIRECTORY`.

    {"program": "diskcache", "result": [...]}     or "missing": the import that failed, or "error": a traceback

MODULE is sqlite3 or tandemdb; the latter is put in sqlite3's place before any program is imported. Files go into
DIRECTORY.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import tandemdb


def main(module: str, directory: Path) -> None:
    if module == "tandemdb":
        tandemdb.install()
    with suppress(ImportError):
        from sqlalchemy.dialects import registry

        registry.register("sqlite.tandemdb", "tandemdb.dialect", "TandemDialect")
    driver = "sqlite+tandemdb" if module == "tandemdb" else "sqlite"
    for path in sorted(Path(__file__).parent.glob("play_*.py")):
        program = path.stem.removeprefix("play_")
        line: dict[str, object] = {"program": program}
        place = directory / program
        place.mkdir()
        os.chdir(place)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                player = import_module(f"tests.programs.{path.stem}")
                line["result"] = [repr(one) for one in player.play(place, driver)]
        except ImportError as error:
            line["missing" if not str(error.name).startswith(("tandemdb", "tests")) else "error"] = str(error)
        except Exception:
            line["error"] = traceback.format_exc()
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
    sys.stdout.flush()
    os._exit(0)  # some programs leave threads behind that wait for work
