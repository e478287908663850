"""`python -m tandemdb.cli`, for where the console script is not on the path."""

import sys

from tandemdb.cli.command import main

sys.exit(main())
