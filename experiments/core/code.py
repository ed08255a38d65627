"""A hash of the code that a result depends on: edited code makes earlier results old."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


@lru_cache
def fingerprint(folders: tuple[str, ...]) -> str:
    """SHA-256 of the library, of theory, and of these folders of `experiments`.

    The bridge and the other folders of `experiments` don't count.
    """
    import toyrl

    root = Path(toyrl.__file__).parent
    skipped = {"bridge", "experiments"}
    library = [p for p in root.iterdir() if p.is_dir() and p.name not in skipped]
    chosen = [root / "experiments" / name for name in folders]
    paths = [*root.glob("*.py"), *(p for f in (*library, *chosen) for p in f.rglob("*.py"))]
    digest = hashlib.sha256()
    for name, path in sorted((p.relative_to(root).as_posix(), p) for p in paths):
        digest.update(name.encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()
