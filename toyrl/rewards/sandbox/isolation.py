"""Leaving network and write access behind, by Linux namespaces.

Loaded by the child interpreter: standard library only. Nothing is installed or configured: a user
namespace gives the rights to change what this process alone sees, and they are given up at once.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

NEW_USER, NEW_MOUNTS, NEW_NETWORK, NEW_IPC = 0x10000000, 0x00020000, 0x40000000, 0x08000000
MS_NOSUID, MS_NODEV, MS_PRIVATE, MS_REC = 2, 4, 1 << 18, 1 << 14
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1
NO_NEW_PRIVILEGES, DROP_BOUND, CAPABILITIES_V3 = 38, 24, 0x20080522
SCRATCH, SIZE = "/dev/shm", "256m"


class Refused(OSError):
    """A step that the system doesn't allow."""


def enter() -> str:
    """Enter the namespaces; why that can't be done here, or "".

    From then on this process and all that it starts have no network interface, see every file
    system read-only but for an empty scratch folder in memory (TMPDIR), and hold no capability.
    """
    if not sys.platform.startswith("linux"):
        return f"it needs Linux namespaces, and this is {sys.platform}"
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        _enter(libc)
    except Refused as error:
        return str(error)
    except OSError as error:
        return f"the system doesn't allow it ({error})"
    return ""


def _enter(libc: ctypes.CDLL) -> None:
    user, group = os.getuid(), os.getgid()
    _call(libc.unshare(NEW_USER | NEW_MOUNTS | NEW_NETWORK | NEW_IPC), "user namespaces")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _call(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    wanted = (ctypes.c_uint64 * 4)(READ_ONLY, 0, 0, 0)
    found = libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, wanted, 32)
    _call(found, "read-only mounts (Linux 5.12)")
    if Path(SCRATCH).is_dir():
        options = f"size={SIZE},mode=1777".encode()
        mounted = libc.mount(b"tmpfs", SCRATCH.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options)
        _call(mounted, "a scratch folder in memory")
        os.environ["TMPDIR"] = SCRATCH
    _give_up_rights(libc)


def _give_up_rights(libc: ctypes.CDLL) -> None:
    """Drop all capabilities for good; with them the mounts could be made writable again."""
    _call(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")
    capability = 0
    while libc.prctl(DROP_BOUND, capability, 0, 0, 0) == 0:
        capability += 1
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    _call(libc.capset(header, none), "giving up rights")


def _call(returned: int, what: str) -> None:
    if returned != 0:
        code = ctypes.get_errno()
        msg = f"the system doesn't allow {what} ({os.strerror(code)})"
        raise Refused(code, msg)
