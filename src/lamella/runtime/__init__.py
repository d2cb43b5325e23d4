"""OCI runtime bundles and their runner."""

from lamella.runtime.find import find_runner

__all__ = ["find_runner"]
