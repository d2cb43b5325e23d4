"""Which step makes a layer, builder by builder, and why.

Source: runs of each builder, and their issue threads. What a RUN changes cannot be known beforehand; where that
decides, the prediction is for a RUN that changes something, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from lamella.plan.step import ConfigStep, Step, WorkdirStep

DIALECTS = ("buildkit", "classic", "buildah", "buildah-layers", "kaniko")

#: the most layers that an overlay mount, and so a running container, can have. Source: Docker
MAX_LAYERS = 127


class Verdict(NamedTuple):
    """Whether a step makes a layer; ``reason`` is one sentence about it, in lower case and without a full stop."""

    layer: bool
    reason: str


#: what is known of the folder of a WORKDIR: True and False are certain, None is not
Exists = bool | None

#: the step, what is known of its folder (WORKDIR only), and whether it is the last one of its stage
_Judge = Callable[[Step, Exists, bool], Verdict]


def judge(dialect: str, step: Step, exists: Exists, last: bool) -> Verdict:
    """``dialect`` is one of DIALECTS; ``exists`` is of the folder of a WORKDIR, ``last`` of the stage's steps."""
    return _JUDGES[dialect](step, exists, last)


def _config(step: Step) -> Verdict:
    keyword = step.info.keyword
    if not step.info.history:
        return Verdict(False, "is kept for those who build on this image, and runs nothing here")
    if keyword == "WORKDIR":
        return Verdict(False, "has no folder to make, / is always there")
    if keyword == "ARG":
        return Verdict(False, "sets a variable of the build only, an entry in the history")
    if keyword in ("CMD", "ENTRYPOINT"):
        return Verdict(False, "says what a container runs and writes no file, an entry in the history")
    return Verdict(False, "changes the config only, an entry in the history")


def _files(step: Step) -> Verdict:
    if step.info.keyword == "RUN":
        return Verdict(True, "runs a command, and what it writes becomes a layer")
    return Verdict(True, "brings files, which become a layer")


def _files_if_changed(step: Step) -> Verdict:
    verdict = _files(step)
    return verdict._replace(reason=f"{verdict.reason} (none if nothing changes)")


_NEW = "makes its folder, which becomes a layer"
_UNKNOWN = "makes its folder, which becomes a layer (none if the folder exists, which is not known here)"
_EXISTS = "finds its folder there already, so nothing is written"


def _buildkit(step: Step, exists: Exists, last: bool) -> Verdict:
    if isinstance(step, ConfigStep):
        return _config(step)
    if isinstance(step, WorkdirStep):
        return Verdict(True, "finds its folder there already, and makes a layer with nothing in it" if exists else _NEW)
    return _files(step)


def _writes_only_changes(step: Step, exists: Exists, last: bool) -> Verdict:
    """The classic builder and kaniko."""
    if isinstance(step, ConfigStep):
        return _config(step)
    if isinstance(step, WorkdirStep):
        return Verdict(False, _EXISTS) if exists else Verdict(True, _UNKNOWN if exists is None else _NEW)
    return _files_if_changed(step)


def _buildah_layers(step: Step, exists: Exists, last: bool) -> Verdict:
    if isinstance(step, ConfigStep):
        return _config(step)
    if isinstance(step, WorkdirStep):
        return Verdict(False, _EXISTS if exists else "makes its folder, which lands in the next layer")
    return _files(step)


def _buildah(step: Step, exists: Exists, last: bool) -> Verdict:
    if last:
        return Verdict(True, "ends the stage, which is committed as one layer")
    if isinstance(step, ConfigStep):
        return _config(step)
    return Verdict(False, "writes files, which go into the one layer of the stage")


_JUDGES: Mapping[str, _Judge] = MappingProxyType(
    {
        "buildkit": _buildkit,
        "classic": _writes_only_changes,
        "kaniko": _writes_only_changes,
        "buildah": _buildah,
        "buildah-layers": _buildah_layers,
    }
)
