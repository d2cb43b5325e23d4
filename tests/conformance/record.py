"""Records what the real Docker 26 makes of the cases: ``python tests/conformance/record.py [TOPIC | TOPIC/NAME …]``.

Read the diff of expected.jsonl afterwards. Cases by specification are left alone: that Docker is older than they are.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from casefile import BASES, Case, all_cases, lay, recorded, write_recorded
from docker26 import REPOSITORY, Docker26
from imagefacts import apply_layer, facts, output_listing
from loopback import serve

#: what is another in the same message of each build
VARIES = (
    (r"(?<=checksum of ref )\S+(?=: )", "$REF"),
    (r"/host/\S+?/(merged|buildkit-mount\d+)", "$ROOT"),
    (r"(failed to do request): .*", r"\1"),
    (r"failed to run Build function", "failed to solve"),
)
Base = tuple[tuple[str, ...], dict[str, str]]


class Saved:
    """An image of the daemon: its config, and its layers as `docker save` gives them (which refuses to give none)."""

    def __init__(self, docker: Docker26, name: str) -> None:
        image_id = docker("image", "inspect", "--format={{.Id}}", name).decode().strip().removeprefix("sha256:")
        (config,) = Path(docker.folder).glob(f"data/image/*/imagedb/content/sha256/{image_id}")
        self.config: dict[str, Any] = json.loads(config.read_bytes())
        self.diff_ids = tuple(self.config["rootfs"].get("diff_ids") or ())
        if self.diff_ids:
            self._tar = tarfile.TarFile(fileobj=io.BytesIO(docker("save", name)))
            (self._manifest,) = json.load(self._member("manifest.json"))

    def _member(self, name: str) -> IO[bytes]:
        member = self._tar.extractfile(name)
        assert member is not None
        return member

    def layer(self, number: int) -> IO[bytes]:
        return self._member(self._manifest["Layers"][number])


def import_bases(docker: Docker26) -> list[Base]:
    """Diff IDs and tree of each base."""
    folder = Path(os.environ.get("LAMELLA_TEST_BASES") or REPOSITORY.parent / "shared" / "bases")
    found: list[Base] = []
    for name, (file, _) in BASES.items():
        docker("import", str(folder / file), name)
        saved = Saved(docker, name)
        tree: dict[str, str] = {}
        apply_layer(tree, saved.layer(0))
        found.append((saved.diff_ids, tree))
    return found


def record(docker: Docker26, case: Case, bases: list[Base]) -> dict[str, Any]:
    """A line of expected.jsonl. Raises CalledProcessError where an image that the case stands on is not built."""
    with tempfile.TemporaryDirectory(prefix="lamella-case-") as folder, serve(Path(folder, "www")) as server:
        context = lay(case, Path(folder), server)
        common = ["--progress=plain", "--network=host"] if "--network" not in case.options else ["--progress=plain"]
        for member in case.members:
            if "image" in member.words:
                words = ["build", *common, "-t", member.name, "-f", "-", "."]
                docker(*words, cwd=context, input=member.body.encode())
        words = [
            "buildx",
            "build",
            *common,
            *([] if case.output else ["--iidfile", f"{folder}/iid"]),
            *case.words(server),
        ]
        if case.context is not None:
            words.append(case.context.replace("$SERVER", server))
        stdin = (context / case.stdin).read_bytes() if case.stdin else b""
        done = docker.run(*words, cwd=context, input=stdin)
        found: dict[str, Any] = {"case": case.name, "judge": docker.version()}
        if done.returncode:
            message = done.stderr.decode(errors="replace").strip().splitlines()[-1]
            for varies, name in VARIES:
                message = re.sub(varies, name, message)
            return {**found, "fails": message.replace(server, "$SERVER").replace(folder, "$FOLDER")}
        if case.output:
            return {**found, "output": output_listing(context / case.output)}
        saved = Saved(docker, Path(folder, "iid").read_text())
        base: Base = next((one for one in bases if saved.diff_ids[:1] == one[0]), ((), {}))
        told = json.dumps(facts(saved.config, saved.layer, *base), ensure_ascii=False)
        return {**found, **json.loads(told.replace(server, "$SERVER"))}


def main(wanted: list[str]) -> int:
    cases = [case for case in all_cases() if not case.by_specification]
    if wanted:
        cases = [case for case in cases if case.name in wanted or case.name.partition("/")[0] in wanted]
    records = recorded()
    known = {case.name for case in all_cases() if not case.by_specification}
    with Docker26() as docker, ThreadPoolExecutor(os.cpu_count()) as pool:
        bases = import_bases(docker)

        def one(case: Case) -> tuple[Case, dict[str, Any]]:
            try:
                return case, record(docker, case, bases)
            except subprocess.CalledProcessError as error:
                said = error.stderr.decode(errors="replace")
                raise SystemExit(f"{case.name}: {said}") from None

        for case, found in pool.map(one, cases):
            records[case.name] = found
            if ("fails" in found) is not (case.fails is not None) and not any(
                what == "fails" for what, _ in case.differs
            ):
                print(f"{case.name}: is it to fail? {found.get('fails', 'it does not')}")
    write_recorded({name: found for name, found in records.items() if name in known})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
