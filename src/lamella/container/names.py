"""Names for containers: those that users give, and made-up ones for the others."""

from __future__ import annotations

import os
import re

from lamella.errors import InputError

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}")  # it is a file's name
_ADJECTIVES = (
    "able agile amber ample azure basic bold brave brief bright brisk calm candid civil clear clever cool cosy crisp "
    "curious daring deft eager early easy elegant epic exact fair fancy festive fine fleet fond frank free fresh "
    "gentle glad golden good grand great green handy happy hardy honest humble ideal jolly jovial keen kind large "
    "lively loyal lucid lucky mellow merry mighty mild modest neat nimble noble open patient plain polite prime proud "
    "quick quiet rapid ready regal ripe robust royal serene sharp silent silver simple sincere sleek smart smooth "
    "snug social solid sound spry steady still stoic sturdy sunny super sure sweet swift tender tidy trusty upbeat "
    "valiant vivid warm wise witty young zesty"
)
_PEOPLE = (
    "abel agnesi ampere archimedes babbage banach bell bernoulli bohr boole borg brahe cantor carson cauchy chandra "
    "clarke codd cohen cori curie dalton darwin dijkstra dirac einstein erdos euclid euler faraday fermat fermi "
    "feynman fibonacci fourier franklin galileo galois gauss germain godel goldwasser hamilton hawking heisenberg "
    "hertz hilbert hodgkin hopper hubble hypatia jemison johnson joule kalman kepler khorana knuth kovalevskaya "
    "lagrange lamarr laplace leavitt leibniz liskov lovelace mayer maxwell mccarthy meitner mendel mirzakhani napier "
    "newton nightingale noether ohm pascal pasteur payne perlman planck poincare ptolemy raman ramanujan riemann "
    "ritchie sammet shannon spence tesla thompson torvalds turing varahamihira vaughan volta wescoff wiles wilson "
    "wozniak wright wu yalow"
)


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Raises InputError for what cannot be a container's name."""
    if not is_name(name):
        raise InputError(
            f"{name!r} cannot be a container's name",
            hint="2 to 255 characters: letters, digits, '_', '.' and '-', the first a letter or digit",
        )
    return name


def random_name() -> str:
    """``quiet_noether``. Nobody has looked whether it is taken."""
    chosen = int.from_bytes(os.urandom(8), "big")
    adjectives, people = _ADJECTIVES.split(), _PEOPLE.split()
    return f"{adjectives[chosen % len(adjectives)]}_{people[chosen // len(adjectives) % len(people)]}"
