"""The benchmark's own arithmetic: what it times, how it compares, what it says of a tool that fails."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``bench.measure``, ``bench.report``, ``bench.peers``, ``bench.bench_room``, as bench/run.py finds them."""
    monkeypatch.syspath_prepend(str(BENCH))
    found = ModuleType("bench")
    for name in ("measure", "report", "peers", "bench_room"):
        setattr(found, name, importlib.import_module(name))
    return found


def test_wall_time_and_peak_memory_of_the_whole_process(bench: ModuleType, tmp_path: Path) -> None:
    script = "import time; block = bytearray(80_000_000); time.sleep(0.2)"
    sample = bench.measure.measure(bench.measure.Command((sys.executable, "-S", "-c", script)), str(tmp_path / "log"))
    assert 0.2 <= sample.seconds < 5
    assert 80_000_000 < sample.peak < 200_000_000


def test_the_memory_of_the_measuring_process_does_not_count(bench: ModuleType, tmp_path: Path) -> None:
    ballast = bytearray(b"x") * 150_000_000
    assert bench.measure.measure(bench.measure.Command(("true",)), str(tmp_path / "log")).peak < 50_000_000
    assert len(ballast) == 150_000_000


def test_a_failing_tool_is_named_with_the_end_of_its_output(bench: ModuleType, tmp_path: Path) -> None:
    command = bench.measure.Command(("sh", "-c", "echo $GREETING; exit 7"), env={"GREETING": "no such base"})
    with pytest.raises(bench.measure.CommandFailed, match=r"exit status 7\nno such base"):
        bench.measure.measure(command, str(tmp_path / "log"))


def test_medians_ratios_and_targets_are_printed(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    sample, target = bench.measure.Sample, bench.measure.Target
    case = bench.measure.Case("c", "a case", (), (target("docker", 0.8), target("buildah", 0.3)))
    samples = {
        "lamella": [sample(second, 20_000_000) for second in (1.0, 2.0, 9.0)],
        "docker": [sample(4.0, 40_000_000)] * 3,
        "buildah": [sample(5.0, 30_000_000)] * 3,
    }
    medians = {"lamella": 2.0, "docker": 4.0, "buildah": 5.0}
    bench.report.print_result(bench.report.Result(case, samples, medians, 130_000_000))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a case  (median of 3)"
    assert lines[1].split() == ["lamella", "2.000", "s", "(1.000", "to", "9.000)", "20", "MB"]
    assert lines[2].endswith("lamella / docker: 0.50, to reach 0.8: reached")
    assert lines[3].split() == ["its", "dockerd", "130", "MB"]
    assert lines[4].endswith("lamella / buildah: 0.40, to reach 0.3: NOT reached")
    data = bench.report.as_json([bench.report.Result(case, samples, medians, 0)], "a machine")
    assert data["cases"][0]["tools"]["lamella"]["median"] == 2.0


def test_peak_memory_is_held_against_its_target(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    for peak, verdict in ((99_000_000, "reached"), (101_000_000, "NOT reached")):
        samples = {"lamella": [bench.measure.Sample(1.0, peak)]}
        case = bench.measure.Case("c", "a case", (), (), 100_000_000)
        bench.report.print_result(bench.report.Result(case, samples, {"lamella": 1.0}, 0))
        assert capsys.readouterr().out.splitlines()[1].endswith(f"to stay under 100 MB: {verdict}")


@pytest.mark.root
@pytest.mark.peer
def test_pushes_and_pulls_do_what_they_say(
    bench: ModuleType, tmp_path: Path, bases: Path, monkeypatch: pytest.MonkeyPatch, require: Callable[[str], str]
) -> None:
    """With a small image: each push finds an empty registry, each pull an empty store."""
    require("skopeo"), require("docker-registry")
    work = importlib.import_module("works.transfers")
    monkeypatch.setattr(work, "debian_rootfs", lambda folder: str(bases / "busybox-musl-amd64.tar.gz"))
    monkeypatch.setattr(work, "PAUSE", 0)
    builder = bench.peers.Lamella(bench.peers.find_lamella(), str(tmp_path / "builder"))
    room = bench.bench_room.Room(str(tmp_path), "", (builder,))
    said = []
    for case in work.cases(room):
        for contender in case.contenders * 2:
            contender.before()
            bench.measure.measure(contender.command, str(tmp_path / "log"))
            said.append((case.key, contender.name, (tmp_path / "log").read_text()))
    assert [(key, name) for key, name, _ in said] == [
        (key, name) for key in ("push", "pull") for _ in range(2) for name in ("lamella", "skopeo, packed")
    ]
    for key, name, text in said:
        assert ("already" in text.lower() or "skipped" in text.lower()) is False, (key, name, text)
        if name == "lamella":
            assert {"push": "sent", "pull": "fetched"}[key] in text


def test_every_work_measures_every_builder_cold_and_cached(bench: ModuleType, tmp_path: Path) -> None:
    builders = (
        bench.peers.Lamella("lamella", "/store"),
        bench.peers.Buildah("buildah", "/containers", layered=True),
    )
    room = bench.bench_room.Room(str(tmp_path), "alpine:3.20", builders)
    cold, cached = importlib.import_module("works.five_runs").cases(room)
    assert [contender.name for contender in cold.contenders] == ["lamella", "buildah --layers"]
    assert all("--no-cache" in contender.command.argv for contender in cold.contenders)
    assert not any("--no-cache" in contender.command.argv for contender in cached.contenders)
    context = Path(cold.contenders[0].command.argv[-1])
    assert (context / "Dockerfile").read_text().count("RUN ") == 5


def test_the_copied_files_are_20_000_and_110_megabytes(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen on a twentieth of them."""
    room = bench.bench_room.Room(str(tmp_path), "alpine:3.20", ())
    work = importlib.import_module("works.copy_many")
    assert (work.FILES, work.TOTAL) == (20_000, 110_000_000)
    monkeypatch.setattr(work, "FILES", work.FILES // 20)
    monkeypatch.setattr(work, "TOTAL", work.TOTAL // 20)
    list(work.cases(room))
    folder = tmp_path / "contexts" / "copy-many" / "files"
    sizes = [entry.stat().st_size for place in os.scandir(folder) for entry in os.scandir(place.path)]
    assert len(sizes) == 1000
    assert 5_200_000 < sum(sizes) < 5_800_000


def test_every_runner_runs_and_removes(bench: ModuleType) -> None:
    runners = importlib.import_module("runners")
    lamella = runners.Direct(bench.peers.Lamella("/bin/lamella", "/store")).run("alpine", "true", flags=("-p", "80"))
    assert lamella.argv == ("/bin/lamella", "run", "--rm", "-p", "80", "alpine", "true")
    assert lamella.env == {"LAMELLA_ROOT": "/store"}
    docker = runners.Direct(bench.peers.Docker("docker", {"DOCKER_HOST": "unix://x"})).run("alpine", "true")
    assert (docker.argv, docker.env) == (("docker", "run", "--rm", "alpine", "true"), {"DOCKER_HOST": "unix://x"})
    podman = runners.Podman("podman", "/pods").run("alpine", "true").argv
    assert podman[:5] == ("podman", "--root", "/pods/root", "--runroot", "/pods/run")
    assert podman[-2:] == ("localhost/alpine", "true")
