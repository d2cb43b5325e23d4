"""The checks, found by walking ``checks/``: adding a check is adding a file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from lamella.filetree.entry import Entry
from lamella.oci.config import ImageConfig
from lamella.prove import checks
from lamella.prove.model import Difference, Tree

EntryCheck = Callable[[Entry, Entry], tuple[str, str] | None]
TreeCheck = Callable[[Tree, Tree], Iterable[Difference]]
ConfigCheck = Callable[[ImageConfig, ImageConfig], Iterable[Difference]]


class Checks(NamedTuple):
    """``entries`` go with the name under which they report; the others name their differences themselves."""

    entries: tuple[tuple[str, EntryCheck], ...]
    trees: tuple[TreeCheck, ...]
    configs: tuple[ConfigCheck, ...]


@cache
def find_checks() -> Checks:
    """All checks, in the order of their file names."""
    names = sorted(module.name for module in pkgutil.iter_modules(checks.__path__))
    modules = [importlib.import_module(f"{checks.__name__}.{name}") for name in names]
    return Checks(
        tuple((module.NAME, module.compare_entries) for module in modules if hasattr(module, "compare_entries")),
        tuple(module.compare_trees for module in modules if hasattr(module, "compare_trees")),
        tuple(module.compare_configs for module in modules if hasattr(module, "compare_configs")),
    )
