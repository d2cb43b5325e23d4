"""Ports, as a set."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.oci.config import ImageConfig
from lamella.prove.model import Difference
from lamella.prove.values import compare_sets

NAME = "ExposedPorts"


def compare_configs(a: ImageConfig, b: ImageConfig) -> Iterator[Difference]:
    return compare_sets(NAME, a.config.exposed_ports, b.config.exposed_ports)
