"""What ``make demo`` shows: the lesson on layers, part by part, on real images.

Every command is printed as a user would type it, then run; the table at the end is made from their JSON outputs. Exits
with 1 when anything failed or could not be proven.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from typing import Any

from answer import http_answer
from ledger import Ledger, Row
from terminal import DemoFailed, Ends, heading, lamella, lamella_json, quietly, show, tell

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
POLICIES = ("faithful", "tight", "single")
SEED_LAYERS = {"base": 14, "added": 4, "total": 18}


def main() -> int:
    os.chdir(REPOSITORY)
    started = time.monotonic()
    ledger = Ledger()
    bases()
    for part in (frontend, many_runs, layers_choice, junk, base_choice, go_scratch, listing):
        try:
            part(ledger)
        except DemoFailed as error:
            tell(f"FAILED: {error}")
            ledger.fail(part.__name__.replace("_", "-"), str(error))
    heading("Before and after")
    print(ledger.table())
    tell(f"{time.monotonic() - started:.0f} seconds; the images are in {os.environ['LAMELLA_ROOT']}")
    for line in ledger.failures:
        tell(f"FAILED: {line}")
    return 1 if ledger.failures else 0


def bases() -> None:
    heading("Base images")
    tell("Made here, from root file systems and Debian's packages; no registry is asked.")
    show(["scripts/bases", "alpine:3.20", "debian:bookworm"])


def frontend(ledger: Ledger) -> None:
    heading("1. Which instruction makes a layer")
    tell(
        "The lesson's Dockerfile: WORKDIR, COPY, RUN, COPY, CMD on a base of 14 layers. CMD makes none: 14 + 4 = 18.",
        "First a prediction, from the text alone; then the same, measured on the image.",
    )
    folder = "examples/frontend-layers"
    lamella("build", "-q", "-t", "node14-like", f"{folder}/base")
    lamella("explain", folder)
    predicted = lamella_json("explain", "--format", "json", folder)["layers"]
    lamella("build", "-t", "frontend", folder)
    lamella("explain", "frontend")
    measured = lamella_json("explain", "--format", "json", "frontend")
    as_in_lesson = predicted == SEED_LAYERS and measured["layers"]["total"] == SEED_LAYERS["total"]
    ledger.add(
        Row(
            "frontend-layers",
            instructions=(count_instructions(f"{folder}/Dockerfile"),) * 2,
            layers=(predicted["total"], measured["layers"]["total"]),
            size=(measured["size"],) * 2,
            proven=as_in_lesson,
            how=f"{predicted['base']} + {predicted['added']} predicted, {measured['layers']['total']} measured",
        )
    )


def many_runs(ledger: Ledger) -> None:
    heading("2. Five RUN instructions, or one")
    tell("Each RUN makes a layer; joined by && they make one. The proof builds both and compares every path.")
    folder = "examples/many-runs"
    lamella("build", "-t", "many-runs", folder)
    lamella("explain", "many-runs")
    lamella("check", folder, expect=(0, 1))
    ledger.add(fix("many-runs", folder, "many-runs"))
    tell("The file joined by hand, against the original:")
    lamella("build", "-q", "-t", "many-runs:joined", "-f", f"{folder}/Dockerfile.joined", folder)
    lamella("prove", "many-runs", "many-runs:joined", expect=(0, 1))
    proof = lamella_json("prove", "--format", "json", "many-runs", "many-runs:joined", expect=(0, 1))
    files = (f"{folder}/Dockerfile", f"{folder}/Dockerfile.joined")
    ledger.add(
        image_row("  joined by hand", files, ("many-runs", "many-runs:joined"), proof["same"], same_words(proof))
    )


def layers_choice(ledger: Ledger) -> None:
    heading("3. Which steps share a layer")
    tell(
        "The same can be had without touching the file: --layers decides when the image is put together. Steps are "
        "cached one by one, so another policy runs no step again."
    )
    folder = "examples/layers-choice"
    show([f"{folder}/make-data"])
    lamella("build", "-t", "choice:faithful", folder)
    for policy in POLICIES[1:]:
        lamella("build", "-q", "--layers", policy, "-t", f"choice:{policy}", folder)
    for policy in POLICIES:
        lamella("build", "-q", "--layers", policy, "-t", f"many-runs:{policy}", "examples/many-runs")
    lamella("explain", "choice:tight")
    print(policy_table(("many-runs", "choice")))
    for policy in POLICIES[1:]:
        pair = ("choice:faithful", f"choice:{policy}")
        proof = lamella_json("prove", "--format", "json", *pair, expect=(0, 1))
        files = (f"{folder}/Dockerfile",) * 2
        name = "layers-choice" if policy == "tight" else f"  {policy}"
        ledger.add(image_row(name, files, pair, proof["same"], same_words(proof)))


def policy_table(names: tuple[str, ...]) -> str:
    """Layers and bytes above the base, image by image and policy by policy."""
    lines = [f"{'above the base':<16}" + "".join(f"{policy:>24}" for policy in POLICIES)]
    for name in names:
        cells = []
        for policy in POLICIES:
            explained = lamella_json("explain", "--format", "json", f"{name}:{policy}")
            added = sum(step["size"] for step in explained["steps"] if step["layer"]) - size_of("alpine:3.20")
            layers = explained["layers"]["added"]
            cells.append(f"{layers} layer{'' if layers == 1 else 's'}, {added / 1e6:.2f} MB")
        lines.append(f"{name:<16}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join(lines) + "\n"


def junk(ledger: Ledger) -> None:
    heading("4. A context full of junk")
    tell("COPY . . takes all of it. An ignore file keeps the instruction and leaves out the junk.")
    folder = "examples/context-junk"
    show([f"{folder}/make-junk"])
    lamella("context", folder, ends=Ends(10, 3))
    tell("The same context with the ignore file of Dockerfile.clean, which is alike to the letter:")
    lamella("context", "-f", f"{folder}/Dockerfile.clean", folder)
    lamella("build", "-q", "-t", "context-junk:all", folder)
    lamella("build", "-q", "-t", "context-junk:clean", "-f", f"{folder}/Dockerfile.clean", folder)
    tell("Nothing but the ignored paths may be missing:")
    ignored = [word for path in ignored_paths(f"{folder}/Dockerfile.clean.dockerignore") for word in ("--ignore", path)]
    pair = ("context-junk:all", "context-junk:clean")
    lamella("prove", *ignored, *pair, expect=(0, 1))
    proof = lamella_json("prove", "--format", "json", *ignored, *pair, expect=(0, 1))
    files = (f"{folder}/Dockerfile", f"{folder}/Dockerfile.clean")
    ledger.add(image_row("context-junk", files, pair, proof["same"], same_words(proof) + ", the junk apart"))


def base_choice(ledger: Ledger) -> None:
    heading("5. The same service on two bases")
    tell("In the lesson: Ubuntu 70 MB, with packages 185 MB; Alpine 8 MB, with packages 21.8 MB. Here:")
    folder = "examples/base-choice"
    lamella("build", "-q", "-t", "service:debian", folder)
    lamella("build", "-q", "-t", "service:alpine", "-f", f"{folder}/Dockerfile.alpine", folder)
    names = ("debian:bookworm", "service:debian", "alpine:3.20", "service:alpine")
    print("\n".join(f"    {name:<18}{size_of(name) / 1e6:>7.1f} MB" for name in names) + "\n")
    lamella("explain", "service:debian")
    tell("The packages were copied by one instruction and deleted by another. Joining the two RUN, with proof:")
    ledger.add(fix("base-choice", folder, "service:debian"))
    files = (f"{folder}/Dockerfile", f"{folder}/Dockerfile.alpine")
    ledger.add(answer_row("  Debian to Alpine", files, ("service:debian", "service:alpine")))


def go_scratch(ledger: Ledger) -> None:
    heading("6. A Go program on scratch")
    tell("The lesson's image had 12.8 MB. Compiled here, statically; then without symbols and debug information.")
    folder = "examples/go-scratch"
    show([f"{folder}/compile"])
    lamella("build", "-t", "helloworld", folder)
    lamella("build", "-q", "-t", "helloworld:small", "-f", f"{folder}/Dockerfile.small", folder)
    exercise()
    files = (f"{folder}/Dockerfile", f"{folder}/Dockerfile.small")
    ledger.add(answer_row("go-scratch", files, ("helloworld", "helloworld:small")))


def exercise() -> None:
    """The lesson's own commands; docs/exercise.md has all of them."""
    tell("The lesson runs it, and so do we: port 8008 of this machine is the program's port 8080.")
    name = "go-helloworld"
    quietly("rm", "--force", name, expect=(0, 1, 2))  # of a walk that was interrupted
    lamella("run", "-d", "-p", "8008:8080", "--name", name, "helloworld")
    try:
        show(["curl", "--no-progress-meter", "127.0.0.1:8008"])
        lamella("ps")
        lamella("logs", name)
        lamella("stop", name)
    finally:
        lamella("rm", "--force", name)


def listing(ledger: Ledger) -> None:
    heading("The images")
    tell("What the proofs built and nothing names any more is removed:")
    lamella("image", "prune", "--force", ends=Ends(0, 2))
    lamella("image", "ls")
    tell("Every digest in the store, computed anew:")
    lamella("image", "verify")


def fix(name: str, folder: str, image: str) -> Row:
    """Fixes with proof, and builds the fixed file under a name of its own. ``image`` is what the original made."""
    shown = lamella("fix", "--prove", folder, expect=(0, 1), progress=False)
    verdict = next((line for line in shown.lines if line.startswith("same state")), "DIFFERENT")
    fixed = f"{image.partition(':')[0]}:fixed"
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(f"{folder}/Dockerfile", copy)
        lamella_json("fix", "--write", "--format", "json", copy, expect=(0, 1))
        quietly("build", "-q", "-t", fixed, "-f", f"{copy}/Dockerfile", folder)
        files = (f"{folder}/Dockerfile", f"{copy}/Dockerfile")
        return image_row(name, files, (image, fixed), shown.status == 0, verdict)


def image_row(name: str, files: tuple[str, str], images: tuple[str, str], proven: bool, how: str) -> Row:
    before, after = (lamella_json("explain", "--format", "json", image) for image in images)
    return Row(
        name,
        instructions=(count_instructions(files[0]), count_instructions(files[1])),
        layers=(before["layers"]["total"], after["layers"]["total"]),
        size=(before["size"], after["size"]),
        proven=proven,
        how=how,
    )


def answer_row(name: str, files: tuple[str, str], images: tuple[str, str]) -> Row:
    """Two programs that are not the same files, but have to give the same answer over HTTP."""
    before, after = (http_answer(image, port=8080) for image in images)
    tell(f"{images[0]} answers {before!r}, {images[1]} {after!r}")
    return image_row(name, files, images, before == after, "the same HTTP answer")


def same_words(proof: dict[str, Any]) -> str:
    return f"same state: {proof['paths']:,} paths compared" if proof["same"] else "DIFFERENT"


def size_of(image: str) -> int:
    return int(lamella_json("explain", "--format", "json", image)["size"])


def ignored_paths(file: str) -> list[str]:
    """The ignore file's patterns as paths in the image."""
    with open(file, encoding="utf-8") as lines:
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [f"/app/{pattern}" for pattern in patterns]


def count_instructions(dockerfile: str) -> int:
    from lamella.syntax.parser import parse

    with open(dockerfile, encoding="utf-8") as file:
        return len(parse(file.read()).instructions)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DemoFailed as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
