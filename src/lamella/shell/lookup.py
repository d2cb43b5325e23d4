"""Which commands a shell may go on taking from where it found them first.

A shell remembers the folder of each command it has run. A new shell looks again, so two RUNs may run two different
``pip``: the second one that the first has installed. In one shell ``hash -r`` says to look again.
"""

from __future__ import annotations

from lamella.shell.script import Script

_BUILTIN_WORDS = """
    [ alias bg cd command echo eval exec exit export false fg getopts hash jobs kill local printf pwd read readonly
    return set shift test time times trap true type ulimit umask unalias unset wait : . source shopt declare
"""
#: what every base has at one place and no package or installer moves
_SETTLED_WORDS = """
    addgroup adduser apk apt apt-cache apt-get apt-key apt-mark basename cat chgrp chmod chown chpasswd chroot cp cut
    date dd deluser df dirname dnf dpkg dpkg-divert dpkg-reconfigure du env groupadd groupdel groupmod head hostname id
    install ldconfig ln ls microdnf mkdir mkfifo mknod mktemp mv nproc passwd rm rmdir rpm sleep sort stat sync tail tee
    touch tr uname update-ca-certificates update-rc.d useradd userdel usermod wc whoami xargs yum zypper
"""
_BUILTINS = frozenset(_BUILTIN_WORDS.split())
_SETTLED = frozenset(_SETTLED_WORDS.split())


def remembered(script: Script) -> frozenset[str]:
    """Commands that the shell running the body itself remembers afterwards, and that may move meanwhile."""
    names = {command.name for command in script.commands if command.own_shell and command.name is not None}
    return frozenset(name for name in names if "/" not in name and name not in _BUILTINS and name not in _SETTLED)


def looks_up(script: Script, names: frozenset[str]) -> str | None:
    """The first of ``names`` that the body runs, or may run."""
    for command in script.commands:
        if command.name in names:
            return command.name
        if names and command.opaque:
            return min(names)
    return None
