"""What skopeo makes of the credentials that we keep, and we of those that it keeps."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from clients import HASTY, push_image
from registries import PASSWORD, USER, Registry

from lamella.oci.reference import parse_reference
from lamella.registry.client import open_repository
from lamella.registry.credentialfiles import Credentials
from lamella.registry.credentials import keep_credentials

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("kind", ["basic_registry", "token_registry"])
def test_one_file_for_both(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, require: Callable[[str], str]
) -> None:
    registry: Registry = request.getfixturevalue(kind)
    ours, theirs = str(tmp_path / "ours.json"), str(tmp_path / "theirs.json")
    keep_credentials(registry.host, Credentials(USER, PASSWORD), ours)
    reference = parse_reference(f"{registry.host}/peers:one")
    raw = push_image(open_repository(reference, HASTY._replace(authfile=ours), push=True))

    def skopeo(*words: str) -> bytes:
        done = subprocess.run([require("skopeo"), *words], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    assert skopeo("inspect", "--raw", "--tls-verify=false", "--authfile", ours, f"docker://{reference}") == raw
    skopeo("login", "--tls-verify=false", "--authfile", theirs, "-u", USER, "-p", PASSWORD, registry.host)
    assert open_repository(reference, HASTY._replace(authfile=theirs)).get_manifest("one").raw == raw
