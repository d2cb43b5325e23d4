"""The devices that a RUN with ``--security=insecure`` finds in /dev beside the ordinary ones, as in BuildKit."""

from __future__ import annotations

import fcntl
import os
from typing import Any

from lamella.userns import current

#: path → major and minor number. Source: the kernel's admin-guide/devices.txt.
_CHARACTER = {
    "/dev/kmsg": (1, 11),
    "/dev/cuse": (10, 203),
    "/dev/fuse": (10, 229),
    "/dev/kvm": (10, 232),
    "/dev/net/tun": (10, 200),
    "/dev/loop-control": (10, 237),
}
_LOOP_MAJOR = 7
_LOOP_CTL_GET_FREE = 0x4C82
_SPARE_LOOPS = 8


def insecure_devices() -> list[dict[str, Any]]:
    """For ``linux.devices`` of a bundle. Loop devices are those in use and some more."""
    devices = [_device(path, "c", *number) for path, number in _CHARACTER.items()]
    loops = range(_free_loop() + _SPARE_LOOPS)
    devices += [_device(f"/dev/loop{number}", "b", _LOOP_MAJOR, number) for number in loops]
    if not current().in_namespace:
        return devices
    # None is made there: the machine's own are shown, and the user's rights to them are as they are.
    return [device for device in devices if os.path.exists(device["path"])]


def _device(path: str, kind: str, major: int, minor: int) -> dict[str, Any]:
    return {"path": path, "type": kind, "major": major, "minor": minor}


def _free_loop() -> int:
    """The number of the first loop device that is free; 0 where the machine does not tell."""
    try:
        control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
    except OSError:
        return 0
    finally:
        os.close(control)
