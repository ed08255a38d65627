"""Checkpoints of a run: which one can be gone on from, and why one could not be written.

A run that is killed leaves half a checkpoint; a full disk does too. What is read back is looked at
before it is used: files of JSON are parsed, torch's (zip archives) are held against their
checksums, and those of weights against the size that their header says. A file of weights whose
numbers were changed in place is not found out.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from toyrl.bridge.training.state import FILE
from toyrl.files import CAUSES, cause_of
from toyrl.messages import PATH, shortened

STATE = "trainer_state.json"
NEEDED = (STATE, FILE, "optimizer.pt", "scheduler.pt", "rng_state.pth")
PACKED = (".pt", ".pth", ".bin")  # written by torch.save


def newest(folder: Path, tell: Callable[[str], None] = lambda _: None) -> Path | None:
    """The last checkpoint of a run's folder that is whole; damaged ones are told, and removed."""
    found = sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True)
    for place in found:
        wrong = damage(place)
        if not wrong:
            return place
        tell(f"{place} is damaged ({wrong}); it is left out")
        shutil.rmtree(place, ignore_errors=True)
    return None


def step_of(place: Path) -> int:
    """Updates that were done at a checkpoint, by its name."""
    number = place.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def clear(folder: Path) -> None:
    """Remove a run's checkpoints."""
    for place in folder.glob("checkpoint-*"):
        shutil.rmtree(place, ignore_errors=True)


def damage(place: Path) -> str:
    """What is wrong with a checkpoint, or ""."""
    for name in NEEDED:
        if not (place / name).is_file():
            return f"it has no {name}"
    weights = sorted(place.glob("*.safetensors"))
    if not weights and not any(place.glob("pytorch_model*.bin")):
        return "it has no weights"
    for file in sorted(place.iterdir()):
        wrong = _damage(file)
        if wrong:
            return f"{file.name}: {wrong}"
    return ""


def _damage(file: Path) -> str:
    try:
        if file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix in PACKED:
            with zipfile.ZipFile(file) as packed:
                return "" if packed.testzip() is None else "its checksum is wrong"
        elif file.suffix == ".safetensors":
            return _short(file)
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        return str(error).split("\n")[0] or type(error).__name__
    return ""


def _short(file: Path) -> str:
    """Whether a file of weights is as long as its header says (safetensors' format)."""
    with file.open("rb") as opened:
        head = int.from_bytes(opened.read(8), "little")
        size = file.stat().st_size
        if head > size:
            return f"{size} bytes, too few for its header"
        header = json.loads(opened.read(head))
    ends = [t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"]
    said = 8 + head + max(ends, default=0)
    return "" if said == size else f"{size} bytes, its header says {said}"


def unwritten(place: Path, error: BaseException) -> str:
    """Why a checkpoint could not be written, with the room that is left there."""
    try:
        room = f", {shutil.disk_usage(place.parent).free / 1e6:,.0f} MB free there"
    except OSError:
        room = ""
    return f"{place} can't be written ({_cause(error)}{room})"


def _cause(error: BaseException) -> str:
    """In words: from an OSError, or from what safetensors and torch say of one in their texts."""
    if isinstance(error, OSError):
        return cause_of(error)
    text = str(error).strip()
    number = re.search(r"os error (\d+)", text)
    if number and int(number[1]) in CAUSES:
        return CAUSES[int(number[1])]
    if "file write failed" in text or "unexpected pos" in text:  # torch's writer, of any cause
        return f"the file could not be written to its end; often {CAUSES[errno.ENOSPC]}"
    return f"{type(error).__name__}: {shortened(text.split(chr(10))[0], PATH, write=str)}"
