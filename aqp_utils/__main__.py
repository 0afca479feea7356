"""`python -m aqp_utils`."""

import sys

from aqp_utils.commands.cli import main

sys.exit(main())
