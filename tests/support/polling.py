"""Waiting for what other processes do, bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """What ``condition`` returns once that is true."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
