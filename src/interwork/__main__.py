"""`python -m interwork` is the command `interwork`."""

import sys

from interwork.cli import main

sys.exit(main())
