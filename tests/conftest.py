"""Fixtures for the whole suite: where real root file systems lie, and what this machine has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def bases() -> Path:
    """Folder with real root file systems of Alpine and BusyBox."""
    folder = Path(os.environ.get("LAMELLA_TEST_BASES") or REPOSITORY.parent / "shared" / "bases")
    if not (folder / "alpine-minirootfs-3.20.3-x86_64.tar.gz").is_file():
        pytest.skip(f"no base root file systems in {folder} (set LAMELLA_TEST_BASES)")
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "root" in item.keywords and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def require() -> object:
    """``require("skopeo")`` gives the program's path, or skips and says so."""

    def find(program: str) -> str:
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed")
        return path

    return find
