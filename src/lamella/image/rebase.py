"""An image moved to another base: the layers above the old base stay as they are, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable

from lamella.errors import InputError
from lamella.filetree.entry import DIRECTORY, OPAQUE, WHITEOUT, Entry
from lamella.filetree.tree import Tree
from lamella.image.assemble import from_config
from lamella.oci.config import RunConfig
from lamella.oci.image import Image

#: fields of the config that come from the image where it says other than its old base, else from the new base
_FIELDS = (
    "user", "entrypoint", "cmd", "working_dir", "stop_signal", "healthcheck", "shell", "on_build", "args_escaped",
    "other",
)  # fmt: skip


def rebase(image: Image, old: Image, new: Image) -> Image:
    """``image`` on ``new`` instead of ``old``. Of the config stays what the image set itself; the rest is that of the
    new base. Raises InputError where it does not stand on ``old``, or the new base is of another platform."""
    count = len(old.config.diff_ids)
    if image.config.diff_ids[:count] != old.config.diff_ids:
        raise InputError(
            "the image does not stand on this base: its lowest layers are others",
            where=image.config.image_id.short,
            hint="name the base that it was built on with --base; 'lamella explain IMAGE' shows its layers",
        )
    if not new.config.platform.matches(image.config.platform):
        raise InputError(
            f"the image is for {image.config.platform}, the new base for {new.config.platform}",
            where=new.config.image_id.short,
            hint="choose a base for the same platform",
        )
    config = image.config._replace(
        config=merge_configs(image.config.config, old.config.config, new.config.config),
        diff_ids=(*new.config.diff_ids, *image.config.diff_ids[count:]),
        history=(*new.config.history, *image.config.history[_shared_history(image, old) :]),
    )
    layers = (*new.manifest.layers, *image.manifest.layers[count:])
    return from_config(config, layers, image.manifest.annotations)


def merge_configs(own: RunConfig, old: RunConfig, new: RunConfig) -> RunConfig:
    """What ``own`` has otherwise than ``old``, and the rest of ``new``; variables, labels, ports and volumes one by
    one."""
    changes = {name: getattr(own, name) for name in _FIELDS if getattr(own, name) != getattr(old, name)}
    env = _merge(own.env_map(), old.env_map(), new.env_map())
    return new._replace(
        **changes,
        env=tuple(f"{name}={value}" for name, value in env.items()),
        labels=tuple(_merge(dict(own.labels), dict(old.labels), dict(new.labels)).items()),
        exposed_ports=tuple(_merge(*(dict.fromkeys(one.exposed_ports, "") for one in (own, old, new)))),
        volumes=tuple(_merge(*(dict.fromkeys(one.volumes, "") for one in (own, old, new)))),
    )


def _merge(own: dict[str, str], old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    merged = {name: value for name, value in new.items() if name in own or name not in old}
    merged.update((name, value) for name, value in own.items() if old.get(name) != value)
    return merged


def hidden_changes(old: Tree, new: Tree, layers: Iterable[Iterable[Entry]]) -> list[str]:
    """Paths, sorted, that the image's own ``layers`` hold as made from the old base, and that the new base has
    otherwise: what is new there is not seen (such as users in /etc/passwd). Folders and times do not count."""
    written = {entry.path for entries in layers for entry in entries if entry.kind not in (DIRECTORY, WHITEOUT, OPAQUE)}
    return [path for path in sorted(written & old.keys()) if _state(old.get(path)) != _state(new.get(path))]


def _state(entry: Entry | None) -> Entry | None:
    return entry and entry._replace(mtime=0)


def _shared_history(image: Image, old: Image) -> int:
    """How many entries of the history are the old base's."""
    count = len(old.config.history)
    if image.config.history[:count] == old.config.history:
        return count
    layers = len(old.config.diff_ids)
    for number, entry in enumerate(image.config.history):
        layers -= not entry.empty_layer
        if layers == 0 and not entry.empty_layer:
            return number + 1
    return 0
