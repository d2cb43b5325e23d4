"""``python -m lamella``."""

import sys

from lamella.cli.main import main

sys.exit(main())
