"""Labels, as a map."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.oci.config import ImageConfig
from lamella.prove.model import Difference
from lamella.prove.values import compare_maps

NAME = "Labels"


def compare_configs(a: ImageConfig, b: ImageConfig) -> Iterator[Difference]:
    return compare_maps(NAME, dict(a.config.labels), dict(b.config.labels))
