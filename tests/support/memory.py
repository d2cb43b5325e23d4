"""Temporary folders of the tests in memory, where there is enough of it: waiting for the disk takes as long as the
tests. What shall be seen on a disk asks for ``on_disk`` (tests/conftest.py).

``LAMELLA_TEST_TMP=FOLDER`` in the environment, or ``--basetemp``, says where they are instead, and is not removed.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_SHARED = "/dev/shm"
_NAME = re.compile(r"lamella-tests-(\d+)-")
#: bytes: what a run takes at most at any time, and what is to be left to its processes
_NEEDED, _LEFT = 4 << 30, 4 << 30
_FORBIDS = os.ST_NODEV | os.ST_NOEXEC | os.ST_NOSUID


def folder_in_memory() -> Path | None:
    """A new folder, or None where memory is short or the tests' containers could not be started in it. Folders of runs
    that were killed go."""
    if not os.path.isdir(_SHARED):
        return None
    for name in os.listdir(_SHARED):
        owner = _NAME.match(name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            shutil.rmtree(f"{_SHARED}/{name}", ignore_errors=True)
    about = os.statvfs(_SHARED)
    if about.f_flag & _FORBIDS or about.f_bavail * about.f_frsize < _NEEDED or _available() < _NEEDED + _LEFT:
        return None
    return Path(tempfile.mkdtemp(prefix=f"lamella-tests-{os.getpid()}-", dir=_SHARED))


def _available() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
