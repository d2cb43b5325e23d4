"""What a work is given: the builders that are there, a base image they all hold, a folder to make contexts in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from peers import Builder


class Room(NamedTuple):
    """``base`` is the reference of the small base image; ``missing`` says which tools are left out, and why."""

    folder: str
    base: str
    builders: tuple[Builder, ...]
    missing: tuple[str, ...] = ()

    def context(self, name: str, files: Mapping[str, str]) -> str:
        """Makes a build context of those text files and returns its path."""
        folder = os.path.join(self.folder, "contexts", name)
        for path, text in files.items():
            target = os.path.join(folder, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as file:
                file.write(text)
        return folder
