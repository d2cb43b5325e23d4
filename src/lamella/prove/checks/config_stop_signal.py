"""The signal that stops a container."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.oci.config import ImageConfig
from lamella.prove.model import Difference
from lamella.prove.values import compare_texts

NAME = "StopSignal"


def compare_configs(a: ImageConfig, b: ImageConfig) -> Iterator[Difference]:
    return compare_texts(NAME, a.config.stop_signal, b.config.stop_signal)
