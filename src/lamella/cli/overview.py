"""``lamella --help``, and the nearest command to a misspelt one."""

from __future__ import annotations

import importlib
import pkgutil

from lamella.cli import commands
from lamella.cli.dispatch import ALIASES, GROUPS


def command_names() -> list[str]:
    """Every command as it is typed: ``build``, ``image ls`` …"""
    names = []
    for module in pkgutil.iter_modules(commands.__path__):
        group, _, rest = module.name.partition("_")
        names.append(f"{group} {rest}" if rest and group in GROUPS else module.name)
    return sorted(names)


def nearest_command(word: str) -> str | None:
    import difflib

    close = difflib.get_close_matches(word, [*command_names(), *ALIASES], n=1)
    return close[0] if close else None


def print_overview(arguments: list[str]) -> int:
    """Lists all commands, or those of one group."""
    group = arguments[0] if arguments and arguments[0] in GROUPS else None
    names = [name for name in command_names() if group is None or name.startswith(group + " ")]
    print("lamella — the layer manager for container images\n")
    print(f"usage: lamella [--root DIR] {group or 'COMMAND'} …\n\ncommands:")
    width = max(map(len, names), default=0)
    for name in names:
        module = importlib.import_module(f"lamella.cli.commands.{name.replace(' ', '_')}")
        print(f"  {name:<{width}}  {module.SUMMARY}")
    if group is None:
        print(f"\nalso, as in Docker: {', '.join(sorted(ALIASES))}")
        print("\n--root DIR, or LAMELLA_ROOT: where images are kept (default: ~/.local/share/lamella)")
        print("lamella COMMAND --help shows an example first. --version prints the version.")
        print("exit codes: 0 yes, 1 the answer is no, 2 bad usage or input, 3 this machine cannot, 130 interrupted")
    return 0
