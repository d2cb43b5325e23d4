"""Commands known to leave a process behind, which lives until the RUN's container ends."""

from __future__ import annotations

from lamella.shell.command import Command

_ALWAYS_WORDS = """
    nohup setsid daemonize start-stop-daemon supervisord dockerd containerd mysqld_safe mariadbd-safe sshd crond cron
    rsyslogd syslogd dbus-daemon Xvfb ssh-agent memcached apachectl apache2ctl httpd screen tmux coproc at gradlew
    rc-service invoke-rc.d
"""
_ALWAYS = frozenset(_ALWAYS_WORDS.split())
#: program → one of these words among its arguments
_WITH_WORD = {
    "service": ("start", "restart", "reload"),
    "systemctl": ("start", "restart", "reload"),
    "pg_ctl": ("start", "restart"),
    "pg_ctlcluster": ("start", "restart"),
    "mongod": ("--fork",),
    "redis-server": ("--daemonize",),
    "adb": ("start-server", "devices", "install"),
}
#: program → harmless with one of these among its arguments
_WITHOUT_WORD = {
    "nginx": ("-t", "-T", "-v", "-V", "-h", "-s"),
    "gradle": ("--no-daemon", "--version", "-v", "--stop"),
    "bazel": ("--batch", "--version"),
}


def leaves_process(command: Command) -> bool:
    """Whether the command is known to start a service or a build daemon and come back."""
    program = command.program
    if program is None:
        return False
    words = [word for word in command.words if word is not None]
    if program in _ALWAYS:
        return not (program == "gradlew" and "--no-daemon" in words)
    if program in _WITH_WORD:
        return any(word.partition("=")[0] in _WITH_WORD[program] for word in words)
    if program in _WITHOUT_WORD:
        return not any(word in _WITHOUT_WORD[program] for word in words)
    return (command.name or "").startswith("/etc/init.d/") and "stop" not in words
