"""Every example is built by Lamella as its README says, and judged from outside: skopeo counts the layers, umoci
unpacks, runc starts what was unpacked, and HTTP answers over the container's own loopback."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"

# One worker: the bases are made once, and the examples' generated files lie in the source tree.
pytestmark = [pytest.mark.containers, pytest.mark.peer, pytest.mark.xdist_group("examples")]

PT_INTERP = 3  # names the dynamic linker

# Inside the container's network: asks until somebody listens, for ten seconds at most.
ASK = """\
import sys, time, urllib.request
deadline = time.monotonic() + 10
while True:
    try:
        sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=2).read())
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.05)
"""


class Demo:
    """The command line with one store for all the examples."""

    def __init__(self, store: Path) -> None:
        self.store = store
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAMELLA_", "SOURCE_DATE"))}
        self.env = {**kept, "LAMELLA_ROOT": str(store)}
        if "LAMELLA_TEST_BASES" in os.environ:
            self.env["LAMELLA_BASES"] = os.environ["LAMELLA_TEST_BASES"]

    def run(self, *argv: str | Path, expect: int = 0) -> str:
        done = subprocess.run(
            [str(word) for word in argv], env=self.env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == expect, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def lamella(self, *words: str | Path, expect: int = 0) -> str:
        return self.run(sys.executable, "-m", "lamella", *words, expect=expect)

    def json(self, command: str, *words: str | Path, expect: int = 0) -> Any:
        return json.loads(self.lamella(command, "--format", "json", *words, expect=expect))

    def build(self, tag: str, folder: Path, dockerfile: str = "Dockerfile") -> None:
        self.lamella("build", "-q", "-t", tag, "-f", folder / dockerfile, folder)

    def bases(self, *names: str) -> None:
        self.run(REPOSITORY / "scripts" / "bases", *names)

    def skopeo(self, tag: str) -> Any:
        """What skopeo finds in the store as it stands."""
        return json.loads(self.run("skopeo", "inspect", f"oci:{self.store}:{full(tag)}"))

    def unpack(self, tag: str, folder: Path) -> Path:
        """A runtime bundle, made by umoci of the store as it stands."""
        self.run("umoci", "unpack", "--image", f"{self.store}:{full(tag)}", folder / "bundle")
        return folder / "bundle"


def full(tag: str) -> str:
    return tag if ":" in tag else f"{tag}:latest"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    made = Demo(tmp_path_factory.mktemp("examples") / "store")
    made.bases("alpine:3.20")
    return made


@pytest.fixture(scope="module")
def debian(demo: Demo) -> Demo:
    """With ``debian:bookworm``: made of Debian's packages at the first time, kept in ``.demo/bases`` then."""
    kept = REPOSITORY / ".demo" / "bases" / "debian-bookworm.tar"
    done = subprocess.run(
        [REPOSITORY / "scripts" / "bases", "debian:bookworm"], env=demo.env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and not kept.exists():
        pytest.skip(f"Debian's packages cannot be had here: {done.stdout}{done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    return demo


@pytest.fixture(scope="module")
def compiled() -> Path:
    """The Go example with its two programs."""
    folder = EXAMPLES / "go-scratch"
    done = subprocess.run([folder / "compile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@contextmanager
def started(bundle: Path) -> Iterator[int]:
    """The bundle's process in a container; its number here."""
    config = bundle / "config.json"
    settings = json.loads(config.read_text())
    settings["process"]["terminal"] = False
    settings["linux"]["namespaces"] = [{"type": name} for name in ("pid", "mount", "ipc", "uts", "network")]
    settings["linux"].pop("uidMappings", None)
    settings["linux"].pop("gidMappings", None)
    config.write_text(json.dumps(settings))
    runc = [shutil.which("runc") or "/usr/sbin/runc", "--root", str(bundle / "state")]
    with (bundle / "log").open("wb") as log:
        start = [*runc, "run", "--detach", "--bundle", str(bundle), "--pid-file", str(bundle / "pid"), "example"]
        done = subprocess.run(start, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, timeout=60)
    assert done.returncode == 0, (bundle / "log").read_text()
    try:
        yield int((bundle / "pid").read_text())
    finally:
        subprocess.run([*runc, "delete", "--force", "example"], check=True, timeout=60)


def http_answer(bundle: Path, path: str = "/") -> str:
    """What the container's own command answers on its port 8080."""
    with started(bundle) as pid:
        ask = [
            "nsenter",
            "--net",
            "--target",
            str(pid),
            sys.executable,
            "-S",
            "-c",
            ASK,
            f"http://127.0.0.1:8080{path}",
        ]
        done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_base_of_14_layers_and_four_of_ones_own_make_18(demo: Demo, tmp_path: Path) -> None:
    folder = EXAMPLES / "frontend-layers"
    demo.build("node14-like", folder / "base")
    predicted = demo.json("explain", folder)
    assert predicted["layers"] == {"base": 14, "added": 4, "total": 18}
    made = [step["instruction"] for step in predicted["steps"] if step["layer"] and not step.get("in_base")]
    assert made == ["WORKDIR", "COPY", "RUN", "COPY"]
    assert {step["instruction"]: step["layer"] for step in predicted["steps"]}["CMD"] is False
    assert "18" in demo.lamella("explain", folder)

    demo.build("frontend", folder)
    assert demo.json("explain", "frontend")["layers"]["total"] == 18
    assert len(demo.skopeo("node14-like")["Layers"]) == 14
    assert len(demo.skopeo("frontend")["Layers"]) == 18
    bundle = demo.unpack("frontend", tmp_path)
    installed = bundle / "rootfs" / "app" / "node_modules"
    assert sorted(path.name for path in installed.iterdir()) == ["greeting", "plain-theme"]
    assert "Eighteen layers" in http_answer(bundle)


def test_five_runs_become_one_and_the_same_state(demo: Demo) -> None:
    folder = EXAMPLES / "many-runs"
    demo.build("many-runs", folder)
    demo.build("many-runs:joined", folder, "Dockerfile.joined")
    assert len(demo.skopeo("many-runs")["Layers"]) == 6
    assert len(demo.skopeo("many-runs:joined")["Layers"]) == 2
    proof = demo.json("prove", "many-runs", "many-runs:joined")
    assert proof["same"] is True
    assert proof["paths"] > 200

    text = demo.lamella("fix", "--prove", folder)
    assert "same state" in text
    assert "-RUN seq 1 2000" in text


def test_the_layers_are_a_choice(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "layers-choice"
    shutil.copytree(EXAMPLES / "layers-choice", folder)
    demo.run(folder / "make-data")
    for policy, layers in (("faithful", 7), ("tight", 3), ("single", 2)):
        demo.lamella("build", "-q", "--layers", policy, "-t", f"choice:{policy}", folder)
        assert len(demo.skopeo(f"choice:{policy}")["Layers"]) == 1 + layers
        assert demo.json("prove", "choice:faithful", f"choice:{policy}")["same"] is True
    sizes = [demo.json("explain", f"choice:{policy}")["size"] for policy in ("faithful", "tight", "single")]
    assert sizes[0] - sizes[1] >= 70_000_000
    assert sizes[1] == sizes[2]


def test_the_ignore_file_leaves_out_the_junk_and_nothing_else(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "context-junk"
    shutil.copytree(EXAMPLES / "context-junk", folder, ignore=shutil.ignore_patterns("node_modules", ".git", "dist"))
    demo.run(folder / "make-junk")
    demo.build("context-junk:all", folder)
    demo.build("context-junk:clean", folder, "Dockerfile.clean")
    sizes = [demo.json("explain", f"context-junk:{tag}")["steps"][-2]["size"] for tag in ("all", "clean")]
    assert sizes[0] > 24_000_000
    assert sizes[1] < 1000
    app = demo.unpack("context-junk:clean", tmp_path) / "rootfs" / "app"
    files = sorted(str(path.relative_to(app)) for path in app.rglob("*") if path.is_file())
    assert files == ["src/app.sh", "src/message.txt"]
    assert demo.json("prove", "context-junk:all", "context-junk:clean", expect=1)["same"] is False


def test_the_same_service_on_two_bases(debian: Demo, tmp_path: Path) -> None:
    folder = EXAMPLES / "base-choice"
    debian.build("service:debian", folder)
    debian.build("service:alpine", folder, "Dockerfile.alpine")
    assert len(debian.skopeo("service:debian")["Layers"]) == 5
    assert len(debian.skopeo("service:alpine")["Layers"]) == 2
    large, small = (debian.json("explain", f"service:{tag}")["size"] for tag in ("debian", "alpine"))
    assert large > 10 * small
    answers = {}
    for tag in ("debian", "alpine"):
        (tmp_path / tag).mkdir()
        answers[tag] = http_answer(debian.unpack(f"service:{tag}", tmp_path / tag))
    assert answers["debian"] == answers["alpine"] == "the same service on any base\n"


@pytest.mark.parametrize(("dockerfile", "most"), [("Dockerfile", 12_800_000), ("Dockerfile.small", 6_000_000)])
def test_the_go_program_on_scratch_answers(
    demo: Demo, compiled: Path, tmp_path: Path, dockerfile: str, most: int
) -> None:
    demo.build("helloworld", compiled, dockerfile)
    explained = demo.json("explain", "helloworld")
    assert explained["layers"] == {"base": 0, "added": 1, "total": 1}
    assert explained["size"] < most
    assert len(demo.skopeo("helloworld")["Layers"]) == 1
    bundle = demo.unpack("helloworld", tmp_path)
    assert [path.name for path in (bundle / "rootfs").iterdir()] == ["helloworld"]
    assert http_answer(bundle) == "Hello, World!\n"


def test_the_go_programs_are_static_and_the_small_one_is_stripped(compiled: Path) -> None:
    for program in ("helloworld", "helloworld-small"):
        assert PT_INTERP not in segment_types(compiled / program)
    assert (compiled / "helloworld-small").stat().st_size < 0.75 * (compiled / "helloworld").stat().st_size


@pytest.mark.slow
def test_the_two_stage_build_gives_the_same_program(demo: Demo, compiled: Path) -> None:
    """The program compiled inside a stage is, byte for byte, the one compiled outside."""
    toolchain = demo.run(Path(sys.executable).parent / "go", "env", "GOROOT").strip()
    demo.lamella("build", "-q", "-t", "golang:local", "-f", compiled / "golang" / "Dockerfile", toolchain)
    demo.build("helloworld:stages", compiled, "Dockerfile.stages")
    demo.build("helloworld:small", compiled, "Dockerfile.small")
    assert demo.json("prove", "helloworld:small", "helloworld:stages")["same"] is True
    assert demo.json("explain", "helloworld:stages")["layers"]["total"] == 1


def segment_types(program: Path) -> list[int]:
    """The types of a 64-bit ELF file's program headers (elf(5))."""
    content = program.read_bytes()
    assert content[:5] == b"\x7fELF\x02"
    (offset,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    return [struct.unpack_from("<I", content, offset + number * size)[0] for number in range(count)]
