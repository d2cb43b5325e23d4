"""Ordinary users: a user namespace to build and run in, and what is different in it."""

from lamella.userns.enter import enter
from lamella.userns.standing import Standing, current
from lamella.userns.visit import join, within

__all__ = ["Standing", "current", "enter", "join", "within"]
