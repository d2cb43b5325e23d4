"""A build that would come out as the last time is answered from a note of that time, without building anything.

After a build whose every step was cached, a note is kept (``cli.remember``): the words of the command, each file and
folder it looked at with what stat said, and what it printed. When the same command comes again and all of that is as
it was, the answer is the same. Anything else, a changed file as well as a note that cannot be read, leads to the
ordinary build.

The rule for trusting stat is that of Git's index: a file that changed shortly before the note was written is not
trusted, since a second change within the same tick of the clock would not show.

Nothing heavy is imported here, not even ``re`` or ``typing``: an interpreter starts in 10 ms, each of these costs 5.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FORMAT = "lamella replay 1"
_FRESH_NS = 20_000_000  # file times may be this coarse
_USER = os.geteuid()  # who called: in a user namespace the answer is another one
_ENVIRONMENT = ("SOURCE_DATE_EPOCH", "LAMELLA_RUNTIME")


def default_root() -> str:
    """``LAMELLA_ROOT``, else ``lamella`` in the user's XDG data folder."""
    chosen = os.environ.get("LAMELLA_ROOT")
    if chosen:
        return os.path.abspath(chosen)
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "lamella")


def replay(words: list[str]) -> bool:
    """Prints what ``lamella build WORDS`` printed, if nothing that it looked at has changed; False otherwise."""
    try:
        key = _key(words)  # an error where the current folder is gone
        with open(_path(key), encoding="utf-8", errors="surrogateescape") as file:
            fields = file.read().split("\0")
    except (OSError, ValueError):
        return False
    try:
        if fields[0] != _FORMAT or fields[1] != key.replace("\0", "\x01"):
            return False
        count = int(fields[4])
        stamps = fields[5 : 5 + 2 * count]
        if len(stamps) != 2 * count or any(
            _stamp(path) != stamp for path, stamp in zip(stamps[::2], stamps[1::2], strict=True)
        ):
            return False
    except (IndexError, ValueError):
        return False
    sys.stderr.write(fields[3])
    sys.stderr.flush()
    sys.stdout.write(fields[2])
    sys.stdout.flush()
    return True


def record(
    words: list[str],
    stats: "Mapping[str, os.stat_result | None]",
    blobs: "Iterable[str]",
    out: str,
    err: str,
    *,
    began: int,
) -> None:
    """Keeps a note. ``stats`` are the files and folders that the build looked at, by path (None: not there);
    ``blobs`` are paths of blobs, whose size alone counts. Keeps none where a file may have changed since the build
    ``began`` (ns since the epoch): what stat says may then be of another file than was read."""
    limit = began - _FRESH_NS
    stamps: list[str] = []
    for path, stat in stats.items():
        if stat is not None and max(stat.st_mtime_ns, stat.st_ctime_ns) > limit:
            return
        stamps += (path, _describe(stat))
    for path in blobs:
        stamps += (path, f"={os.path.getsize(path)}")
    key = _key(words)
    fields = [_FORMAT, key.replace("\0", "\x01"), out, err, str(len(stamps) // 2), *stamps]
    if any("\0" in field for field in fields):
        return
    path = _path(key)
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write("\0".join(fields))
        os.replace(temporary, path)
    except OSError:
        return  # a note is a convenience: a full disk or a read-only store costs only that


def _key(words: list[str]) -> str:
    from lamella import __version__

    context = (__version__, os.getcwd(), default_root(), str(_USER), str(sys.stderr.isatty()))
    return "\0".join((*context, *(os.environ.get(name, "") for name in _ENVIRONMENT), *words))


def _path(key: str) -> str:
    from binascii import crc32

    data = key.encode("utf-8", "surrogateescape")
    return f"{default_root()}/lamella/replay/{crc32(data):08x}{crc32(data[::-1]):08x}"


def _stamp(path: str) -> str:
    """What stands in a note for this path as it is now; blobs (named by 64 hex digits) are known by their size."""
    try:
        stat = os.lstat(path)
    except OSError:
        return _describe(None)
    if "/blobs/sha256/" in path:
        return f"={stat.st_size}"
    return _describe(stat)


def _describe(stat: "os.stat_result | None") -> str:
    if stat is None:
        return "-"
    return f"{stat.st_mode} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino} {stat.st_dev}"
