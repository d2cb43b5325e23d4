"""Operating system, architecture and variant."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.oci.config import ImageConfig
from lamella.prove.model import Difference
from lamella.prove.values import compare_texts

NAME = "Platform"


def compare_configs(a: ImageConfig, b: ImageConfig) -> Iterator[Difference]:
    return compare_texts(NAME, str(a.platform), str(b.platform))
