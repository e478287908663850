"""`tandemdb` as another version of it would be, whose protocol is not this one's: for tests of upgrades."""

from __future__ import annotations

import runpy
import sys

from tandemdb.replication.network import wire

if __name__ == "__main__":
    wire.PROTOCOL += 1
    sys.argv[0] = "tandemdb"
    runpy.run_module("tandemdb.cli", run_name="__main__")
