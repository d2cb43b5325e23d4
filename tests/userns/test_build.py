"""``lamella build`` as an ordinary user: the same image as root's, and nothing left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ordinary import OrdinaryUser

pytestmark = [pytest.mark.root, pytest.mark.slow]

_EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}

#: all that a layer can say: owners, setuid, links, pipes, whiteouts, opaque folders, another user, devices
DOCKERFILE = """\
FROM scratch
ADD base.tar.gz devices.tar /
COPY --chown=33:44 Dockerfile /data/one
RUN mkdir -p /srv/a/b && echo 1 > /srv/a/b/f && echo 2 > /srv/a/g && ln /srv/a/g /srv/a/h && ln -s g /srv/a/s \\
 && mkfifo /srv/p && cp /bin/busybox /srv/su && chown 12:34 /srv/su && chmod 6755 /srv/su && adduser -D app \\
 && chown -R app:app /srv/a && chmod 1777 /srv
RUN rm -rf /etc/apk && mkdir /etc/apk && touch /etc/apk/new; rm /etc/motd /srv/a/g; chmod 700 /data/one; \\
 chown -h 5:6 /srv/a/s; mv /srv/a/b /srv/c; chmod 640 /nodes/null; chown 7:8 /nodes/null; rm /nodes/zero
USER app
RUN [ "$(id -u)" = 1000 ] && id -u > ~/id && mkdir ~/d && chmod 2775 ~/d && ! touch /etc/x
"""


def _write_devices(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name, kind, major, minor in (("null", tarfile.CHRTYPE, 1, 3), ("zero", tarfile.CHRTYPE, 1, 5)):
            member = tarfile.TarInfo(f"nodes/{name}")
            member.type, member.devmajor, member.devminor, member.mode = kind, major, minor, 0o666
            archive.addfile(member)


@pytest.fixture(scope="module")
def context(bases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    _write_devices(folder / "devices.tar")
    (folder / "base.tar.gz").write_bytes((bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz").read_bytes())
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


def _copy_for(user: OrdinaryUser, context: Path, dockerfile: str | None = None) -> Path:
    folder = user.home / "context"
    folder.mkdir(exist_ok=True)
    for source in context.iterdir():
        (folder / source.name).write_bytes(source.read_bytes())
        os.utime(folder / source.name, ns=(source.stat().st_mtime_ns,) * 2)
    if dockerfile is not None:
        (folder / "Dockerfile").write_text(dockerfile)
    subprocess.run(["chown", "-R", f"{user.uid}:{user.uid}", folder], check=True)
    return folder


@pytest.fixture
def clean(user: OrdinaryUser) -> Iterator[OrdinaryUser]:
    yield user
    done = user.lamella("image", "prune", "--all", "--build-cache", "--force")
    assert done.returncode == 0, done.stderr


def _foreign(user: OrdinaryUser) -> list[Path]:
    """Files in the user's home that are not the user's."""
    found = []
    for folder, folders, files in os.walk(user.home):
        found += [Path(folder, name) for name in folders + files if os.lstat(f"{folder}/{name}").st_uid != user.uid]
    return found


def test_same_image_as_root(clean: OrdinaryUser, context: Path, tmp_path: Path) -> None:
    folder = _copy_for(clean, context)
    built = clean.lamella("build", "-t", "app", str(folder), **_EPOCH)
    assert built.returncode == 0, built.stderr
    by_root = subprocess.run(
        [sys.executable, "-m", "lamella.cli.main", "--root", str(tmp_path / "root"), "build", "-q", str(folder)],
        env={**os.environ, **_EPOCH},
        capture_output=True,
        text=True,
        check=True,
    )
    assert built.stdout == by_root.stdout  # the image ID
    assert _foreign(clean), "the files of the container's users belong to subordinate ids"

    # What they own goes with the image, as the user.
    assert clean.lamella("image", "rm", "app").returncode == 0
    pruned = clean.lamella("image", "prune", "--all", "--build-cache", "--force", "--format", "json")
    assert pruned.returncode == 0, pruned.stderr
    assert json.loads(pruned.stdout)["snapshots"] > 0
    assert _foreign(clean) == []
    assert not list((clean.home / ".local/share/lamella/lamella/snapshots/overlay-user/s").iterdir())


def test_one_id_keeps_the_owners(single: OrdinaryUser, context: Path, tmp_path: Path) -> None:
    """Of all that was not given away by a step."""
    text = (
        "FROM scratch\nADD base.tar.gz devices.tar /\n"
        "COPY --chown=33:44 Dockerfile /data/one\nCOPY --chown=33:44 Dockerfile /data/two\n"
        "RUN echo more >> /data/one; chmod 600 /data/two /nodes/null; mkdir /n; rm /nodes/zero\n"
        "RUN rm -rf /etc/apk; mkdir /etc/apk; touch /etc/apk/new\n"
        "RUN touch /data; chmod 750 /data; echo z >> /data/one\n"
    )
    folder = _copy_for(single, context, text)
    built = single.lamella("build", "-t", "app", str(folder), **_EPOCH)
    assert built.returncode == 0, built.stderr
    assert "one user id" in built.stderr and "has no subordinate ids in /etc/subuid" in built.stderr
    by_root = subprocess.run(
        [sys.executable, "-m", "lamella.cli.main", "--root", str(tmp_path / "root"), "build", "-q", str(folder)],
        env={**os.environ, **_EPOCH},
        capture_output=True,
        text=True,
        check=True,
    )
    assert built.stdout == by_root.stdout

    (folder / "Dockerfile").write_text("FROM app\nRUN chown 5:6 /data/one\n")
    refused = single.lamella("build", str(folder))
    assert refused.returncode == 1
    assert "one user id, so chown" in refused.stderr
    (folder / "Dockerfile").write_text("FROM app\nUSER 7\nRUN true\n")
    refused = single.lamella("build", str(folder))
    assert refused.returncode == 3
    assert "Dockerfile:3: the process is to run as 7:0, and there is one id here" in refused.stderr
    assert "usermod --add-subuids" in refused.stderr
