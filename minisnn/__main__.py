"""`python -m minisnn` is the `minisnn` command."""

import sys

from minisnn.cli import main

sys.exit(main())
