"""What a step may ask for only when the command line allows it."""

from __future__ import annotations

from collections.abc import Iterable

from lamella.build.request import BuildRequest
from lamella.errors import DockerfileError
from lamella.plan.step import RunStep, Step

NETWORK = "network.host"
INSECURE = "security.insecure"
ENTITLEMENTS = (NETWORK, INSECURE)


def check_allowed(steps: Iterable[Step], request: BuildRequest) -> None:
    """As Docker's build: ``--network=host`` of a RUN wants ``--allow network.host`` (or ``--network host`` for all),
    ``--security=insecure`` wants ``--allow security.insecure``; cached or not, and before any step of the stage.

    Raises DockerfileError at the RUN."""
    for step in steps:
        if not isinstance(step, RunStep):
            continue
        if step.network == "host" and request.network != "host" and NETWORK not in request.allow:
            raise _refused(step, "--network=host", NETWORK)
        if step.security == "insecure" and INSECURE not in request.allow:
            raise _refused(step, "--security=insecure", INSECURE)


def _refused(step: RunStep, flag: str, entitlement: str) -> DockerfileError:
    return DockerfileError(
        f"RUN {flag} is not allowed",
        where=step.info.where,
        hint=f"if you trust this Dockerfile, build with --allow {entitlement}",
        code="not-allowed",
    )
