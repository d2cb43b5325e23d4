"""Entering a user namespace whose root is the user who calls.

Inside, id 0 is the user, and the ids from 1 on are the user's subordinate ones, for which Debian's ``newuidmap`` and
``newgidmap`` (package uidmap) ask the system. Without these there is one id alone. ``unshare(CLONE_NEWUSER)`` works for
a process with a single thread only, so there is one moment for it: early, before anything is started.

Sources: user_namespaces(7), newuidmap(1), mount_namespaces(7).
"""

from __future__ import annotations

import os
import threading

from lamella.userns import why
from lamella.userns.kernel import CLONE_NEWNS, CLONE_NEWUSER, MS_REC, MS_SLAVE, mount, unshare
from lamella.userns.mapping import Helper, Wanted, wanted_maps, write_single
from lamella.userns.standing import PLAIN, Standing, current, tell


def enter() -> Standing:
    """Makes this process root of a user namespace, with a mount namespace of its own, where it is not root already.

    Call it in the main thread before any other starts; files of the user's stay the user's. Where it cannot be, nothing
    changes and the answer's kind is ``plain``, with the reason. May be called again."""
    standing = current()
    if standing.kind != PLAIN or standing.reason:
        return standing
    if threading.current_thread() is not threading.main_thread() or len(os.listdir("/proc/self/task")) > 1:
        tell("a user namespace cannot be entered any more: other threads run", "")
        return current()
    _keep_home()
    wanted = wanted_maps(os.geteuid(), os.getegid())
    helper = Helper(wanted) if wanted.uids else None  # forked before: it must stay outside
    try:
        unshare(CLONE_NEWUSER | CLONE_NEWNS)
    except OSError as error:
        if helper is not None:
            helper.dismiss()
        tell(*why.refused(error))
        return current()
    _write_maps(wanted, helper)
    try:
        # Refused where the root is no mount (a plain chroot): what is mounted is ours all the same.
        mount("none", "/", None, MS_REC | MS_SLAVE)
    except PermissionError:
        tell(*why.powerless(), powerless=True)
    except OSError:
        pass
    return current()


def _write_maps(wanted: Wanted, helper: Helper | None) -> None:
    reason, hint = wanted.reason, wanted.hint
    if helper is not None:
        complaint = helper.write_maps(os.getpid())
        if complaint is None:
            return
        reason, hint = (
            f"the subordinate ids cannot be had: {complaint}",
            why.SUBIDS_HINT.format(user=os.environ.get("USER") or wanted.own_uid),
        )
    write_single(wanted.own_uid, wanted.own_gid)
    tell(reason, hint)


def _keep_home() -> None:
    """Inside, the user is number 0, whose home is another's."""
    if not os.environ.get("HOME"):
        os.environ["HOME"] = os.path.expanduser("~")
