"""Environment variables, as a map: their order decides nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.oci.config import ImageConfig
from lamella.prove.model import Difference
from lamella.prove.values import compare_maps

NAME = "Env"


def compare_configs(a: ImageConfig, b: ImageConfig) -> Iterator[Difference]:
    return compare_maps(NAME, a.config.env_map(), b.config.env_map())
