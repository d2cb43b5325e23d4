"""What ADD fetches from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamella.build.copyplan import Found
from lamella.build.sources import CopySource
from lamella.build.work import Work
from lamella.errors import NotSupported
from lamella.plan.step import CopyStep


class RemoteSource(NamedTuple):
    """``identity`` says what content it is, for the cache key; ``fetch`` brings it, where the identity did not."""

    identity: Callable[[], str]
    fetch: Callable[[], tuple[CopySource, Found]]


def remote_source(work: Work, step: CopyStep, address: str) -> RemoteSource:
    """Raises NotSupported."""
    raise NotSupported(f"ADD of {address} is not supported yet", where=step.info.where)
