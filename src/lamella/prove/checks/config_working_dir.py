"""The directory a container starts in; unsaid, it is the root."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.oci.config import ImageConfig
from lamella.prove.model import Difference
from lamella.prove.values import compare_texts

NAME = "WorkingDir"


def compare_configs(a: ImageConfig, b: ImageConfig) -> Iterator[Difference]:
    return compare_texts(NAME, a.config.working_dir or "/", b.config.working_dir or "/")
