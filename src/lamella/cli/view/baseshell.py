"""The SHELL that a Dockerfile's target inherits from its base image."""

from __future__ import annotations

from lamella.build.engine import plan_request
from lamella.build.request import BuildRequest
from lamella.plan.stage import BaseImage, BaseStage
from lamella.store.store import Store


def shell_of_base(request: BuildRequest, store: Store) -> tuple[str, ...] | None:
    """None where the base image sets none or is not in the store. Raises DockerfileError for a Dockerfile that cannot
    be planned."""
    plan = plan_request(request)
    base = plan.stages[plan.target].base
    while isinstance(base, BaseStage):
        base = plan.stages[base.number].base
    found = store.images.find(base.reference) if isinstance(base, BaseImage) else None
    return found.image.config.config.shell if found is not None else None
