"""Ordinary users: one with subordinate ids and one without."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from ordinary import OrdinaryUser


def _made(subordinate: bool, require: Callable[[str], str]) -> Iterator[OrdinaryUser]:
    if os.geteuid() != 0:
        pytest.skip("only root can make a user")
    for program in ("useradd", "runuser", "newuidmap", "runc"):
        require(program)
    user = OrdinaryUser(subordinate=subordinate)
    try:
        if not user.can_read_this():
            pytest.skip("another user cannot read this checkout")
        yield user
    finally:
        user.remove()


@pytest.fixture(scope="session")
def user(require: Callable[[str], str]) -> Iterator[OrdinaryUser]:
    """With subordinate ids."""
    yield from _made(True, require)


@pytest.fixture(scope="session")
def single(require: Callable[[str], str]) -> Iterator[OrdinaryUser]:
    """With the own id alone."""
    yield from _made(False, require)
