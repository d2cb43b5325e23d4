"""The suite as an ordinary user: the tests that say most, in a pytest of the user's own.

Those ``inside`` call the rooms: they run in a user namespace, which ``tests/conftest.py`` enters. The others call the
program as a user does, which enters one by itself, or needs none. The rest passes as well: CONTRIBUTING.md says how to
run it. Parts are for the workers, which begin with them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from ordinary import OrdinaryUser

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.early]


class Part(NamedTuple):
    """``what`` are files and, of those whose tests take long, single tests; ``least`` is how many must pass."""

    inside: bool
    least: int
    what: tuple[str, ...]


def _of(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{file}::test_{name}" for name in names)


PARTS = {
    "containers": Part(
        inside=False,
        least=14,
        what=(
            *_of("tests/container/test_run.py", "streams_and_status", "what_it_sees", "limits"),
            *_of("tests/container/test_life.py", "a_whole_life", "it_survives_who_started_it", "volumes", "exec"),
            *_of("tests/container/test_life.py", "logs", "health", "sigkill_of_a_part", "images_of_containers_stay"),
            *_of("tests/container/test_ports.py", "two_publish_and_each_is_reached", "udp_and_a_random_port"),
            *_of("tests/container/test_ports.py", "nothing_is_left[stop]", "nothing_is_left[kill the monitor]"),
        ),
    ),
    "steps": Part(
        inside=True,
        least=200,
        what=(
            "tests/runtime",
            *_of("tests/build/test_run.py", "five_runs_are_five_layers_and_the_second_time_cached"),
            *_of("tests/build/test_run.py", "chown_by_a_user_that_a_run_made", "stages_side_by_side_and_copy_from"),
            *_of("tests/build/test_run_isolation.py", "network_of_a_step_goes_before_that_of_the_command_line"),
            *_of("tests/build/test_run_isolation.py", "insecure_can_mount_and_sandbox_cannot"),
            *_of("tests/build/test_mounts_bind.py", "the_context_is_seen_and_belongs_to_root_and_leaves_nothing"),
            *_of("tests/build/test_mounts_bind.py", "a_container_with_all_capabilities_cannot_reach_the_real_files"),
            *_of("tests/build/test_mounts_cache.py", "it_keeps_what_builds_write_and_no_layer_holds_it"),
            *_of("tests/build/test_mounts_cache.py", "its_owner_and_mode_make_another_cache"),
            *_of("tests/build/test_mounts_secret.py", "files_have_their_place_mode_and_owner"),
            *_of("tests/build/test_mounts_secret.py", "it_lies_where_no_disk_is_written_to_not_even_by_swapping"),
        ),
    ),
    "registries": Part(
        inside=False,
        least=30,
        what=(
            *_of("tests/e2e/test_registries.py", "there_and_back[token_registry]", "bases_come_from_a_registry"),
            *_of("tests/e2e/test_registries.py", "ctrl_c_leaves_nothing_half_done"),
            *_of("tests/registry/test_faults.py", "a_download_that_is_cut_at_every_tenth"),
            "tests/registry/test_client.py",
            "tests/store/test_archive.py",
            *_of("tests/e2e/test_secrets.py", "nothing_holds_a_secret"),
        ),
    ),
    "layers": Part(
        inside=True,
        least=60,
        what=(
            "tests/snapshot/test_conformance.py",
            "tests/layer/test_unpack.py",
            *_of("tests/registry/test_transfer.py", "what_was_pushed_is_what_is_pulled"),
            *_of("tests/registry/test_transfer.py", "layers_are_unpacked_while_they_come"),
            *_of("tests/registry/test_transfer.py", "another_repository_of_the_registry_gives_its_blobs"),
            "--deselect=tests/snapshot/test_conformance.py::test_130_layers",
            "--deselect=tests/snapshot/test_conformance.py::test_base_root_file_system[copy]",
            "--deselect=tests/layer/test_unpack.py::test_many_whiteouts_and_folders_are_linear",
        ),
    ),
}
#: of what is skipped there, what may be: it needs root of the machine, or another program that is not installed
_MAY_BE_SKIPPED = re.compile(r"needs root of the machine|is not installed|a user's overlay|/dev/net/tun|dockerd")
#: seconds of a part; each takes some 15 alone
_PATIENCE = 240


@pytest.mark.parametrize("part", PARTS)
def test_the_suite(part: str, user: OrdinaryUser, bases: Path) -> None:
    done = _run_suite(user, PARTS[part], _readable(bases, user), "-m", "not slow")
    print(done.stdout[-20_000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= PARTS[part].least
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert [line for line in skipped if not _MAY_BE_SKIPPED.search(line)] == []


def _readable(bases: Path, user: OrdinaryUser) -> Path:
    """A copy, where the user cannot look into the folder."""
    if user.run("test", "-r", str(bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz")).returncode == 0:
        return bases
    copy = user.home / "bases"
    if not copy.exists():
        shutil.copytree(bases, copy)
        for path in (copy, *copy.iterdir()):
            path.chmod(0o755)
    return copy


def _run_suite(user: OrdinaryUser, part: Part, bases: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "LAMELLA_TEST_NAMESPACE": "yes" if part.inside else "no",
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{user.home}/hypothesis",
        "TMPDIR": str(user.home),
        "LAMELLA_TEST_BASES": str(bases),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    flags = ("-q", "-p", "no:cacheprovider")
    return user.run(
        user.python, "-m", "pytest", *flags, *part.what, *words, cwd=user.repository, timeout=_PATIENCE, **environment
    )
