"""How much of what is drawn or repeated at random a run of the tests does.

Usually as much as finds a mistake within a few runs, since each run draws other examples; with
``HYPOTHESIS_PROFILE=thorough`` in the environment as much as one should do before a release.
"""

from __future__ import annotations

import os

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def usually(few: int, thorough: int) -> int:
    """``few``, or ``thorough`` where that is asked for."""
    return thorough if THOROUGH else few
