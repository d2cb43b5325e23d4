"""The same Dockerfile built by Docker and here is the same state, and a real difference is seen through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamella.cli.main import main

DOCKERFILE = """FROM base
ENV A=1 PATH=/usr/bin:/bin
LABEL who=me
WORKDIR /srv/app
COPY --chown=5:6 files/ ./
RUN ln hard one && ln -s one soft && chmod 4755 hard && mkdir -p /x/y && touch /x/y/z
RUN rm -r /x/y && echo 1 > /x/y
EXPOSE 80 81/udp
VOLUME /data
USER 5
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD ["true"]
ONBUILD RUN true
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "id"]
"""


@pytest.mark.root
@pytest.mark.peer
@pytest.mark.slow
def test_docker_and_we_build_the_same(
    dockerd: Any, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAMELLA_ROOT", str(tmp_path / "store"))
    context = tmp_path / "context"
    (context / "files").mkdir(parents=True)
    (context / "files" / "hard").write_text("content")
    (context / "Dockerfile").write_text(DOCKERFILE)
    archive = bases / "busybox-glibc-amd64.tar.gz"
    monkeypatch.setenv("DOCKER_BUILDKIT", "1")
    dockerd("import", str(archive), "base")
    dockerd("build", "--network", "host", "-t", "theirs", str(context))
    dockerd("save", "-o", str(tmp_path / "theirs.tar"), "theirs")
    assert main(["import", str(archive), "base"]) == 0
    assert main(["build", "-q", "-t", "ours", str(context)]) == 0
    capsys.readouterr()
    # Docker 20.10 leaves the mount points that its runtime made in the layer; later ones take them away, as we do.
    stubs = ["--ignore", "/proc", "--ignore", "/sys"]
    code = main(["prove", *stubs, f"docker-archive:{tmp_path}/theirs.tar", "ours"])
    out = capsys.readouterr().out
    assert code == 0, out
    assert out.startswith("same state: ")
    Path(context, "files", "hard").write_text("other")
    assert main(["build", "-q", "-t", "ours", str(context)]) == 0
    capsys.readouterr()
    assert main(["prove", *stubs, f"docker-archive:{tmp_path}/theirs.tar", "ours"]) == 1
    assert "/srv/app/soft" not in capsys.readouterr().out
