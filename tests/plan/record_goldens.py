"""Records what a real Docker makes of the cases in tests/data/plan: config, history, the environment of ``RUN env``.

    DOCKER_HOST=unix:///path/to/docker.sock python tests/plan/record_goldens.py BUSYBOX_ROOTFS.tar.gz [case …]

Needs a Docker client and daemon with BuildKit; nothing is pulled. Read the diff of expected.json afterwards. Cases with
``"judge": "rules"`` in their case.json need a newer Docker than 20.10; what they expect was written by hand.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

CASES = Path(__file__).resolve().parent.parent / "data" / "plan"
#: what shell and runtime add to the environment that the builder gives
OTHERS = {"HOME", "PWD", "SHLVL", "HOSTNAME", "_", "OLDPWD"}


def docker(*words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    program = os.environ.get("DOCKER", "/usr/bin/docker")
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run([program, *words], env=environment, capture_output=True, check=False, **more)
    if done.returncode:
        sys.exit(f"docker {' '.join(words)}: {done.stderr.decode()}")
    return done


def build(context: str, dockerfile: str, tag: str, case: dict[str, Any]) -> str:
    """Builds and returns the log."""
    options = [f"--build-arg={name}={value}" for name, value in case.get("build_args", {}).items()]
    if "target" in case:
        options.append(f"--target={case['target']}")
    file = Path(context).with_name("Dockerfile")
    file.write_text(dockerfile)
    done = docker(
        "build", "--network=host", "--progress=plain", "--no-cache", "-q=false", "-t", tag, *options,
        "-f", str(file), context,
    )  # fmt: skip
    return done.stderr.decode()


def image_config(tag: str) -> dict[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(docker("save", tag).stdout)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        return json.load(archive.extractfile(manifest[0]["Config"]))  # type: ignore[arg-type, no-any-return]


def environments(log: str) -> list[list[str]]:
    """The output of each RUN env, by the number of its step in the log."""
    steps = re.findall(r"^#(\d+) \[.*\] (?:ONBUILD )?RUN env$", log, re.MULTILINE)
    found = []
    for step in dict.fromkeys(steps):
        lines = re.findall(rf"^#{step} [0-9.]+ ([^=\n]+=.*)$", log, re.MULTILINE)
        found.append([line for line in lines if line.partition("=")[0] not in OTHERS])
    return found


def record(case_folder: Path) -> None:
    options_file = case_folder / "case.json"
    case = json.loads(options_file.read_text()) if options_file.exists() else {}
    if case.get("judge") == "rules":
        return
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder, "context")
        context.mkdir()
        for name in ("package.json", "server.js"):
            (context / name).write_text(name)
        of_base = 0
        for name, text in case.get("bases", {}).items():
            build(str(context), text, name, {})
            of_base = len(image_config(name)["history"])
        log = build(str(context), (case_folder / "Dockerfile").read_text(), "lamella-golden", case)
    image = image_config("lamella-golden")
    version = docker("version", "--format={{.Server.Version}}").stdout.decode().strip()
    expected = {
        "judge": f"docker {version}",
        "config": image["config"],
        "author": image.get("author", ""),
        "history": [
            [entry.get("created_by", ""), entry.get("empty_layer", False)]
            for entry in image["history"][of_base:]
            if entry.get("comment") == "buildkit.dockerfile.v0"
        ],
        "environments": environments(log),
    }
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (case_folder / "expected.json").write_text(text + "\n")
    docker("rmi", "-f", "lamella-golden", *case.get("bases", {}))


if __name__ == "__main__":
    docker("import", sys.argv[1], "busybox")
    for one in [CASES / name for name in sys.argv[2:]] or sorted(CASES.iterdir()):
        if one.is_dir():
            print(one.name)
            record(one)
