"""OCI runtime bundles and their runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamella.runtime.oci import OCIRunner


def find_runner(state_root: str, preferred: str | None = None) -> OCIRunner:
    """See :func:`lamella.runtime.find.find_runner`. Imported when it is called: few need a runner."""
    from lamella.runtime import find

    return find.find_runner(state_root, preferred)


__all__ = ["find_runner"]
