"""Random numbers: a generator of the engine's own, for `random.seed()` is the program's, as is what it draws then."""

from __future__ import annotations

import os
from random import Random

generator = Random()

if hasattr(os, "register_at_fork"):
    # As CPython does with its own: a child's numbers are not its parent's.
    os.register_at_fork(after_in_child=generator.seed)
