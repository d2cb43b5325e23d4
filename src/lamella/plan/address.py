"""Which words of a Dockerfile and of the command line are addresses, and no paths on this machine."""

from __future__ import annotations

import re

# Expressions are compiled when they are first needed: start-up time is a feature.
_SCP_STYLE = r"[A-Za-z0-9_-]+@[A-Za-z0-9.-]+:(?!//).+"


def is_remote(source: str) -> bool:
    """Whether it is to be fetched: a URL, or a git repository. ``github.com/x/y`` without a scheme is a local path."""
    if source.startswith(("http://", "https://", "git://", "ssh://")):
        return True
    return "@" in source and re.fullmatch(_SCP_STYLE, source) is not None
