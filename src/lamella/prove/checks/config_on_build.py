"""Instructions kept for the images built on this one, in their order."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.oci.config import ImageConfig
from lamella.prove.model import Difference
from lamella.prove.values import compare_lists

NAME = "OnBuild"


def compare_configs(a: ImageConfig, b: ImageConfig) -> Iterator[Difference]:
    return compare_lists(NAME, a.config.on_build, b.config.on_build)
