"""The SHELL that a Dockerfile's target inherits from its base image."""

from __future__ import annotations

from lamella.build.engine import plan_request
from lamella.build.request import BuildRequest
from lamella.errors import DockerfileError
from lamella.plan.stage import BaseImage, BaseStage
from lamella.store.store import Store


def shell_of_base(request: BuildRequest, store: Store) -> tuple[str, ...] | None:
    """None where the base image sets none, is not in the store, or cannot be told (an ARG without a value)."""
    try:
        plan = plan_request(request)
    except DockerfileError:
        return None
    base = plan.stages[plan.target].base
    while isinstance(base, BaseStage):
        base = plan.stages[base.number].base
    found = store.images.find(base.reference) if isinstance(base, BaseImage) else None
    return found.image.config.config.shell if found is not None else None
