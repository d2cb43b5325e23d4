"""Every example is built by Lamella as its README says, and judged from outside: skopeo counts the layers, umoci
unpacks, runc starts what was unpacked, and HTTP answers over the container's own loopback."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from demo import EXAMPLES, REPOSITORY, Demo, http_answer

# One worker: the bases are made once, and the examples' generated files lie in the source tree.
pytestmark = [pytest.mark.containers, pytest.mark.peer, pytest.mark.xdist_group("examples")]

PT_INTERP = 3  # names the dynamic linker


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
def test_the_two_stage_build_gives_the_same_program(golang: Demo, compiled: Path) -> None:
    """The program compiled inside a stage is, byte for byte, the one compiled outside."""
    demo = golang
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
