"""The same words to a real Docker: the process sees the same, and the same comes back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.root, pytest.mark.peer, pytest.mark.xdist_group("dockerd")]
Containers = Any

#: everything about a container that a process in it can see
LOOK = r"""
echo args: "$0" "$@"; id; pwd; umask; env | sort | sed 's/^/env: /'; hostname | sed 's/^/hostname: /'
sort /etc/hosts | sed 's/^/hosts: /'; sed 's/^/name: /' /etc/hostname
stat -c 'file: %n %a %U' /etc/hosts /etc/hostname /etc/resolv.conf
grep -E '^(Cap|Seccomp:|NoNewPrivs|Groups)' /proc/self/status
ls -l /dev | awk '{print "dev:", $1, $3, $4, $NF}' | grep -v core
awk '{print "mount:", $2, $3, $4}' /proc/mounts | sort
for path in /proc/kcore /proc/keys /proc/timer_list /sys/firmware /proc/acpi /proc/scsi; do
  echo "masked: $path $(stat -c %F $path 2>&1) $(head -c 10 $path 2>/dev/null | wc -c)"; done
echo x 2>/dev/null > /proc/sys/kernel/domainname || echo proc sys is read only
mknod /null2 c 1 3 && echo made a device; unshare -m true 2>/dev/null || echo no namespaces
ls /proc/1/task | wc -l; ls /sys/class/net; cat /proc/1/cmdline | tr '\0' ' '
""".strip()

DOCKERFILE = """FROM alpine:3.20
ENV A=image B="two words" PATH=/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /work/here
RUN adduser -D -u 1234 app && addgroup -g 77 more && addgroup app more && mkdir /data && chown app /data
USER app
VOLUME /data
EXPOSE 8080 53/udp
LABEL from=image
ENTRYPOINT ["sh", "-c"]
CMD ["echo the command"]
STOPSIGNAL SIGUSR1
"""

#: flags, and the program with its arguments
CASES = {
    "plain": ("", "alpine:3.20", ["sh", "-c", LOOK, "zero", "one"]),
    "flags": (
        "-e A=flag -e NEW=1 -w /srv/new -u 1234:5 --hostname tower --read-only --tmpfs /tmp --add-host db:10.1.2.3 "
        "--tmpfs /run:size=1m,mode=700,exec --cap-drop MKNOD -v /usr/share/doc:/doc:ro --label a=b",
        "alpine:3.20",
        ["sh", "-c", LOOK],
    ),
    "image": ("", "app", [LOOK]),
    "entrypoint": ("--entrypoint sh -u 0", "app", ["-c", LOOK]),
    "host network": ("--network host", "alpine:3.20", ["sh", "-c", LOOK]),
    "capabilities": ("--cap-drop ALL --cap-add NET_ADMIN -u guest", "alpine:3.20", ["sh", "-c", LOOK]),
    "the image's command": ("", "app", []),
    "status": ("", "alpine:3.20", ["sh", "-c", "echo out; echo err >&2; exit 17"]),
    "not found": ("", "alpine:3.20", ["nosuch"]),
    "not executable": ("", "alpine:3.20", ["/etc/passwd"]),
    "a folder": ("", "alpine:3.20", ["/etc"]),
    "killed": ("", "alpine:3.20", ["sh", "-c", "(sleep 0.1; kill -9 1) & exec sh -c 'kill -TERM $$; exit 143'"]),
    "no user": ("-u nosuch", "alpine:3.20", ["true"]),
}
#: statuses that are ours for our own errors: bad input is 2 here, and 125 there
OURS = {"no user": (2, 125)}


@pytest.fixture(scope="session")
def both(
    container_store: Containers, dockerd: Any, bases: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Containers, Any]:
    """The same two images in our store and in Docker's."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    container_store.ok("build", "-q", "-t", "app", str(folder))
    container_store.ok("save", "-o", str(folder / "both.tar"), "app", "alpine:3.20")
    dockerd("load", "-i", str(folder / "both.tar"))
    return container_store, dockerd


def docker(dockerd: Any, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [dockerd.PROGRAM, *words], env=dockerd._env, capture_output=True, text=True, errors="replace", check=False
    )


def same_words(text: str) -> str:
    """Without what differs from start to start, IDs and where an overlay's folders lie; and without what only newer
    versions of Docker than the one here mask."""
    text = re.sub(r"\b[0-9a-f]{12}\b|\b[0-9a-f]{64}\b", "ID", text)
    text = re.sub(r"(lowerdir|upperdir|workdir)[^ \n]*", "…", text)
    text = re.sub(r"mount: /(proc/interrupts|proc/latency_stats|sys/devices/virtual/powercap) .*\n", "", text)
    return re.sub(r"mount: (/etc/\w+(?:\.conf)?|/data|/doc) (\S+) \S+", r"mount: \1", text)


@pytest.mark.parametrize("name", CASES)
def test_run(both: tuple[Containers, Any], name: str) -> None:
    flags, image, words = CASES[name]
    network = [] if "--network" in flags else ["--network", "none"]
    command = ["run", "--rm", *network, *flags.split(), image, *words]
    ours, theirs = both[0].call(*command), docker(both[1], *command)
    assert (ours.returncode, theirs.returncode) == OURS.get(name, (theirs.returncode,) * 2), ours.stderr
    assert same_words(ours.stdout).splitlines() == same_words(theirs.stdout).splitlines()
    if ours.returncode < 125 and name not in OURS:
        assert ours.stderr == theirs.stderr
