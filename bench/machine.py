"""One line on what the figures were measured on, and one on the versions of the tools."""

from __future__ import annotations

import os
import re
import subprocess


def machine_line(folder: str) -> str:
    """Processor, cores, memory, kernel, system, and the file system that holds ``folder``."""
    model = _search(r"^model name\s*:\s*(.+)$", "/proc/cpuinfo") or "unknown processor"
    memory = int(_search(r"^MemTotal:\s*(\d+)", "/proc/meminfo") or 0) / 1e6
    system = (_search(r'^PRETTY_NAME="?([^"\n]+)', "/etc/os-release") or "Linux").strip()
    cores = len(os.sched_getaffinity(0))
    kernel = os.uname().release
    return f"{model}, {cores} cores, {memory:.0f} GB, {_file_system(folder)}, {system}, Linux {kernel}"


def version_of(argv: list[str]) -> str:
    """The first thing in the output that looks like a version."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.+~-]*", done.stdout + done.stderr)
    return found.group() if found else "unknown"


def _search(pattern: str, path: str) -> str | None:
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read(), re.MULTILINE)
    return found.group(1) if found else None


def _file_system(folder: str) -> str:
    best, kind = "", "unknown file system"
    with open("/proc/mounts", encoding="utf-8") as file:
        for line in file:
            _, place, name, *_ = line.split()
            inside = folder == place or folder.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best):
                best, kind = place, name
    return kind
