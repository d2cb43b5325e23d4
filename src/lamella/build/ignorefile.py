"""The ignore file of a build context: where it may lie, and reading it."""

from __future__ import annotations

import os

from lamella.plan.ignore import IgnoreFile, parse_ignore


def ignore_candidates(root: str, dockerfile: str | None) -> tuple[str, ...]:
    """Where an ignore file may lie, the one that wins first."""
    own = (f"{dockerfile}.dockerignore",) if dockerfile else ()
    return (*own, os.path.join(root, ".dockerignore"))


def read_ignore_file(root: str, dockerfile: str | None) -> IgnoreFile | None:
    """The ignore file of a context: ``<Dockerfile>.dockerignore`` beside that, else ``.dockerignore`` in the context;
    None where there is neither."""
    for path in ignore_candidates(root, dockerfile):
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return parse_ignore(file.read(), os.path.relpath(path, root))
    return None
