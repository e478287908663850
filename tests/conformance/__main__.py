"""Writes docs/sql.md: python -m tests.conformance [--print]"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.conformance.features import SUPPORTED, TABLE, TableError, read_features, try_feature
from tests.conformance.page import PAGE, write_page


def main() -> int:
    """Run every feature; write the page, unless one does something else than the table says."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=main.__doc__)
    parser.add_argument("--print", action="store_true", help="print the page, write nothing")
    options = parser.parse_args()
    features = read_features(TABLE.read_text(encoding="utf-8"))
    surprises = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, feature in enumerate(features):
            try:
                outcome = try_feature(feature, Path(folder, str(number)))
            except TableError as error:
                surprises += 1
                print(f"{feature.group}: {error}")
                continue
            if outcome.status != feature.expected:
                surprises += 1
                print(f"{feature.group}: {feature.name}: expected {feature.expected}, found {outcome.status}")
                if outcome.status != SUPPORTED:
                    print(f"  {outcome.statement}\n  sqlite3   {outcome.wanted}\n  tandemdb  {outcome.found}")
    if surprises:
        print(f"{surprises} of {len(features)} features are not what the table says; nothing is written.")
        return 1
    page = write_page(features)
    if options.print:
        print(page, end="")
    else:
        PAGE.write_text(page, encoding="utf-8")
        print(f"{PAGE}: {len(features)} features")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
