"""Docker's own BuildKit as the judge: what a step sees of its mounts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.build.request import SecretSource

Builder = Any

#: each prints what a step sees; the last stage has nothing but that
STEPS = (
    "--mount=type=tmpfs,target=/t1 --mount=type=tmpfs,target=/root stat -c '%n %a %u:%g' /t1 /root",
    "--mount=type=cache,target=/c --mount=type=cache,target=/c/d,id=2,uid=5,mode=0700 stat -c '%n %a %u:%g' /c /c/d",
    "--mount=type=cache,target=/c,id=3,from=s,source=/d stat -c '%n %a %u:%g' /c /c/f",
    "--mount=type=cache,target=/c,id=4,from=s,uid=3 ls -an /c | tail -n +2 | cut -c1-25",
    "--mount=type=secret,id=a --mount=type=secret,id=a,target=/app/.npm,mode=0644,uid=7 "
    "stat -c '%n %a %u:%g' /run/secrets /run/secrets/a /run /app /app/.npm; cat /app/.npm",
    "--mount=type=secret,id=absent find /run -type f",
    "--mount=target=/ctx find /ctx -exec stat -c '%n %a %u:%g %s %F' {} + | sed 's/ [0-9]* directory/ directory/' "
    "| sort",
    "--mount=target=/ctx,source=src,rw --mount=from=s,source=/d,target=/ctx/new "
    "sh -c 'echo x > /ctx/a; ls /ctx /ctx/new; cat /ctx/a'",
    "--mount=source=src/a,target=/one --mount=from=s,source=/link,target=/two cat /one /two",
    "--mount=type=ssh env",
    # the options that BuildKit chooses; the machine's own and the kinds of file system are not its
    "--mount=type=secret,id=a --mount=type=tmpfs,target=/t "
    "sed -n 's#^[^ ]* \\(/run/secrets/a\\|/t\\) [a-z0-9]* \\([a-z,]*relatime\\).*#\\1 \\2#p' /proc/mounts",
)


@pytest.mark.root
@pytest.mark.peer
@pytest.mark.xdist_group("dockerd")
def test_a_step_sees_the_same(alpine: Builder, bases: Path, tmp_path: Path, dockerd: Callable[..., str]) -> None:
    alpine.file("src/a", "a\n", 0o640)
    alpine.file("src/new/b", "b\n", 0o755)
    alpine.file("left-out", "x")
    alpine.file(".dockerignore", "left-out\n")
    (alpine.context / "link").symlink_to("src/a")
    (tmp_path / "secret").write_text("hidden\n")
    runs = "".join(f"RUN {step} > /out/{number}\n" for number, step in enumerate(STEPS))
    text = (
        "FROM alpine:3.20 AS s\nRUN mkdir /d && echo f > /d/f && chown -R 8:9 /d && chmod 750 /d && ln -s d/f /link\n"
        f"FROM alpine:3.20 AS r\nRUN mkdir /out\n{runs}FROM scratch\nCOPY --from=r /out /\n"
    )
    alpine.file("Dockerfile", text)
    result = alpine.build(text, secrets=(SecretSource("a", file=str(tmp_path / "secret")),))
    ours = {entry.path: entry for entry in alpine.tree(result).values() if entry.kind == "f"}
    dockerd("import", str(bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"), "alpine:3.20")
    words = ("--network", "host", "--secret", f"id=a,src={tmp_path}/secret", "-o", str(tmp_path / "theirs"))
    dockerd("build", "-q", *words, str(alpine.context))
    (tmp_path / "ours").mkdir()
    with alpine.store.blobs.open_blob(alpine.store.images.get(result.manifest.digest).image.layers[-1].blob) as blob:
        subprocess.run(["tar", "xz", "-C", str(tmp_path / "ours")], input=blob.read(), check=True)
    assert len(ours) == len(STEPS)
    for number, step in enumerate(STEPS):
        said = [(tmp_path / whose / str(number)).read_text() for whose in ("ours", "theirs")]
        assert said[0] == said[1], step
