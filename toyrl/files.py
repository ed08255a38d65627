"""Files: written whole or not at all, never in the place of what is none; told by first bytes.

| the path names                       | what is done                                            |
|--------------------------------------|---------------------------------------------------------|
| nothing, or a regular file           | written beside it under a temporary name, then renamed  |
| a symbolic link                      | the same with what it points at; the link stays         |
| a device, a FIFO, a socket           | opened and written                                      |
| a descriptor (/dev/stdout, /dev/fd/3)| written to the descriptor                               |
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

LINKS = 40  # symbolic links followed, as the kernel does
CAUSES = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "no space left (quota)",
    errno.EFBIG: "no space left under the file size limit",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.ELOOP: "its symbolic links lead nowhere",
    errno.EPIPE: "its reader has gone",
    errno.ECONNREFUSED: "nobody listens at the socket",
}

FOREIGN = {
    b"\x1f\x8b": "packed with gzip; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it first (zstd -d), or use gzip",
    b"BZh": "packed with bzip2; unpack it first (bunzip2), or use gzip",
    b"\xfd7zXZ\x00": "packed with xz; unpack it first (unxz), or use gzip",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"PAR1": "parquet; give it as it is, with the suffix .parquet",
    b"ARROW1": "an Arrow file; write it as parquet or JSONL",
    b"SQLite format 3": "an SQLite database; write its rows as JSONL",
    b"\xff\xfe\x00\x00": "UTF-32; write it as UTF-8 (iconv -f UTF-32 -t UTF-8)",
    b"\xff\xfe": "UTF-16; write it as UTF-8 (iconv -f UTF-16 -t UTF-8)",
    b"\xfe\xff": "UTF-16; write it as UTF-8 (iconv -f UTF-16 -t UTF-8)",
}
"""First bytes of files that aren't UTF-8 text -> what they are, and the way out."""


class WriteError(OSError):
    """A file can't be written; the message is one sentence with its path and the cause."""

    def __init__(self, path: Path | str, error: OSError) -> None:
        self.path, self.cause = Path(path), cause_of(error)
        super().__init__(f"can't write {path}: {self.cause}")
        self.errno = error.errno

    def __reduce__(self) -> tuple[Any, ...]:
        """As another process sends it: an exception of two arguments and one message."""
        return _write_error, (str(self), self.path, self.cause, self.errno)


def _write_error(message: str, path: Path, cause: str, number: int | None) -> WriteError:
    made = WriteError.__new__(WriteError, message)
    made.args, made.path, made.cause, made.errno = (message,), path, cause, number
    return made


def cause_of(error: OSError) -> str:
    """Why the operating system refused, in words."""
    return CAUSES.get(error.errno or 0, error.strerror or str(error) or type(error).__name__)


def foreign(start: bytes) -> str:
    """What a file is by its first bytes, with the way out; "" for what may be text in UTF-8."""
    return next((said for magic, said in FOREIGN.items() if start.startswith(magic)), "")


def write_file(path: Path | str, content: str | bytes) -> None:
    """Write the content, text as UTF-8: a crash leaves the old file whole, or none.

    Missing folders are made. Raises WriteError where it can't be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        place, kind = destination(path)
        if kind == "file":
            _replace(place, data)
        elif kind == "descriptor":
            with os.fdopen(os.dup(int(place.name)), "wb") as out:
                out.write(data)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as out:
                out.connect(str(place))
                out.sendall(data)
        else:
            with place.open("wb") as out:
                out.write(data)
    except OSError as error:
        raise WriteError(path, error) from error


def destination(path: Path | str) -> tuple[Path, str]:
    """Where a path leads, links followed: (place, "file" | "descriptor" | "socket" | "stream").

    A descriptor's place ends in its number; a stream is a device or a FIFO; "file" is a regular
    file or a name that isn't taken. Raises OSError for a folder and for links that lead nowhere.
    """
    place = Path(path)
    for _ in range(LINKS):
        place = Path(os.path.realpath(place.parent)) / place.name
        if re.fullmatch(rf"/proc/{os.getpid()}/fd/\d+", str(place)):
            return place, "descriptor"
        if not place.is_symlink():
            break
        place = place.parent / place.readlink()
    else:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return place, "file"
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISREG(mode):
        return place, "file"
    return place, "socket" if stat.S_ISSOCK(mode) else "stream"


def there(path: Path | str) -> bool:
    """True where something is; False too for what can't be a path (too long, a NUL byte)."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def unwritable(path: Path | str) -> str:
    """Why a file can't be written there, found out without touching what is there; "" if it can."""
    try:
        place, kind = destination(path)
    except IsADirectoryError:
        return "it is a folder; name a file"
    except (OSError, ValueError) as error:
        return cause_of(error) if isinstance(error, OSError) else str(error)
    if kind == "descriptor":
        return ""
    if kind != "file":
        return "" if os.access(place, os.W_OK) else "permission denied"
    return closed(place.parent)


def closed(folder: Path) -> str:
    """Why no file can be made in a folder; "" if one can."""
    if not folder.is_dir():
        if folder.exists():
            return f"{str(folder)!r} is no folder"
        return f"the folder {str(folder)!r} does not exist; create it"
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0")
    except OSError as error:
        cause = cause_of(error)
        return f"the folder {str(folder)!r} isn't writable ({cause})"
    return ""


def temporary(path: Path) -> str:
    """The first part of a name under which something for `path` is made; it says by whom."""
    return f".{path.name[:200]}.{os.getpid()}-"


def clear_leftovers(path: Path) -> None:
    """Remove what a killed process left beside `path`, under names by `temporary`.

    Of processes that have ended, and untouched for `UNTOUCHED` seconds, as another machine on the
    same disk numbers its processes itself. Looked for once a process and place.
    """
    if path in _CLEARED:
        return
    _CLEARED.add(path)
    for left in path.parent.glob(f".{glob.escape(path.name[:200])}.*-*"):
        number = left.name.removeprefix(f".{path.name[:200]}.").partition("-")[0]
        if not number.isdigit() or _lives(int(number)):
            continue
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > UNTOUCHED:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _lives(number: int) -> bool:
    import psutil

    return psutil.pid_exists(number)


_CLEARED: set[Path] = set()
UNTOUCHED = 60.0


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=temporary(path))
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data)
        Path(name).chmod(0o666 & ~_umask())  # temporary files are made for their owner alone
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
