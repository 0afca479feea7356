"""`python -m aqp_utils`."""

import sys

from aqp_utils.cli import main

sys.exit(main())
