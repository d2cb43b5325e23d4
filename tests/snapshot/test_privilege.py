"""Less than root: without the right to mount, and as an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import pytest

from lamella.snapshot import open_snapshotter

pytestmark = pytest.mark.root


@pytest.fixture
def folder() -> Iterator[str]:
    """One that another user can get at."""
    made = tempfile.mkdtemp()
    os.chmod(made, 0o777)
    yield made
    shutil.rmtree(made)


def test_root_that_may_not_mount(folder: str, require: Callable[[str], str]) -> None:
    open_snapshotter(folder, "overlay").close()  # that it works for others is known there
    script = (
        "import os, sys\n"
        "from lamella.errors import NoPrivilege\n"
        "from lamella.snapshot import enter_private_mounts, open_snapshotter\n"
        "print(enter_private_mounts())\n"
        "s = open_snapshotter(sys.argv[1])\n"
        "w = s.prepare(None); os.mkdir(w.root + '/d'); os.chown(w.root + '/d', 5, 6)\n"
        "w = s.prepare(w.commit()); os.chmod(w.root + '/d', 0o700)\n"
        "print(s.name, [(i.entry.path, i.entry.kind, i.entry.uid) for i in w.changes()])\n"
        "try: open_snapshotter(sys.argv[1], 'overlay')\n"
        "except NoPrivilege as error: print(error.hint)\n"
    )
    command = [require("setpriv"), "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-c", script]
    result = subprocess.run([*command, folder], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[:2] == ["False", "copy [('d', 'd', 5)]"]
    assert "copy" in result.stdout.splitlines()[2]


def test_ordinary_user(folder: str, require: Callable[[str], str]) -> None:
    script = (
        "import io, os, sys\n"
        "from lamella.layer.pack import pack_layer\n"
        "from lamella.snapshot import open_snapshotter\n"
        "s = open_snapshotter(sys.argv[1] + '/store')\n"
        "w = s.prepare(None)\n"
        "os.mkdir(w.root + '/shut'); open(w.root + '/shut/f', 'w').close(); os.mkfifo(w.root + '/p')\n"
        "os.chmod(w.root + '/shut', 0o500)\n"
        "base = w.commit()\n"
        "w = s.prepare(base)\n"
        "assert os.stat(w.root + '/shut').st_mode & 0o777 == 0o500\n"
        "open(w.root + '/new', 'w').close()\n"
        "print(s.name, [(i.entry.path, i.entry.kind) for i in w.changes()])\n"
        "w.discard()\n"
        "s.bind(base, 'sha256:' + 'a' * 64); s.remove('sha256:' + 'a' * 64)\n"
        "s.close()\n"
        "print(os.listdir(sys.argv[1] + '/store/copy-plain/s'))\n"
    )
    user = [require("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]
    readable = subprocess.run([*user, sys.executable, "-c", "import lamella"], capture_output=True, check=False)
    if readable.returncode != 0:
        pytest.skip("another user cannot read this checkout")
    result = subprocess.run([*user, sys.executable, "-c", script, folder], capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.stdout == "copy [('new', 'f')]\n[]\n"
