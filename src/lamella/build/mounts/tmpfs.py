"""``RUN --mount=type=tmpfs``."""

from __future__ import annotations

from lamella.build.mounts.surroundings import Ready, Surroundings, Wanted
from lamella.runtime.protocol import TmpfsMount


def open_tmpfs(wanted: Wanted, around: Surroundings) -> Ready:
    step = wanted.step
    return Ready(TmpfsMount(step.target, step.size, step.readonly))
