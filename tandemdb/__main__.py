"""`python -m tandemdb`: the `tandemdb` command, where its script is not on the path."""

import sys

from tandemdb.cli import main

sys.exit(main())
