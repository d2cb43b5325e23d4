"""The health check: its command and its times in nanoseconds."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.oci.config import Healthcheck, ImageConfig
from lamella.prove.model import Difference
from lamella.prove.values import compare_lists, compare_texts

NAME = "Healthcheck"
_NONE = Healthcheck(())
_NUMBERS = ("interval", "timeout", "start_period", "start_interval", "retries")


def compare_configs(a: ImageConfig, b: ImageConfig) -> Iterator[Difference]:
    before, after = a.config.healthcheck or _NONE, b.config.healthcheck or _NONE
    found = list(compare_lists(f"{NAME}.test", before.test, after.test))
    for field in _NUMBERS:
        found += compare_texts(f"{NAME}.{field}", _number(before, field), _number(after, field))
    return iter(difference._replace(what=NAME) for difference in found)


def _number(check: Healthcheck, field: str) -> str:
    value = getattr(check, field)
    return str(value) if value else ""
